"""Sides: on which side of its turning point each trial is, as further rows of the tidy table.

So a claim can be made of the networks up to it, or from it on, by a rule and not by eye.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from orchestrator.report.axis import Axis
from orchestrator.report.curves import SEED, has_place, place
from orchestrator.report.derived_kinds import Side
from orchestrator.report.statistics import mean
from orchestrator.report.table import Results, Row, Setting, Trial


def with_sides(results: Results, sides: Sequence[Side]) -> Results:
    """The table with a row for each side of each trial that has one."""
    return replace(results, rows=(*results.rows, *(row for side in sides for row in _rows(results, side))))


def turning_point(values: Iterable[tuple[float, float]]) -> float:
    """The x at which the mean of the values at an x is least; the largest such x."""
    at: dict[float, list[float]] = defaultdict(list)
    for x, value in values:
        at[x].append(value)
    return min((mean(each).value, -x, x) for x, each in at.items())[2]


def _rows(results: Results, side: Side) -> Iterable[Row]:
    latest = {row.trial_id: row for row in results.rows if row.quantity == side.quantity and math.isfinite(row.value)}
    sweeps: dict[frozenset[tuple[str, Setting]], list[Trial]] = defaultdict(list)
    for trial in results.trials:
        if trial.state == "done" and trial.trial_id in latest and has_place(trial, side.axis):
            sweeps[_others(trial, side.axis)].append(trial)
    for sweep in sweeps.values():
        turn = turning_point((place(trial, side.axis), latest[trial.trial_id].value) for trial in sweep)
        for trial in sweep:
            x = place(trial, side.axis)
            value = float((x > turn) - (x < turn))
            yield Row(trial.trial_id, latest[trial.trial_id].step, side.name, value, None)


def _others(trial: Trial, axis: Axis) -> frozenset[tuple[str, Setting]]:
    """All parameters but the axis and the seeds."""
    return frozenset(
        (name, value) for name, value in trial.parameters.items() if name != axis.parameter and not name.endswith(SEED)
    )
