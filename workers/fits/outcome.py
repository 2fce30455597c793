"""Outcome: how a fit ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """The last step, and when the training set was first fitted.

    `thresholds` holds a step for each rule of `workers.fits.threshold` that was ever fulfilled; `steps_per_epoch` makes
    epochs of them.
    """

    step: int
    diverged: bool = False
    thresholds: Mapping[str, int] = field(default_factory=dict[str, int])
    steps_per_epoch: int = 1
