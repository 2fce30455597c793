"""Chances: whether something is nearer to a place in the training, in several settings, than if it fell anywhere.

The chance of a distance is the share of all places that are as near: evenly spread between 0 and 1, and 1/2 on average,
of what has nothing to do with the place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.report.curves import Column, Point
from orchestrator.report.judgement import Judgement
from orchestrator.report.numerals import with_error
from orchestrator.report.peaks import Verdict
from orchestrator.report.statistics import Mean, mean

MINIMUM_CELLS = 3
DRAWS = 100_000
LEVEL = 0.025  # one end of a 95 % interval


@dataclass(frozen=True)
class Chance:
    """The mean chance over settings, how probable one as small is of even places, and the verdict that follows."""

    mean: float
    p: float
    verdict: Verdict


def points_of(columns: Sequence[Column], quantity: str) -> list[Point]:
    """The points of a quantity in all columns: one for each setting that has it."""
    return [point for column in columns for point in column.curves[quantity].points]


def judged_chance(points: Sequence[Point], generator: np.random.Generator) -> Chance:
    """Of the chances at all settings, each of which counts once.

    Replicates share what a setting does, and the mean over them is at most as spread as one of them.
    """
    chance = mean([point.mean for point in points]).value
    null = generator.random((DRAWS, len(points))).mean(axis=1)
    p = (1 + int(np.sum(null <= chance))) / (1 + DRAWS)
    return Chance(chance, p, "holds" if p <= LEVEL else "does not hold" if chance >= 0.5 else "cannot be judged")


def too_few_settings(told: str, found: int, declared: int) -> Judgement:
    """What is said where fewer settings than needed have a chance."""
    numbers: dict[str, float] = {"cells": found, "declared": declared}
    return Judgement("cannot be judged", f"{told}; a claim needs at least {MINIMUM_CELLS}", numbers)


def decades_from(lag: Mean) -> str:
    """`0.12 ± 0.03 decades of steps after`."""
    return f"{with_error(abs(lag.value), lag.stderr)} decades of steps {'after' if lag.value >= 0 else 'before'}"
