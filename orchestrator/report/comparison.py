"""Comparison: the curves of two reports, point against point. Pure.

A point is a mean over replicates with its standard error; two of them differ if they are further apart than twice the
combined error. Of many points some do by chance alone, so the number that is to be expected is told beside the count.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.report.csv_files import POINT
from orchestrator.report.document import Block, Bullets, Heading, Paragraph, Picture, Table
from orchestrator.report.numerals import significant, with_error

SUMMARY = "summary.csv"
HEADER = ("axis", "column", "quantity", "x", *POINT)
BY_CHANCE = 0.0455  # share of normal differences beyond twice their standard error

Outcome = Literal["identical", "within noise", "different", "no error known"]
Place = tuple[str, str, str]  # axis, column, quantity


@dataclass(frozen=True)
class Value:
    """A mean at one x, and its standard error if one is known."""

    mean: float
    stderr: float | None


@dataclass(frozen=True)
class Summary:
    """What a report keeps of a study: at every place the values over x, which is as it is written."""

    label: str
    curves: Mapping[Place, Mapping[str, Value]]


@dataclass(frozen=True)
class Pair:
    """The two values at one x."""

    place: Place
    x: str
    first: Value
    second: Value

    @property
    def difference(self) -> float:
        return self.second.mean - self.first.mean

    @property
    def stderr(self) -> float | None:
        """That of the difference."""
        errors = (self.first.stderr, self.second.stderr)
        return None if None in errors else math.hypot(*(error for error in errors if error is not None))

    @property
    def outcome(self) -> Outcome:
        if self.difference == 0:
            return "identical"
        if self.stderr is None:
            return "no error known"
        return "different" if abs(self.difference) > 2 * self.stderr else "within noise"


def read_summary(label: str, data: bytes) -> Summary:
    """A report's summary.csv; ValueError if it is none. Bounds are left out: they are not values."""
    lines = list(csv.reader(io.StringIO(data.decode())))
    if not lines or tuple(lines[0]) != HEADER:
        raise ValueError(f"the columns of {SUMMARY} are not {', '.join(HEADER)}: another version has written it")
    curves: dict[Place, dict[str, Value]] = {}
    for line in lines[1:]:
        axis, column, quantity, x, mean, stderr, *_, at_least = line
        if at_least != "True":
            curves.setdefault((axis, column, quantity), {})[x] = Value(float(mean), float(stderr) if stderr else None)
    return Summary(label, curves)


def shared(first: Summary, second: Summary) -> Summary | None:
    """The second summary with the places of the first: None if they have none in common.

    Where each has a single column, these are compared whatever they are called.
    """
    if first.curves.keys() & second.curves.keys():
        return second
    columns = [{column for _, column, _ in summary.curves} for summary in (first, second)]
    if any(len(each) != 1 for each in columns):
        return None
    (name,) = columns[0]
    renamed = {(axis, name, quantity): values for (axis, _, quantity), values in second.curves.items()}
    return Summary(second.label, renamed) if first.curves.keys() & renamed.keys() else None


def compared(first: Summary, second: Summary) -> tuple[Pair, ...]:
    """The points that both have, in the order of the first."""
    return tuple(
        Pair(place, x, value, second.curves[place][x])
        for place, values in first.curves.items()
        if place in second.curves
        for x, value in values.items()
        if x in second.curves[place]
    )


def comparison_blocks(first: Summary, second: Summary, pairs: Sequence[Pair], picture: Picture | None) -> list[Block]:
    """All of the page."""
    return [
        Paragraph(f"First: {first.label}. Second: {second.label}."),
        *([] if picture is None else [Heading("Figure"), picture]),
        Heading("How many differ"),
        Table(("quantity", "points", *OUTCOMES, "to be expected by chance"), tuple(_counts(pairs)), numeric=True),
        Heading("Points"),
        Table(
            ("axis", "column", "quantity", "x", "first", "second", "difference", ""),
            tuple(_row(pair) for pair in pairs),
            numeric=True,
        ),
        Heading("How points are compared"),
        Bullets(RULES),
    ]


OUTCOMES: tuple[Outcome, ...] = ("identical", "within noise", "different", "no error known")
RULES = (
    "Different: the difference exceeds twice its standard error, which combines those of both in quadrature. Where one "
    "of them has no error, because it has one replicate and no estimator's own, nothing can be said.",
    "Of points that are alike but for chance, 4.6 % exceed it, if their errors are well known; with two or three "
    "replicates they are not, and more do. Points of one curve may share their networks, and then differ together.",
    "Only points that both studies have are compared. A mean that is a lower bound is left out.",
)


def _counts(pairs: Sequence[Pair]) -> Iterator[tuple[str, ...]]:
    for quantity in dict.fromkeys(pair.place[2] for pair in pairs):
        outcomes = [pair.outcome for pair in pairs if pair.place[2] == quantity]
        judged = outcomes.count("within noise") + outcomes.count("different")
        counts = (str(outcomes.count(outcome)) for outcome in OUTCOMES)
        yield quantity, str(len(outcomes)), *counts, significant(BY_CHANCE * judged, 2)


def _row(pair: Pair) -> tuple[str, ...]:
    values = (with_error(value.mean, value.stderr) for value in (pair.first, pair.second))
    return *pair.place, pair.x, *values, with_error(pair.difference, pair.stderr), pair.outcome


def comparison_csv(pairs: Sequence[Pair]) -> bytes:
    """One line for each point."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ("axis", "column", "quantity", "x", "first", "first_stderr", "second", "second_stderr", "difference", "outcome")
    )
    for pair in pairs:
        numbers = (pair.first.mean, pair.first.stderr, pair.second.mean, pair.second.stderr, pair.difference)
        writer.writerow((*pair.place, pair.x, *numbers, pair.outcome))
    return file.getvalue().encode()
