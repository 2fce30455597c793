"""Exponential decay: Zhang et al. (ICLR 2017, appendix A) take 0.95 per epoch for every network."""

from typing import Annotated

from pydantic import Field

from workers.schedules.position import Position


def exponential(position: Position, *, factor: Annotated[float, Field(gt=0, le=1)] = 0.95) -> float:
    """Multiplied by `factor` after every epoch."""
    return factor**position.epoch
