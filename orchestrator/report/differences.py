"""Claims about differences that standard errors can tell from noise: from one x to the next, and from a level."""

import math
from dataclasses import dataclass
from itertools import pairwise

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Exceeds, Rises
from orchestrator.report.curves import Column, Point
from orchestrator.report.judgement import Judgement, at, too_few, value
from orchestrator.report.peaks import MINIMUM_POINTS, NOISE_FACTOR, Verdict


@dataclass(frozen=True)
class Step:
    """From one point to the next: how much the quantity rises, and the standard error of that."""

    before: Point
    after: Point

    @property
    def rise(self) -> float:
        return self.after.mean - self.before.mean

    @property
    def noise(self) -> float | None:
        errors = (self.before.stderr, self.after.stderr)
        return None if None in errors else math.hypot(*(error for error in errors if error is not None))

    @property
    def rises(self) -> bool:
        """Whether it does for certain; what comes after may be a lower bound, what comes before may not."""
        return self.noise is not None and self.rise > NOISE_FACTOR * self.noise and not self.before.at_least

    @property
    def falls(self) -> bool:
        """Whether it does for certain; what comes before may be a lower bound, what comes after may not."""
        return self.noise is not None and self.rise < -NOISE_FACTOR * self.noise and not self.after.at_least


def rises(claim: Rises, column: Column, x: Axis) -> Judgement:
    """Whether the quantity is larger at each x than at the x before."""
    points = column.curves[claim.quantity].points
    if len(points) < MINIMUM_POINTS:
        return too_few(claim.label, points, column, x)
    steps = [Step(before, after) for before, after in pairwise(points)]
    unknown = _incomplete(points, column)
    falls = [step for step in steps if step.falls]
    unclear = [step for step in steps if not step.falls and not step.rises]
    text = f"{claim.label} is {_values(points, x)}"
    text += "".join(f"; it falls from {at(step.before, x)} to {at(step.after, x)}" for step in falls)
    text += "".join(f"; {at(step.before, x)} and {at(step.after, x)} cannot be told apart" for step in unclear)
    text += _incomplete_words(unknown, column)
    numbers = {"falls": len(falls), "unclear": len(unclear), "unknown": unknown}
    return Judgement(_verdict(bool(falls), bool(unclear or unknown)), text, numbers)


def exceeds(claim: Exceeds, column: Column, x: Axis) -> Judgement:
    """Whether the quantity is above the level at each x."""
    all_points = column.curves[claim.quantity].points
    points = tuple(point for point in all_points if not point.low == point.high == claim.level)
    if not points:
        return Judgement("cannot be judged", f"{claim.label} is not known at any other {x.label}", {"points": 0})
    below = [point for point in points if _excess(point, claim.level) < 0 and not point.at_least]
    unclear = [point for point in points if point not in below and _excess(point, claim.level) <= 0]
    unknown = _incomplete(all_points, column)
    text = f"{claim.label} is {_values(points, x)}"
    text += "".join(f"; it is below {claim.level:g} at {at(point, x)}" for point in below)
    text += "".join(f"; at {at(point, x)} it cannot be told from {claim.level:g}" for point in unclear)
    text += _incomplete_words(unknown, column)
    numbers = {"below": len(below), "unclear": len(unclear), "unknown": unknown}
    return Judgement(_verdict(bool(below), bool(unclear or unknown)), text, numbers)


def _excess(point: Point, level: float) -> int:
    """1 or -1 if the point is above or below the level for certain; else 0."""
    if point.stderr is None or abs(point.mean - level) <= NOISE_FACTOR * point.stderr:
        return 0
    return 1 if point.mean > level else -1


def _verdict(refuted: bool, open_to_doubt: bool) -> Verdict:
    return "does not hold" if refuted else "cannot be judged" if open_to_doubt else "holds"


def _values(points: tuple[Point, ...], x: Axis) -> str:
    return ", ".join(f"{value(point)} at {at(point, x)}" for point in points)


def _incomplete(points: tuple[Point, ...], column: Column) -> int:
    """At how many x a done trial has no value, or no trial is done."""
    return len(column.xs) - len(points) + sum(point.n < column.replicates[point.x] for point in points)


def _incomplete_words(unknown: int, column: Column) -> str:
    return f"; not every trial has a value at {unknown} of the {len(column.xs)} grid points" if unknown else ""
