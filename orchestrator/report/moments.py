"""Moments: a quantity in one part of the training, as further rows of the tidy table.

So that a claim can be about an early epoch, or about the last ten, and says which.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from orchestrator.report.courses import courses_of
from orchestrator.report.derived_kinds import Moment
from orchestrator.report.table import Results, Row


def with_moments(results: Results, moments: Sequence[Moment]) -> Results:
    """The table with a row for each moment of each done trial that has one."""
    courses = courses_of(results, {moment.quantity for moment in moments})
    done = [trial.trial_id for trial in results.trials if trial.state == "done"]
    pairs = [
        (moment, trial_id, courses.get((trial_id, moment.quantity), {})) for moment in moments for trial_id in done
    ]
    rows = (row for moment, trial_id, course in pairs for row in _rows(moment, trial_id, course))
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


def _rows(moment: Moment, trial_id: str, course: Mapping[int, float]) -> Iterable[Row]:
    value = value_of(moment, course)
    if value is not None:
        yield Row(trial_id, max(course), moment.name, value, None)
