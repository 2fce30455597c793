"""League: the tidy table and a declared league -> how well each contender ranks the trials as each target does.

A contender is ranked on the done trials that have a finite value, and no mere bound, of it and of the target; others
are counted. Every interval is a 95 % bootstrap over the replicates of each cell.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.report.axis import Axis
from orchestrator.report.numerals import position
from orchestrator.report.pairs import Floats, Interval, Pairs, pairs_of_cells, replicate_counts, weights, with_intervals
from orchestrator.report.presentation import Contender, League, Target
from orchestrator.report.rank_statistics import (
    Environments,
    conditional_information,
    environments,
    granulated_kendall,
    kendall,
    partial_kendall,
    sign_errors,
)
from orchestrator.report.table import Results, Setting, Trial

RESAMPLES = 1000
FEW_RESAMPLES = 100  # enough for a standard error, and for what chance gives

Values = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Information:
    """The conditional mutual information that is left at the worst set of axes, and its bootstrap standard error."""

    value: float
    stderr: float


@dataclass(frozen=True)
class Failures:
    """Where a contender orders cells that differ on one axis against the target.

    Of the `known` environments, in which the target differs by more than noise, `failed` have a sign error above one
    half; `worst` is the largest of all, and `where` it is.
    """

    known: int
    failed: int
    worst: float
    where: str


@dataclass(frozen=True)
class Standing:
    """A contender's place: `psi` decides, `granulated` are its parts, one for each axis.

    `partial` is None if a covariate is not known for every trial, or the same for all. `missing` and `not_finite` count
    the done trials that have no such value of contender or target.
    """

    contender: Contender
    n: int
    missing: int
    not_finite: int
    tau: Interval
    granulated: tuple[Interval, ...]
    psi: Interval
    partial: Interval | None
    information: Information
    sign_error: Interval
    failures: Failures


@dataclass(frozen=True)
class Ranking:
    """All contenders for one target, the best first; `axes` are those on which trials differ.

    `unranked` says why a contender has no place. In 95 % of random orders of the trials, the conditional information is
    at most `chance`.
    """

    target: Target
    axes: tuple[Axis, ...]
    standings: tuple[Standing, ...]
    unranked: tuple[str, ...]
    chance: float


def rankings(results: Results, league: League, generator: np.random.Generator) -> tuple[Ranking, ...]:
    """The contenders of a league in order, for each of its targets."""
    trials = [trial for trial in results.trials if trial.state == "done"]
    axes = tuple(axis for axis in league.axes if len({_setting(trial, axis) for trial in trials}) > 1)
    values = {
        (row.trial_id, row.quantity): row.value
        for row in sorted(results.rows, key=lambda row: row.step)
        if not row.at_least
    }
    return tuple(_ranking(trials, values, axes, league, target, generator) for target in league.targets)


def replicates_differ_in(results: Results, league: League) -> tuple[str, ...]:
    """The parameters in which the trials of one cell differ."""
    cells: dict[tuple[Setting, ...], list[Trial]] = {}
    for trial in results.trials:
        cells.setdefault(tuple(_setting(trial, axis) for axis in league.axes), []).append(trial)
    names = dict.fromkeys(name for trial in results.trials for name in trial.parameters)
    return tuple(
        name for name in names if any(len({str(t.parameters.get(name)) for t in cell}) > 1 for cell in cells.values())
    )


def _setting(trial: Trial, axis: Axis) -> Setting:
    if axis.parameter not in trial.parameters:
        known = ", ".join(trial.parameters)
        raise ValueError(f"trial {trial.name} has no parameter {axis.parameter!r} to compare along; known: {known}")
    return trial.parameters[axis.parameter]


@dataclass(frozen=True)
class _Sample:
    """The trials on which a contender is ranked, with their values of it and of the target."""

    trials: tuple[Trial, ...]
    pairs: Pairs
    measure: Floats
    target: Floats


def _ranking(
    trials: Sequence[Trial],
    values: Values,
    axes: tuple[Axis, ...],
    league: League,
    target: Target,
    generator: np.random.Generator,
) -> Ranking:
    targets = [_target(trial, values, target) for trial in trials]
    standings: list[Standing] = []
    unranked: list[str] = []
    for contender in league.contenders:
        found = [values.get((trial.trial_id, contender.quantity)) for trial in trials]
        missing = sum(None in pair for pair in zip(found, targets, strict=True))
        try:
            sample = _sample(trials, [None if x is None else contender.sign * x for x in found], targets, axes)
            not_finite = len(trials) - missing - len(sample.trials)
            given = _given(sample, league, values)
            standings.append(_standing(contender, sample, (missing, not_finite), axes, given, generator))
        except ValueError as reason:
            unranked.append(f"{contender.label}: {reason}")
    standings.sort(key=lambda standing: -standing.psi.value)
    return Ranking(target, axes, tuple(standings), tuple(unranked), _chance(trials, targets, axes, generator))


def _target(trial: Trial, values: Values, target: Target) -> float | None:
    whole = values.get((trial.trial_id, target.quantity))
    part = values.get((trial.trial_id, target.minus)) if target.minus else 0.0
    return None if whole is None or part is None else whole - part


def _sample(
    trials: Sequence[Trial], measure: Sequence[float | None], target: Sequence[float | None], axes: tuple[Axis, ...]
) -> _Sample:
    """The trials of which both numbers are known and finite."""
    usable = [
        (trial, x, y)
        for trial, x, y in zip(trials, measure, target, strict=True)
        if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
    ]
    return _Sample(
        tuple(trial for trial, _, _ in usable),
        pairs_of_cells(_levels([trial for trial, _, _ in usable], axes)),
        np.array([x for _, x, _ in usable]),
        np.array([y for _, _, y in usable]),
    )


def _levels(trials: Sequence[Trial], axes: tuple[Axis, ...]) -> NDArray[np.int64]:
    """The settings of every trial as numbers, (trial, axis)."""
    settings = [[_setting(trial, axis) for trial in trials] for axis in axes]
    numbers = [{value: number for number, value in enumerate(dict.fromkeys(each))} for each in settings]
    levels = [[number[value] for value in each] for each, number in zip(settings, numbers, strict=True)]
    return np.array(levels, dtype=np.int64).reshape(len(axes), len(trials)).T


def _standing(
    contender: Contender,
    sample: _Sample,
    left_out: tuple[int, int],
    axes: tuple[Axis, ...],
    given: Floats | None,
    generator: np.random.Generator,
) -> Standing:
    pairs = sample.pairs
    measure, target = pairs.signs(sample.measure), pairs.signs(sample.target)
    where = environments(pairs, sample.target)

    def statistics(weight: Floats) -> Floats:
        granulated = granulated_kendall(measure, target, pairs, weight)
        partial = np.full(len(weight), np.nan) if given is None else partial_kendall(measure, target, given, weight)
        error = where.mean(sign_errors(measure, where, weight))
        whole = (kendall(measure, target, weight), np.nanmean(granulated, axis=1), partial, error)
        return np.column_stack([*whole, granulated])

    counts = replicate_counts(pairs.cells, RESAMPLES, generator)
    tau, psi, partial, sign_error, *granulated = with_intervals(statistics, pairs, counts)
    return Standing(
        contender=contender,
        n=len(sample.trials),
        missing=left_out[0],
        not_finite=left_out[1],
        tau=tau,
        granulated=tuple(granulated),
        psi=psi,
        partial=None if math.isnan(partial.value) else partial,
        information=_information(measure, target, pairs, counts[:FEW_RESAMPLES]),
        sign_error=sign_error,
        failures=_failures(measure, where, sample, axes),
    )


def _given(sample: _Sample, league: League, values: Values) -> Floats | None:
    """Signs of the covariates (covariate, pair); None if there are none, or one is unknown or the same for all."""
    columns = [[values.get((trial.trial_id, each.quantity)) for trial in sample.trials] for each in league.given]
    known = [[x for x in column if x is not None and math.isfinite(x)] for column in columns]
    if not known or any(len(column) < len(sample.trials) or min(column) == max(column) for column in known):
        return None
    return np.stack([sample.pairs.signs(column) for column in known])


def _information(measure: Floats, target: Floats, pairs: Pairs, counts: Floats) -> Information:
    value = conditional_information(measure, target, pairs, pairs.equally)[0]
    draws = [conditional_information(measure, target, pairs, piece) for piece in weights(pairs, counts)]
    return Information(float(value), float(np.concatenate(draws).std(ddof=1)))


def _failures(measure: Floats, where: Environments, sample: _Sample, axes: tuple[Axis, ...]) -> Failures:
    (errors,) = sign_errors(measure, where, sample.pairs.equally)
    known = where.weight > 0
    if not known.any():
        return Failures(0, 0, math.nan, "")
    worst = int(np.lexsort((where.weight, np.where(known, errors, -1)))[-1])  # of equal errors, the most certain
    place = _place(where, worst, sample, axes)
    return Failures(int(known.sum()), int((errors[known] > 0.5).sum()), float(errors[worst]), place)


def _place(where: Environments, environment: int, sample: _Sample, axes: tuple[Axis, ...]) -> str:
    """An environment in words: `width 10 to 30 at label noise 0.2`."""
    ends = [sample.trials[int(np.argmax(sample.pairs.cells == cell))] for cell in where.cells[environment]]
    words = [(axis.label, [_text(_setting(trial, axis)) for trial in ends]) for axis in axes]
    changed = [f"{label} {first} to {second}" for label, (first, second) in words if first != second]
    fixed = [f"{label} {first}" for label, (first, second) in words if first == second]
    return " at ".join([*changed, ", ".join(fixed)] if fixed else changed)


def _text(value: Setting) -> str:
    return position(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _chance(
    trials: Sequence[Trial], targets: Sequence[float | None], axes: tuple[Axis, ...], generator: np.random.Generator
) -> float:
    """The 95 % quantile of the conditional information of orders that are drawn at random; NaN if nothing is ranked."""
    try:
        sample = _sample(trials, targets, targets, axes)
        target = sample.pairs.signs(sample.target)
    except ValueError:
        return math.nan
    draws = [
        conditional_information(
            sample.pairs.signs(generator.permutation(len(sample.trials)).tolist()),
            target,
            sample.pairs,
            sample.pairs.equally,
        )[0]
        for _ in range(FEW_RESAMPLES)
    ]
    return float(np.quantile(draws, 0.95))
