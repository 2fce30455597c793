"""Moments: a quantity in one part of the training, as further rows of the tidy table.

So that a claim can be about an early epoch, or about the last ten, and says which.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from orchestrator.presentation import Moment
from orchestrator.table import Results, Row


def with_moments(results: Results, moments: Sequence[Moment]) -> Results:
    """The table with a row for each moment of each done trial that has one."""
    courses = _courses(results, {moment.quantity for moment in moments})
    done = [trial.trial_id for trial in results.trials if trial.state == "done"]
    rows = (row for moment in moments for each in done for row in _rows(moment, each, courses[each, moment.quantity]))
    return replace(results, rows=(*results.rows, *rows))


def value_of(moment: Moment, course: Mapping[int, float]) -> float | None:
    """The median within the part of the training, of the nearest step where none is in it; none without values."""
    if not course:
        return None
    first, last = min(course), max(course)
    begin, end = moment.begin * last, moment.end * last
    within = [value for step, value in course.items() if begin <= step <= end]
    nearest = course[min(course, key=lambda step: (abs(step - (begin + end) / 2), step))]
    value = float(np.median(within)) if within else nearest
    if not moment.over_first:
        return value
    return value / course[first] if course[first] else None


def _courses(results: Results, quantities: set[str]) -> defaultdict[tuple[str, str], dict[int, float]]:
    """By trial and quantity; by step."""
    courses: defaultdict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for row in results.rows:
        if row.quantity in quantities and math.isfinite(row.value):
            courses[row.trial_id, row.quantity][row.step] = row.value
    return courses


def _rows(moment: Moment, trial_id: str, course: Mapping[int, float]) -> Iterable[Row]:
    value = value_of(moment, course)
    if value is not None:
        yield Row(trial_id, max(course), moment.name, value, None)
