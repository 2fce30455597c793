"""Curves: the tidy table and a presentation -> what each panel draws.

A point is the mean over all done trials that share x and column. A value that is missing or not finite is left out and
counted, never filled in.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.numerals import position
from orchestrator.presentation import Axis, Claim, Follows, Presentation
from orchestrator.statistics import mean
from orchestrator.table import Results, Row, Setting, Trial


@dataclass(frozen=True)
class Point:
    """The mean over `n` replicates at one x, their extremes, and the standard error of the mean if one is known."""

    x: float
    mean: float
    stderr: float | None
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """One quantity over x, and how many values of done trials it had to leave out: never measured, or not finite."""

    quantity: str
    points: tuple[Point, ...]
    missing: int = 0
    not_finite: int = 0


@dataclass(frozen=True)
class Column:
    """The curves of one value of the column axis; `xs` are all declared x, `replicates` the done trials at each x."""

    label: str
    value_text: str
    xs: tuple[float, ...]
    replicates: Mapping[float, int]
    curves: Mapping[str, Curve]
    trial_ids: tuple[str, ...] = ()


def curves(results: Results, presentation: Presentation) -> tuple[Column, ...]:
    """One column of curves for each value of the column axis, in the order in which the study declares them."""
    if presentation.x is None:
        return ()
    columns: dict[Setting, list[Trial]] = defaultdict(list)
    for trial in results.trials:
        value = None if presentation.columns is None else _parameter(trial, presentation.columns)
        columns[value].append(trial)
    latest = _latest(results.rows)
    wanted = quantities(presentation)
    return tuple(
        _column(value, trials, latest, wanted, presentation.x, presentation.columns)
        for value, trials in columns.items()
    )


def quantities(presentation: Presentation) -> tuple[str, ...]:
    """Every quantity that the panels draw or the claims judge, each once, in order of first mention."""
    drawn = [series.quantity for panel in presentation.panels for series in panel.series]
    judged = [quantity for claim in presentation.claims for quantity in _judged(claim)]
    return tuple(dict.fromkeys([*drawn, *judged]))


def averaged_over(results: Results, presentation: Presentation) -> tuple[str, ...]:
    """The parameters in which done trials at the same x and column differ: what a point is the mean over."""
    axes = {axis.parameter for axis in (presentation.x, presentation.columns) if axis is not None}
    groups: dict[tuple[Setting, ...], list[Trial]] = defaultdict(list)
    for trial in results.trials:
        if trial.state == "done":
            groups[tuple(trial.parameters.get(axis) for axis in sorted(axes))].append(trial)
    return tuple(
        name
        for name in dict.fromkeys(name for trial in results.trials for name in trial.parameters)
        if any(len({str(trial.parameters.get(name)) for trial in group}) > 1 for group in groups.values())
    )


def _judged(claim: Claim) -> tuple[str, ...]:
    return (claim.quantity, claim.other) if isinstance(claim, Follows) else (claim.quantity,)


def _latest(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """The row of the largest step for each trial and quantity."""
    return {(row.trial_id, row.quantity): row for row in sorted(rows, key=lambda row: row.step)}


def _column(
    value: Setting,
    trials: list[Trial],
    latest: Mapping[tuple[str, str], Row],
    wanted: tuple[str, ...],
    x: Axis,
    columns: Axis | None,
) -> Column:
    declared = sorted({_x(trial, x) for trial in trials})
    done: dict[float, list[Trial]] = {at: [] for at in declared}
    for trial in trials:
        if trial.state == "done":
            done[_x(trial, x)].append(trial)
    return Column(
        label="all trials" if columns is None else f"{columns.label} {_setting(value)}",
        value_text="all" if columns is None else _setting(value),
        xs=tuple(declared),
        replicates={at: len(replicates) for at, replicates in done.items()},
        curves={quantity: _curve(quantity, done, latest) for quantity in wanted},
        trial_ids=tuple(trial.trial_id for trial in trials),
    )


def _curve(quantity: str, done: Mapping[float, list[Trial]], latest: Mapping[tuple[str, str], Row]) -> Curve:
    measured = {
        x: [latest[trial.trial_id, quantity] for trial in trials if (trial.trial_id, quantity) in latest]
        for x, trials in done.items()
    }
    usable = {x: [row for row in rows if math.isfinite(row.value)] for x, rows in measured.items()}
    return Curve(
        quantity,
        points=tuple(_point(x, rows) for x, rows in usable.items() if rows),
        missing=sum(len(done[x]) - len(rows) for x, rows in measured.items()),
        not_finite=sum(len(measured[x]) - len(rows) for x, rows in usable.items()),
    )


def _point(x: float, rows: list[Row]) -> Point:
    values = [row.value for row in rows]
    over_replicates = mean(values)
    return Point(
        x, over_replicates.value, _stderr(over_replicates.stderr, rows), len(rows), low=min(values), high=max(values)
    )


def _stderr(over_replicates: float | None, rows: list[Row]) -> float | None:
    """The error of a mean: spread over replicates and the estimator's own, added in quadrature.

    Independent estimates already show the estimator's noise in their spread, so the sum is an upper bound, at most
    sqrt(2) too large; the spread of two or three replicates alone can be far too small by chance.
    """
    own = [row.stderr for row in rows if row.stderr is not None and math.isfinite(row.stderr)]
    of_estimator = math.hypot(*own) / len(rows) if own else None
    known = [error for error in (over_replicates, of_estimator) if error is not None]
    return math.hypot(*known) if known else None


def _setting(value: Setting) -> str:
    return position(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _parameter(trial: Trial, axis: Axis) -> Setting:
    if axis.parameter not in trial.parameters:
        known = ", ".join(trial.parameters)
        raise ValueError(
            f"trial {trial.name} has no parameter {axis.parameter!r} to draw along; its parameters: {known}"
        )
    return trial.parameters[axis.parameter]


def _x(trial: Trial, axis: Axis) -> float:
    value = _parameter(trial, axis)
    if axis.names:
        if value not in axis.names:
            raise ValueError(
                f"{axis.parameter}={value!r} of trial {trial.name} has no place among the names of its axis: "
                f"{', '.join(axis.names)}"
            )
        return axis.names.index(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{axis.parameter}={value!r} of trial {trial.name} cannot be an x: draw along a finite number")
    if axis.log and value <= 0:
        raise ValueError(f"{axis.parameter}={value!r} of trial {trial.name} has no place on a log axis: use log=False")
    return value
