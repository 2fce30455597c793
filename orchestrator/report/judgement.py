"""Judgement: a verdict on one claim, and the words that all verdicts share."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.report.axis import Axis
from orchestrator.report.curves import Column, Point
from orchestrator.report.numerals import position, significant, with_error
from orchestrator.report.peaks import MINIMUM_POINTS, Verdict


@dataclass(frozen=True)
class Judgement:
    """A verdict: a sentence for people, the numbers for programs."""

    verdict: Verdict
    sentence: str
    numbers: Mapping[str, float]


def too_few(label: str, points: tuple[Point, ...], column: Column, x: Axis) -> Judgement:
    """The judgement on a curve of too few points."""
    counted = f"{len(points)} of the {len(column.xs)} values of {x.label}"
    text = f"{label} is known at {counted}; a claim needs at least {MINIMUM_POINTS}"
    return Judgement("cannot be judged", text, {"points": len(points)})


def gaps(points: tuple[Point, ...], column: Column) -> str:
    """How many grid points have no value, where there are any."""
    missing = len(column.xs) - len(points)
    return f"; no value at {missing} of the {len(column.xs)} grid points" if missing else ""


def at(point: Point, x: Axis) -> str:
    """Where a point is."""
    return f"{x.label} {position(point.x, x.names)}"


def value(point: Point) -> str:
    """The number of a point, with its error, or as the bound it is."""
    return f"at least {with_error(point.mean, None)}" if point.at_least else with_error(point.mean, point.stderr)


def spread(point: Point) -> str:
    """The extremes of the replicates, ` (5.7 to 5.9)`; nothing where there is one, or a bound."""
    if point.n < 2 or point.at_least:
        return ""
    return f" ({significant(point.low)} to {significant(point.high)})"


def told(point: Point, x: Axis) -> str:
    """All of a point, for one who points at it."""
    return f"{at(point, x)}\n{value(point)}{spread(point)}\nn = {point.n}"
