"""The numbers behind a report, as CSV files. Pure: the same table gives the same bytes."""

import csv
import io
from collections.abc import Iterable, Sequence

from orchestrator.report.curves import Point
from orchestrator.report.numerals import position
from orchestrator.report.parts import Part
from orchestrator.report.table import Results, Trial


def data(results: Results) -> bytes:
    """The tidy table: one line for each number, with the parameters of its trial."""
    names = _parameter_names(results)
    described = {
        trial.trial_id: (trial.trial_id, trial.name, *_parameters(trial, names), trial.state)
        for trial in results.trials
    }
    lines = (
        (*described[row.trial_id], row.step, row.quantity, row.value, row.stderr, row.at_least) for row in results.rows
    )
    return as_csv(("trial_id", "name", *names, "state", "step", "quantity", "value", "stderr", "at_least"), lines)


def trials(results: Results) -> bytes:
    """One line for each declared trial, whether it has numbers or not."""
    names = _parameter_names(results)
    lines = (
        (
            trial.trial_id,
            trial.name,
            *_parameters(trial, names),
            trial.state,
            trial.seconds,
            trial.device,
            trial.run_id,
            trial.interpolation_threshold,
            trial.failure,
            "; ".join(trial.notes),
        )
        for trial in results.trials
    )
    header = (
        "trial_id",
        "name",
        *names,
        "state",
        "seconds",
        "device",
        "run_id",
        "interpolation_threshold",
        "failure",
        "notes",
    )
    return as_csv(header, lines)


def summary(parts: Sequence[Part]) -> bytes:
    """One line for each point of each curve and each cell of each map, which are the same points."""
    lines = (
        (part.x_label, column.label, quantity, position(point.x, part.names), *point_numbers(point))
        for part in parts
        for column in part.columns
        for quantity, curve in column.curves.items()
        for point in curve.points
    )
    return as_csv(("axis", "column", "quantity", "x", *POINT), lines)


POINT = ("mean", "stderr", "n", "lowest", "highest", "at_least")


def point_numbers(point: Point) -> tuple[float | None, ...]:
    """A point, as `POINT` names it."""
    return (point.mean, point.stderr, point.n, point.low, point.high, point.at_least)


def _parameter_names(results: Results) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for trial in results.trials for name in trial.parameters))


def _parameters(trial: Trial, names: Sequence[str]) -> tuple[object, ...]:
    return tuple(trial.parameters.get(name) for name in names)


def as_csv(header: Sequence[str], lines: Iterable[Sequence[object]]) -> bytes:
    """A file of these lines, in which no number is rounded."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return file.getvalue().encode()
