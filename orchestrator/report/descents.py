"""Descents: how a quantity goes over the steps of a training, as further rows of the tidy table.

Evaluations are at the same steps in all networks that are trained for as long on as much, so their numbers can be
compared; with more of them a curve that shakes is longer, and so is a mean over fewer.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from orchestrator.report.derived_kinds import Descent
from orchestrator.report.table import Results, Row


def with_descents(results: Results, descents: Sequence[Descent]) -> Results:
    """The table with rows for each descent of each done trial: `/change`, `/rise` and `/excess`."""
    done = [trial.trial_id for trial in results.trials if trial.state == "done"]
    rows = [row for descent in descents for trial_id in done for row in _rows(results, descent, trial_id)]
    return replace(results, rows=(*results.rows, *rows))


def mean_change(values: Sequence[float]) -> float:
    """The mean absolute difference between a value and the next.

    >>> mean_change([4.0, 1.0, 2.0])
    2.0
    """
    return sum(abs(after - before) for before, after in pairwise(values)) / (len(values) - 1)


def total_rise(values: Sequence[float]) -> float:
    """The sum of all differences by which a value is above the one before: 0 where they only fall.

    >>> total_rise([4.0, 1.0, 2.0, 0.5, 1.0])
    1.5
    """
    return sum(max(0.0, after - before) for before, after in pairwise(values))


def _rows(results: Results, descent: Descent, trial_id: str) -> Iterable[Row]:
    course = {
        row.step: row.value for row in results.rows if (row.trial_id, row.quantity) == (trial_id, descent.quantity)
    }
    steps = sorted(course)
    values = [course[step] for step in steps]
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return
    found = {"change": mean_change(values), "rise": total_rise(values), "excess": values[-1] - min(values)}
    for name, value in found.items():
        yield Row(trial_id, steps[-1], f"{descent.name}/{name}", value, None)
