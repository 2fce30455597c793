"""Outcome: how a fit ended."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """`interpolation_step` is the first step at which the training set was fitted; None means it never was."""

    step: int
    diverged: bool = False
    interpolation_step: int | None = None
    interpolation_epoch: int | None = None
