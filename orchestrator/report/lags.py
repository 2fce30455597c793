"""Lags: does one quantity fall most steeply when another one passes a level? As further rows of the tidy table.

Whatever happens in a training tends to happen early, so that two curves both change at one place proves little. The
null here keeps the curve that falls as it is and shifts it, around the ends of the window, along the logarithm of the
steps: the *chance* of a lag is the share of all shifts whose lag is no larger. Of curves that have nothing to do with
each other it is spread evenly between 0 and 1.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.report.chances import MINIMUM_CELLS, decades_from, judged_chance, points_of, too_few_settings
from orchestrator.report.claim_kinds import Coincides
from orchestrator.report.courses import courses_of
from orchestrator.report.curves import Column
from orchestrator.report.derived_kinds import Lag
from orchestrator.report.judgement import Judgement
from orchestrator.report.numerals import significant
from orchestrator.report.statistics import mean
from orchestrator.report.table import Results, Row

MINIMUM_INTERVALS = 4  # of the window; among fewer a shift can hardly change the lag

Floats = NDArray[np.float64]
Course = Mapping[int, float]


@dataclass(frozen=True)
class Found:
    """The lag in decades of steps, positive if the fall comes later, none if nothing falls; and its chance."""

    lag: float | None
    chance: float


def with_lags(results: Results, lags: Sequence[Lag]) -> Results:
    """The table with rows for each lag: `/step` at which the level is passed, `/lag` and `/chance` where it is."""
    courses = courses_of(results, {name for lag in lags for name in (lag.falls, lag.fitted, lag.passes)})
    done = [trial.trial_id for trial in results.trials if trial.state == "done"]
    rows = [row for lag in lags for trial_id in done for row in _rows(lag, trial_id, courses)]
    return replace(results, rows=(*results.rows, *rows))


def first_passing(course: Course, level: float) -> float | None:
    """The step at which the quantity is first at most the level, straight between values over the log of the steps."""
    steps = sorted(step for step in course if step > 0)
    for before, after in zip([None, *steps], steps, strict=False):
        if course[after] <= level:
            if before is None:
                return float(after)
            part = (course[before] - level) / (course[before] - course[after])
            return before * (after / before) ** part
    return None


def steepest_fall(course: Course, start: float, passing: float) -> Found | None:
    """The lag from the passing to the steepest fall after the start; none if the window has too few intervals."""
    steps = sorted(step for step in course if step >= start)
    intervals = len(steps) - 1
    if intervals < MINIMUM_INTERVALS or passing < start:
        return None
    grid = np.linspace(math.log10(steps[0]), math.log10(steps[-1]), intervals + 1)
    falls = -np.diff(np.interp(grid, np.log10(steps), [course[step] for step in steps]))
    if falls.max() <= 0:
        return Found(None, 1.0)
    lags: Floats = (grid[1:] + grid[:-1]) / 2 - math.log10(passing)
    lag = float(lags[int(np.argmax(falls))])
    return Found(lag, float(np.mean(np.abs(lags) <= abs(lag) + 1e-12)))


def coincides(claim: Coincides, columns: tuple[Column, ...], generator: np.random.Generator) -> Judgement:
    """Whether the chances of all cells are too small, taken together, to be those of shifted curves."""
    points, cells = points_of(columns, f"{claim.lag}/chance"), sum(len(column.xs) for column in columns)
    told = f"{claim.other_label} is passed in {len(points)} of {cells} settings"
    if len(points) < MINIMUM_CELLS:
        return too_few_settings(told, len(points), cells)
    chance = judged_chance(points, generator)
    numbers = {"cells": len(points), "declared": cells, "chance": chance.mean, "p": chance.p}
    text = f"{told}; the share of shifted curves that fall as near to it is {significant(chance.mean, 2)} on average "
    text += f"(p = {significant(chance.p, 2)} against shifted curves, which have 1/2)"
    lags = [point.mean for point in points_of(columns, f"{claim.lag}/lag")]
    if lags:
        numbers["lag"] = mean(lags).value
        text += f"; {claim.label} falls most steeply {decades_from(mean(lags))} it"
    return Judgement(chance.verdict, text, numbers)


def _rows(lag: Lag, trial_id: str, courses: Mapping[tuple[str, str], Course]) -> Iterable[Row]:
    falls, fitted, passes = (courses.get((trial_id, name), {}) for name in (lag.falls, lag.fitted, lag.passes))
    if not passes:
        return
    last = max(passes)
    passing, start = first_passing(passes, lag.level), first_passing(fitted, lag.level)
    if passing is None:
        yield Row(trial_id, last, f"{lag.name}/step", float(last), None, at_least=True)
        return
    yield Row(trial_id, last, f"{lag.name}/step", passing, None)
    found = None if start is None else steepest_fall(falls, start, passing)
    if found is not None:
        yield Row(trial_id, last, f"{lag.name}/chance", found.chance, None)
        if found.lag is not None:
            yield Row(trial_id, last, f"{lag.name}/lag", found.lag, None)
