"""Courses: the tidy table and a presentation -> quantities over the steps of training, a line for each x.

`profiles` makes such lines of arrays, along another one.

A point is the mean over all done trials of a line at a step. There are points only where each of them has a value: a
training that ends when its set is fitted would otherwise leave a mean over the slower ones.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from orchestrator.report.axis import Axis
from orchestrator.report.curves import Point, place, placed, point
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results, Row, Trial


@dataclass(frozen=True)
class Course:
    """One quantity of the trials at one x of one column; the x of a point is its step, or its place along an array."""

    column: str
    x: float
    quantity: str
    points: tuple[Point, ...]


def courses(results: Results, presentation: Presentation, column_of: Mapping[str, str]) -> tuple[Course, ...]:
    """All lines of the courses; `column_of` gives the label of each trial's column. None without courses."""
    if presentation.courses is None or presentation.x is None:
        return ()
    drawn = dict.fromkeys(series.quantity for panel in presentation.courses.panels for series in panel.series)
    values: dict[tuple[str, str], dict[int, Row]] = defaultdict(dict)
    for row in results.rows:
        if row.quantity in drawn and math.isfinite(row.value):
            values[row.trial_id, row.quantity][row.step] = row
    return tuple(
        Course(column, x, quantity, _points(trials, quantity, values))
        for (column, x), trials in lines(placed(results.trials, presentation), presentation.x, column_of).items()
        for quantity in drawn
    )


def courses_of(results: Results, quantities: Collection[str]) -> dict[tuple[str, str], dict[int, float]]:
    """The finite values of these quantities, by trial and quantity and then by step."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for row in results.rows:
        if row.quantity in quantities and math.isfinite(row.value):
            found.setdefault((row.trial_id, row.quantity), {})[row.step] = row.value
    return found


def lines(trials: Iterable[Trial], x: Axis, column_of: Mapping[str, str]) -> dict[tuple[str, float], list[Trial]]:
    """The done trials of each line, by column and x, in the order of x."""
    lines: dict[tuple[str, float], list[Trial]] = defaultdict(list)
    for trial in sorted(trials, key=lambda trial: place(trial, x)):
        if trial.state == "done":
            lines[column_of[trial.trial_id], place(trial, x)].append(trial)
    return lines


def _points(
    trials: list[Trial], quantity: str, values: Mapping[tuple[str, str], Mapping[int, Row]]
) -> tuple[Point, ...]:
    replicates = [values.get((trial.trial_id, quantity), {}) for trial in trials]
    steps = set[int].intersection(*(set(each) for each in replicates))
    return tuple(point(step, [each[step] for each in replicates]) for step in sorted(steps))
