"""Linear warm-up, as for the transformer on modular division in the study of activation dimension and grokking."""

from typing import Annotated

from pydantic import Field

from workers.schedules.position import Position


def linear_warmup(position: Position, *, steps: Annotated[int, Field(ge=1)] = 10_000) -> float:
    """Linear up to one over the first `steps` optimiser steps, then constant.

    The first step already counts: its factor is 1 / steps and that of step number `steps` is 1, as in the code released
    with that study. (The warm-up of the transformers library lags one step: its first factor is 0.)
    """
    return min(1.0, (position.step + 1) / steps)
