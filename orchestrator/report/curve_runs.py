"""Curve runs: the means over x as MLflow can draw them. One run per column, whose metrics have step = x.

Steps are integers: a study whose x are not has no curve runs and no view of them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from orchestrator.report.curves import Column, Point


class CurvePoint(NamedTuple):
    """One metric of a curve run: the value of a quantity at step = x."""

    key: str
    value: float
    step: int


def curve_points(columns: Sequence[Column]) -> Mapping[str, Sequence[CurvePoint]]:
    """What the curve run of each column stores: mean, and where known standard error and extremes, with step = x.

    No bounds: a chart could not tell them from means.
    """
    if not steps_are_integers(columns):
        return {}
    return {
        column.label: [
            point
            for quantity, curve in column.curves.items()
            for each in curve.points
            if not each.at_least
            for point in _metrics(curve_key(quantity), each)
        ]
        for column in columns
    }


def curve_key(quantity: str) -> str:
    """The metric of a curve run that holds the mean of a quantity."""
    return f"curve/{quantity.replace('/', '_')}"


def steps_are_integers(columns: Sequence[Column]) -> bool:
    """Whether the columns can be curve runs."""
    return bool(columns) and all(float(x).is_integer() for column in columns for x in column.xs)


def _metrics(key: str, point: Point) -> list[CurvePoint]:
    step = int(point.x)
    metrics = [CurvePoint(key, point.mean, step)]
    if point.stderr is not None:
        metrics.append(CurvePoint(f"{key}_stderr", point.stderr, step))
    if point.n > 1:
        metrics += [CurvePoint(f"{key}_min", point.low, step), CurvePoint(f"{key}_max", point.high, step)]
    return metrics
