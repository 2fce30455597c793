"""Turnings: is one quantity largest when another one is least? As further rows of the tidy table, and the verdict.

Two curves over the same training both have an extreme somewhere, and often early, so that two near each other prove
little. The null here puts the largest value at any place of the window, evenly along the logarithm of the steps: the
*chance* of a lag is the share of all places that are as near. And a place says nothing of a fall, so the fall from the
turn to the end is a number of its own.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from orchestrator.report.chances import MINIMUM_CELLS, decades_from, judged_chance, points_of, too_few_settings
from orchestrator.report.claim_kinds import TurnsWith
from orchestrator.report.courses import courses_of
from orchestrator.report.curves import Column
from orchestrator.report.derived_kinds import Turning
from orchestrator.report.judgement import Judgement
from orchestrator.report.numerals import significant
from orchestrator.report.statistics import mean
from orchestrator.report.table import Results, Row

MINIMUM_STEPS = 5  # of the window; among fewer a place says nothing

Course = Mapping[int, float]


@dataclass(frozen=True)
class Turn:
    """Decades of steps from the turn to the largest value, the chance of that, and the fall from turn to end."""

    lag: float
    chance: float
    fall: float


def with_turnings(results: Results, turnings: Sequence[Turning]) -> Results:
    """The table with rows for each turning: `/step` of the least value, and `/lag`, `/chance`, `/fall` around it."""
    courses = courses_of(results, {name for turning in turnings for name in (turning.least, turning.largest)})
    done = [trial.trial_id for trial in results.trials if trial.state == "done"]
    rows = [row for turning in turnings for trial_id in done for row in _rows(turning, trial_id, courses)]
    return replace(results, rows=(*results.rows, *rows))


def turn(course: Course, at: float) -> Turn | None:
    """What the course does around a step; none where it has too few steps, or none before or after that step."""
    steps = sorted(step for step in course if step > 0)
    if len(steps) < MINIMUM_STEPS or not steps[0] < at < steps[-1]:
        return None
    grid = np.linspace(math.log10(steps[0]), math.log10(steps[-1]), len(steps))
    known = np.log10(steps), [course[step] for step in steps]
    lags = grid - math.log10(at)
    lag = float(lags[int(np.argmax(np.interp(grid, *known)))])
    chance = float(np.mean(np.abs(lags) <= abs(lag) + 1e-12))
    return Turn(lag, chance, float(np.interp(math.log10(at), *known)) - course[steps[-1]])


def turns_with(claim: TurnsWith, columns: tuple[Column, ...], generator: np.random.Generator) -> Judgement:
    """Whether the largest values are nearer to the turns, taken together, than places drawn evenly."""
    points, cells = points_of(columns, f"{claim.turning}/chance"), sum(len(column.xs) for column in columns)
    told = f"{claim.other_label} turns inside the training in {len(points)} of {cells} settings"
    if len(points) < MINIMUM_CELLS:
        return too_few_settings(told, len(points), cells)
    chance = judged_chance(points, generator)
    lag = mean([point.mean for point in points_of(columns, f"{claim.turning}/lag")])
    numbers = {"cells": len(points), "declared": cells, "chance": chance.mean, "p": chance.p, "lag": lag.value}
    text = (
        f"{told}; the share of places as near to it is {significant(chance.mean, 2)} on average (p = "
        f"{significant(chance.p, 2)} against even places, which have 1/2); {claim.label} is largest "
        f"{decades_from(lag)} it"
    )
    return Judgement(chance.verdict, text, numbers)


def _rows(turning: Turning, trial_id: str, courses: Mapping[tuple[str, str], Course]) -> Iterable[Row]:
    least, largest = (courses.get((trial_id, name), {}) for name in (turning.least, turning.largest))
    if not least:
        return
    at, last = min(least, key=lambda step: (least[step], step)), max(least)
    yield Row(trial_id, last, f"{turning.name}/step", float(at), None, at_least=at == last)
    found = None if at == last else turn(largest, at)
    if found is not None:
        yield Row(trial_id, last, f"{turning.name}/lag", found.lag, None)
        yield Row(trial_id, last, f"{turning.name}/chance", found.chance, None)
        yield Row(trial_id, last, f"{turning.name}/fall", found.fall, None)
