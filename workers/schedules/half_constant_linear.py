"""The schedule of Maddox, Benton & Wilson (arXiv 2003.02139), scaled with the number of epochs."""

from typing import Annotated

from pydantic import Field

from workers.schedules.position import Position


def half_constant_linear(position: Position, *, final_factor: Annotated[float, Field(gt=0, le=1)] = 0.01) -> float:
    """Constant for half of the epochs, then linear down to `final_factor` at nine tenths, then constant."""
    t = position.epoch / position.epochs
    if t <= 0.5:
        return 1.0
    return max(final_factor, 1.0 - (1.0 - final_factor) * (t - 0.5) / 0.4)
