"""Curves: the tidy table and a presentation -> what each panel draws.

A point is the mean over all done trials that share x and column. A value that is missing or not finite is left out and
counted, never filled in. A mean over bounds is a bound.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Claim, Coincides, Concordance, Correlates, Follows, TurnsWith
from orchestrator.report.numerals import position
from orchestrator.report.presentation import Presentation
from orchestrator.report.statistics import mean
from orchestrator.report.table import Results, Row, Setting, Trial

SEED = "_seed"  # how the names of seeds end
Seeds = tuple[tuple[str, Setting], ...]


@dataclass(frozen=True)
class Point:
    """The mean over `n` replicates at one x, their extremes, and the standard error of the mean if one is known."""

    x: float
    mean: float
    stderr: float | None
    n: int
    low: float
    high: float
    at_least: bool = False


@dataclass(frozen=True)
class Curve:
    """One quantity over x, and how many values of done trials it had to leave out: never measured, or not finite.

    `by_seeds` has its values apart, by the seeds of their trials and then by x.
    """

    quantity: str
    points: tuple[Point, ...]
    missing: int = 0
    not_finite: int = 0
    by_seeds: Mapping[Seeds, Mapping[float, float]] = field(default_factory=dict[Seeds, Mapping[float, float]])


@dataclass(frozen=True)
class Column:
    """The curves of one value of the column axis; `xs` are all declared x, `replicates` the done trials at each x.

    `y` is the value itself, where that is a number.
    """

    label: str
    value_text: str
    xs: tuple[float, ...]
    replicates: Mapping[float, int]
    curves: Mapping[str, Curve]
    trial_ids: tuple[str, ...] = ()
    y: float | None = None


def curves(results: Results, presentation: Presentation) -> tuple[Column, ...]:
    """One column of curves for each value of the column axis, in the order in which the study declares them."""
    if presentation.x is None:
        return ()
    columns: dict[Setting, list[Trial]] = defaultdict(list)
    for trial in placed(results.trials, presentation):
        value = None if presentation.columns is None else _value(trial, presentation.columns)
        columns[value].append(trial)
    latest = _latest(results.rows)
    wanted = quantities(presentation)
    return tuple(
        _column(value, trials, latest, wanted, presentation.x, presentation.columns)
        for value, trials in columns.items()
    )


def placed(trials: Sequence[Trial], presentation: Presentation) -> list[Trial]:
    """The trials that have a place on x and in a column; ValueError if none has one on x, or in a column."""
    kept = list(trials)
    for axis in (presentation.x, presentation.columns):
        if axis is not None and kept:
            found = [trial for trial in kept if has_place(trial, axis)]
            if not found:
                raise ValueError(_nowhere(kept[0], axis))
            kept = found
    return kept


def quantities(presentation: Presentation) -> tuple[str, ...]:
    """Every quantity that the figures draw over x or the claims judge, each once, in order of first mention."""
    drawn = [series.quantity for panel in presentation.shown for series in panel.series]
    judged = [quantity for claim in presentation.claims for quantity in _judged(claim)]
    lines = () if presentation.maps is None else (presentation.maps.contours, *presentation.maps.boundaries)
    marks = () if presentation.courses is None else (presentation.courses.mark,)
    hollow = () if presentation.scatter is None else (presentation.scatter.among,)
    further = [each.quantity for each in (*lines, *marks, *hollow) if each is not None]
    return tuple(dict.fromkeys([*drawn, *judged, *further]))


def averaged_over(results: Results, presentation: Presentation) -> tuple[str, ...]:
    """The parameters in which done trials at the same x and column differ: what a point is the mean over."""
    axes = [axis for axis in (presentation.x, presentation.columns) if axis is not None]
    groups: dict[tuple[Setting, ...], list[Trial]] = defaultdict(list)
    for trial in placed(results.trials, presentation):
        if trial.state == "done":
            groups[tuple(_value(trial, axis) for axis in axes)].append(trial)
    return tuple(
        name
        for name in dict.fromkeys(name for trial in results.trials for name in trial.parameters)
        if any(len({str(trial.parameters.get(name)) for trial in group}) > 1 for group in groups.values())
    )


def _judged(claim: Claim) -> tuple[str, ...]:
    match claim:
        case Follows():
            return (claim.quantity, claim.other)
        case Coincides():
            return (f"{claim.lag}/lag", f"{claim.lag}/chance")
        case TurnsWith():
            return (f"{claim.turning}/lag", f"{claim.turning}/chance")
        case Concordance() | Correlates():
            further = (claim.other, claim.given if isinstance(claim, Concordance) else None)
            among = () if claim.among is None else (claim.among.quantity,)
            return (claim.quantity, *(each for each in further if each is not None), *among)
        case _:
            return (claim.quantity,)


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
    declared = sorted({place(trial, x) for trial in trials})
    done: dict[float, list[Trial]] = {at: [] for at in declared}
    for trial in trials:
        if trial.state == "done":
            done[place(trial, x)].append(trial)
    return Column(
        label="all trials" if columns is None else f"{columns.label} {_setting(value)}",
        value_text="all" if columns is None else _setting(value),
        xs=tuple(declared),
        replicates={at: len(replicates) for at, replicates in done.items()},
        curves={quantity: _curve(quantity, done, latest) for quantity in wanted},
        trial_ids=tuple(trial.trial_id for trial in trials),
        y=value if isinstance(value, int | float) else None,
    )


def _curve(quantity: str, done: Mapping[float, list[Trial]], latest: Mapping[tuple[str, str], Row]) -> Curve:
    measured = {
        x: [latest[trial.trial_id, quantity] for trial in trials if (trial.trial_id, quantity) in latest]
        for x, trials in done.items()
    }
    usable = {x: [row for row in rows if math.isfinite(row.value)] for x, rows in measured.items()}
    return Curve(
        quantity,
        points=tuple(point(x, rows) for x, rows in usable.items() if rows),
        missing=sum(len(done[x]) - len(rows) for x, rows in measured.items()),
        not_finite=sum(len(measured[x]) - len(rows) for x, rows in usable.items()),
        by_seeds=_by_seeds(done, {row.trial_id: row.value for rows in usable.values() for row in rows}),
    )


def _by_seeds(done: Mapping[float, list[Trial]], values: Mapping[str, float]) -> dict[Seeds, Mapping[float, float]]:
    """By seeds and x; the mean where several trials at one x have the same seeds."""
    found: dict[Seeds, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for x, trials in done.items():
        for trial in trials:
            if trial.trial_id in values:
                seeds = tuple(sorted((key, each) for key, each in trial.parameters.items() if key.endswith(SEED)))
                found[seeds][x].append(values[trial.trial_id])
    return {seeds: {x: mean(each).value for x, each in at.items()} for seeds, at in found.items()}


def point(x: float, rows: Sequence[Row]) -> Point:
    """The mean over these rows, one for each replicate."""
    values = [row.value for row in rows]
    over_replicates = mean(values)
    return Point(
        x,
        over_replicates.value,
        _stderr(over_replicates.stderr, rows),
        len(rows),
        low=min(values),
        high=max(values),
        at_least=any(row.at_least for row in rows),
    )


def _stderr(over_replicates: float | None, rows: Sequence[Row]) -> float | None:
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


def has_place(trial: Trial, axis: Axis) -> bool:
    """Whether the trial is drawn along the axis."""
    if any(trial.parameters.get(name) not in values for name, values in axis.among.items()):
        return False
    if axis.names:
        return any(trial.has(parameters) for parameters in axis.names.values())
    return axis.parameter in trial.parameters


def place(trial: Trial, axis: Axis) -> float:
    """The x of a trial that has one; ValueError if its value cannot be one."""
    if axis.names:
        return next(float(i) for i, parameters in enumerate(axis.names.values()) if trial.has(parameters))
    value = trial.parameters[axis.parameter]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{axis.parameter}={value!r} of trial {trial.name} cannot be an x: draw along a finite number")
    if axis.log and value <= 0:
        raise ValueError(f"{axis.parameter}={value!r} of trial {trial.name} has no place on a log axis: use log=False")
    return value


def _value(trial: Trial, axis: Axis) -> Setting:
    """What tells a trial from others along an axis."""
    return position(place(trial, axis), axis.names) if axis.names else trial.parameters[axis.parameter]


def _nowhere(trial: Trial, axis: Axis) -> str:
    """Why the trials, of which this is the first, cannot be drawn."""
    if axis.names:
        return f"no trial has a place among the names of the axis {axis.label}: {', '.join(axis.names)}"
    if axis.parameter in trial.parameters:
        return f"no trial has the values that are drawn along {axis.label}: {dict(axis.among)}"
    known = ", ".join(trial.parameters)
    return f"no trial has a parameter {axis.parameter!r} to draw along; those of the first one: {known}"
