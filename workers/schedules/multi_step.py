"""Step decay at milestones."""

from bisect import bisect_right
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field

from workers.schedules.position import Position


def _increasing(milestones: tuple[int, ...]) -> tuple[int, ...]:
    if any(earlier >= later for earlier, later in pairwise((0, *milestones))):
        raise ValueError("milestones are positive and strictly increasing")
    return milestones


Milestones = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_increasing)]


def multi_step(
    position: Position, *, milestones: Milestones = (100, 200), factor: Annotated[float, Field(gt=0, le=1)] = 0.1
) -> float:
    """Multiplied by `factor` when as many epochs are finished as a milestone says.

    The defaults are those of the published MLP curves in the reproduction of Zhang et al. (ICLR 2017).
    """
    return factor ** bisect_right(milestones, position.epoch)
