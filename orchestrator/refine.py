"""Refine: which trials to add so that a peak and an interpolation threshold are known more exactly. Pure.

A column is all trials that differ in the axis and in seeds alone. While one of its trials is not finished, nothing is
added to it. Then the gaps on both sides of the peak, and the gap before the first zero, are each halved (in the
logarithm), until none is wider than the factor. Both sides at once, because the trials of a round train side by side; a
golden section would need a few trials fewer and twice the rounds. Every round looks at all points anew: if a new one
stands out more, the search goes on around it.

With replicates, every point is taken for the peak that stands out as much as the best one within twice the noise of
their difference, and the gaps around all of these are halved. With one replicate there is no such noise to be known:
what is located is the peak of these very networks.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from orchestrator.adaptive import Refine, with_value
from orchestrator.report.curves import Point
from orchestrator.report.peaks import MINIMUM_POINTS, NOISE_FACTOR, find_peak, prominences
from orchestrator.report.statistics import mean
from orchestrator.report.table import Results, Setting, Trial
from orchestrator.study import Study
from workers.spec import SEEDS, TrialSpec

ROUNDING = 1e-9  # relative, of a ratio that was computed from the factor itself


@dataclass(frozen=True)
class Place:
    """Where on the axis something is: found at `at`; the nearest values on both sides where it is not.

    A threshold lies above `low`, and not above `at`, which is then `high`, too. `also` are other values that the peak
    cannot be told from.
    """

    low: float
    at: float
    high: float
    also: tuple[float, ...] = ()

    @property
    def factor(self) -> float:
        """To what factor it is known."""
        return max(self.at / self.low, self.high / self.at)


@dataclass(frozen=True)
class Column:
    """All trials that differ in the refined axis and in seeds alone."""

    settings: Mapping[str, Setting]
    trials: tuple[TrialSpec, ...]
    outcomes: tuple[Trial, ...]
    values: Mapping[tuple[str, str], float]  # by trial id and quantity
    axis: str

    @cached_property
    def xs(self) -> list[float]:
        """The values of the axis, ascending."""
        return sorted({self.x_of(outcome) for outcome in self.outcomes})

    def x_of(self, outcome: Trial) -> float:
        """Where on the axis a trial is: a number, as the study has made sure."""
        return cast("float", outcome.parameters[self.axis])

    @property
    def integers(self) -> bool:
        return all(isinstance(x, int) for x in self.xs)

    @property
    def unfinished(self) -> int:
        return sum(outcome.state not in ("done", "diverged") for outcome in self.outcomes)

    def points(self, quantity: str) -> tuple[Point, ...]:
        """The mean over replicates wherever one has a finite value."""
        found: dict[float, list[float]] = {x: [] for x in self.xs}
        for trial, outcome in zip(self.trials, self.outcomes, strict=True):
            value = self.values.get((trial.trial_id, quantity), math.nan)
            if outcome.state == "done" and math.isfinite(value):
                found[self.x_of(outcome)].append(value)
        return tuple(
            Point(x, mean(values).value, mean(values).stderr, len(values), min(values), max(values))
            for x, values in found.items()
            if values
        )

    def at(self, x: float) -> list[TrialSpec]:
        """A trial at a new value with the seeds of every replicate."""
        seeds = {tuple(getattr(trial, seed) for seed in SEEDS): trial for trial in self.trials}
        return [with_value(trial, self.axis, x) for trial in seeds.values()]


@dataclass(frozen=True)
class Located:
    """What is known of one column: the places, or why there is none; and the values that would tell more."""

    column: Column
    peak: Place | str
    threshold: Place | str
    add: tuple[float, ...]


def refined(study: Study, results: Results) -> tuple[TrialSpec, ...]:
    """The trials to add next to those of the study, given all that is stored of them; maybe none."""
    refine, new = study.refine, list[TrialSpec]()
    if refine is None:
        return ()
    room = math.inf if refine.max_trials is None else refine.max_trials - len(study.trials)
    for located in locate(study, results):
        for x in located.add:
            trials = located.column.at(x)
            if len(new) + len(trials) <= room:
                new += trials
    return tuple(new)


def locate(study: Study, results: Results) -> tuple[Located, ...]:
    """What is known of every column of a study that is refined."""
    assert study.refine is not None, "asked of a study that is refined"
    return tuple(_located(column, study.refine) for column in columns(study, study.refine.axis, results))


def columns(study: Study, axis: str, results: Results) -> tuple[Column, ...]:
    """The columns of a study along an axis, in the order in which it declares them."""
    values = {(row.trial_id, row.quantity): row.value for row in sorted(results.rows, key=lambda row: row.step)}
    groups: dict[tuple[tuple[str, Setting], ...], list[tuple[TrialSpec, Trial]]] = {}
    for pair in zip(study.trials, results.trials, strict=True):
        kept = {name: value for name, value in pair[1].parameters.items() if name not in (axis, *SEEDS)}
        groups.setdefault(tuple(kept.items()), []).append(pair)
    differing = {name for first in groups for second in groups for name, _ in set(first) ^ set(second)}
    return tuple(
        Column(
            settings={name: value for name, value in key if name in differing},
            trials=tuple(trial for trial, _ in pairs),
            outcomes=tuple(outcome for _, outcome in pairs),
            values=values,
            axis=axis,
        )
        for key, pairs in groups.items()
    )


def _located(column: Column, refine: Refine) -> Located:
    peak, around = _peak(column.points(refine.quantity), refine)
    threshold, before = _threshold(column.points(refine.threshold), refine)
    if column.unfinished:
        return Located(column, peak, threshold, ())
    halves = {_between(low, high, refine.factor, column.integers) for low, high in {*around, *before}}
    return Located(column, peak, threshold, tuple(sorted(x for x in halves if x is not None and x not in column.xs)))


Gaps = Iterable[tuple[float, float]]


def _peak(points: tuple[Point, ...], refine: Refine) -> tuple[Place | str, Gaps]:
    """Where the peak is, and the gaps around it; or why there is none."""
    name = refine.quantity
    if len(points) < MINIMUM_POINTS:
        return f"{name} is known at {len(points)} values, and a peak needs {MINIMUM_POINTS}", ()
    peak = find_peak(points)
    if peak is None:
        rising = points[-1].mean > min(point.mean for point in points)
        end = (
            f"still rising at the largest, {points[-1].x:g}" if rising else f"highest at the smallest, {points[0].x:g}"
        )
        return f"peak at the edge of the grid: {name} is {end}", ()
    if peak.verdict == "does not hold":
        return f"no peak of {name} stands out of the noise; the most prominent value is {peak.top.x:g}", ()
    chosen = _plausible(points, peak.index)
    low, high = points[chosen[0] - 1].x, points[chosen[-1] + 1].x
    also = tuple(points[index].x for index in chosen if index != peak.index)
    gaps = [(points[i].x, points[j].x) for index in chosen for i, j in ((index - 1, index), (index, index + 1))]
    return Place(low, peak.top.x, high, also), gaps


def _plausible(points: tuple[Point, ...], best: int) -> list[int]:
    """The interior points that stand out as much as the best one, as far as replicates can tell."""
    prominence, chosen = [-math.inf, *prominences(points)], list[int]()
    for index in range(1, len(points) - 1):
        errors = (points[index].stderr, points[best].stderr)
        noise = math.hypot(*(error for error in errors if error is not None)) if None not in errors else 0.0
        if index == best or prominence[index] > prominence[best] - NOISE_FACTOR * noise:
            chosen.append(index)
    return chosen


def _threshold(points: tuple[Point, ...], refine: Refine) -> tuple[Place | str, Gaps]:
    """Where the quantity is first zero in all replicates, and the gap before; or why nowhere."""
    name = refine.threshold
    first = next((index for index, point in enumerate(points) if point.low == point.high == 0), None)
    if not points:
        return f"{name} is known nowhere", ()
    if first is None:
        return f"{name} does not reach 0 on the grid", ()
    if first == 0:
        return f"{name} is 0 already at the smallest value, {points[0].x:g}", ()
    low, high = points[first - 1].x, points[first].x
    return Place(low, high, high), ((low, high),)


def _between(low: float, high: float, factor: float, integers: bool) -> float | None:
    """The value that halves a gap; None if the gap is narrow enough, or there is no whole number in it."""
    if high / low <= factor * (1 + ROUNDING) or (integers and high - low < 2):
        return None
    middle = math.sqrt(low * high)
    return min(max(round(middle), int(low) + 1), int(high) - 1) if integers else middle


def uniform_grid(low: float, high: float, factor: float, integers: bool) -> tuple[float, ...]:
    """The fewest values from `low` to `high`, evenly spaced in the logarithm, that are within a factor of one another.

    >>> uniform_grid(2, 8, 2, integers=True)
    (2, 4, 8)
    """
    count = math.ceil(math.log(high / low) / math.log(factor) - ROUNDING) + 1
    values = np.geomspace(low, high, count)
    return tuple(sorted({round(x) for x in values})) if integers else tuple(float(x) for x in values)
