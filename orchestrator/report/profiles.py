"""Profiles: stored arrays and a presentation -> arrays along another one of their measurement, a line for each x.

A point is the mean over all done trials of a line that have a finite value at this place. What comes before the last
axis of an array is a mean over random draws, whose standard error is that of the mean.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from orchestrator.report.courses import Course, lines
from orchestrator.report.curves import Point, placed, point
from orchestrator.report.presentation import Presentation, Profile, Profiles
from orchestrator.report.statistics import mean
from orchestrator.report.table import Array, Results, Row, Trial


def profiles(
    results: Results, presentation: Presentation, column_of: Mapping[str, str]
) -> tuple[Sequence[Course], ...]:
    """All lines of each of the profiles; `column_of` gives the label of each trial's column. None without an x axis."""
    if presentation.x is None:
        return ()
    last = {(array.trial_id, array.name): array for array in sorted(results.arrays, key=lambda array: array.step)}
    groups = lines(placed(results.trials, presentation), presentation.x, column_of)
    return tuple(_courses(each, groups, last) for each in presentation.profiles)


def _courses(
    shown: Profiles, groups: Mapping[tuple[str, float], Sequence[Trial]], last: Mapping[tuple[str, str], Array]
) -> Sequence[Course]:
    return [
        Course(column, x, series.quantity, _points(trials, panel, series.quantity, last))
        for (column, x), trials in groups.items()
        for panel in shown.panels
        for series in panel.series
    ]


def _points(
    trials: Sequence[Trial], panel: Profile, name: str, last: Mapping[tuple[str, str], Array]
) -> tuple[Point, ...]:
    rows: dict[float, list[Row]] = {}
    for trial in trials:
        values, along = last.get((trial.trial_id, name)), last.get((trial.trial_id, panel.along))
        if values is not None and along is not None:
            for place, row in _rows(values, along):
                rows.setdefault(place, []).append(row)
    return tuple(point(place, rows[place]) for place in sorted(rows))


def _rows(values: Array, along: Array) -> list[tuple[float, Row]]:
    """A row of the tidy table for each place, at which the array has a finite value."""
    draws = np.asarray(values.values, dtype=np.float64).reshape(-1, values.values.shape[-1])
    if along.values.shape != draws.shape[-1:]:
        raise ValueError(
            f"array {values.name} of shape {values.values.shape} cannot be drawn along {along.name} of shape "
            f"{along.values.shape}: its last axis must be as long"
        )
    rows: list[tuple[float, Row]] = []
    for place, column in zip(along.values.tolist(), draws.T.tolist(), strict=True):
        finite = [value for value in column if np.isfinite(value)]
        if finite and np.isfinite(place):
            found = mean(finite)
            rows.append((place, Row(values.trial_id, values.step, values.name, found.value, found.stderr)))
    return rows
