"""The schedule of Loukas, Poiitis & Jegelka (arXiv 2106.04186) for their convolutional network."""

from typing import Annotated

from pydantic import Field

from workers.schedules.position import Position


def decade_decay(position: Position, *, epochs: Annotated[int, Field(ge=1)] = 50) -> float:
    """Ten times smaller every `epochs` epochs, in equal ratios from one epoch to the next."""
    return 10 ** (-position.epoch / epochs)
