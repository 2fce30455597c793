"""Claims: what a study says against what was published, judged by rules that are written down here.

Every claim is judged in every column, and every sentence carries the numbers behind its verdict. `RULES` is their one
description: the report prints it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from orchestrator.curves import Column, Point
from orchestrator.numerals import position, significant, with_error
from orchestrator.peaks import MINIMUM_POINTS, Verdict, find_peak
from orchestrator.peaks import Peak as FoundPeak
from orchestrator.presentation import Axis, Claim, FirstZero, Follows, Peak, Presentation, Rises
from orchestrator.statistics import RankCorrelation, spearman

RULES = (
    "Reaches 0: holds if the quantity is exactly 0, in every replicate, at some x and above 0 at a smaller one; the "
    "smallest such x is the interpolation threshold. Does not hold if it is nowhere 0: not reached is a result. "
    "Cannot be judged if it is 0 already at the smallest x, because the threshold then lies outside the range.",
    "Peaks: the peak is the interior point that stands out most on both sides, in its rise above the lowest point "
    "before it and its fall to the point at the largest x; a higher value at the smallest x does not hide it. Holds "
    "if rise and fall both exceed twice their noise, which is the combined standard error where there are "
    "replicates and the curve's roughness from point to point where there are none. Does not hold if no interior "
    "point rises and falls, or if replicates show it to be noise. Cannot be judged if it may be noise and there are "
    "no replicates.",
    "Follows: holds if both quantities have a peak, at the same or neighbouring grid points, and the 95 % bootstrap "
    "interval of their Spearman correlation over x lies above 0. Does not hold if the other quantity has a peak and "
    "this one has none or has it elsewhere, or if the correlation is not positive. Cannot be judged if the other "
    "quantity has no peak to follow, if either peak cannot be judged, or if the interval of a positive correlation "
    "reaches 0.",
    "Rises: holds if each difference between neighbouring points exceeds twice its standard error; does not hold if "
    "one is below minus that. Cannot be judged if a difference lies between, if there are no replicates to tell, or if "
    "a done trial has no value: a mean over the others would be one over those that got there.",
    f"Fewer than {MINIMUM_POINTS} points can never be judged.",
)


@dataclass(frozen=True)
class Finding:
    """The verdict on one claim in one column: a sentence for people, the numbers for programs."""

    claim: str
    published: str
    column: str
    sentence: str
    verdict: Verdict
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class _Judgement:
    verdict: Verdict
    sentence: str
    numbers: Mapping[str, float]


def findings(
    columns: tuple[Column, ...], presentation: Presentation, generator: np.random.Generator
) -> tuple[Finding, ...]:
    """Every claim judged in every column, claim by claim."""
    x = presentation.x
    if x is None:
        return ()
    return tuple(_finding(claim, column, x, generator) for claim in presentation.claims for column in columns)


def statement(claim: Claim) -> str:
    """What a claim says, in words."""
    match claim:
        case FirstZero():
            return f"{claim.label} reaches 0"
        case Peak():
            return f"{claim.label} peaks inside the range"
        case Follows():
            return f"{claim.label} follows {claim.other_label}"
        case Rises():
            return f"{claim.label} rises from each x to the next"


def _finding(claim: Claim, column: Column, x: Axis, generator: np.random.Generator) -> Finding:
    match claim:
        case FirstZero():
            judgement = _first_zero(claim, column, x)
        case Peak():
            judgement = _peak(claim, column, x)
        case Follows():
            judgement = _follows(claim, column, x, generator)
        case Rises():
            judgement = _rises(claim, column, x)
    sentence = f"{column.label[:1].upper()}{column.label[1:]}: {judgement.sentence}."
    return Finding(statement(claim), claim.published, column.label, sentence, judgement.verdict, judgement.numbers)


def _first_zero(claim: FirstZero, column: Column, x: Axis) -> _Judgement:
    points = column.curves[claim.quantity].points
    if len(points) < MINIMUM_POINTS:
        return _too_few(claim.label, points, column, x)
    zeros = [index for index, point in enumerate(points) if point.mean == 0]
    if not zeros:
        lowest = min(points, key=lambda point: point.mean)
        text = f"{claim.label} does not reach 0; it is lowest, {_value(lowest)}, at {_at(lowest, x)}"
        return _Judgement("does not hold", text + _gaps(points, column), {"lowest": lowest.mean, "lowest_x": lowest.x})
    first = points[zeros[0]]
    if zeros[0] == 0:
        text = f"{claim.label} is 0 already at the smallest {_at(first, x)}, so its first zero is not in the range"
        return _Judgement("cannot be judged", text, {"first_zero_at_most": first.x})
    before, later = points[zeros[0] - 1], [point for point in points[zeros[0] :] if point.mean != 0]
    replicates = f" in all {first.n} replicates" if first.n > 1 else ""
    text = f"{claim.label} first reaches 0{replicates} at {_at(first, x)}"
    text += f" (next smaller {_at(before, x)}: {_value(before)})"
    if later:
        text += f"; it is above 0 again at {len(later)} larger grid points, at most {_value(_highest(later))}"
    numbers = {"threshold": first.x, "previous_x": before.x, "previous": before.mean, "later_above_zero": len(later)}
    return _Judgement("holds", text + _gaps(points, column), numbers)


def _peak(claim: Peak, column: Column, x: Axis) -> _Judgement:
    points = column.curves[claim.quantity].points
    if len(points) < MINIMUM_POINTS:
        return _too_few(claim.label, points, column, x)
    first, last = points[0], points[-1]
    peak = find_peak(points)
    if peak is None:
        text = (
            f"{claim.label} has no peak inside the range: it goes from {_value(first)} at {_at(first, x)} to "
            f"{_value(last)} at {_at(last, x)}, and no point between lies above both an earlier one and the last"
        )
        numbers = {"first": first.mean, "last": last.mean}
        return _Judgement("does not hold", text + _gaps(points, column), numbers)
    text = _peak_words(claim.label, peak, x)
    if first not in (peak.valley, peak.top):
        text += f"; it starts at {_value(first)} at {_at(first, x)}"
    text += f" ({_noise_words(peak)})"
    return _Judgement(peak.verdict, text + _gaps(points, column), _peak_numbers(peak, first))


def _peak_words(label: str, peak: FoundPeak, x: Axis) -> str:
    top, valley, last = peak.top, peak.valley, peak.last
    verb = "peaks" if peak.verdict == "holds" else "has its most prominent point"
    above = f"{significant(peak.rise)} above" if valley.mean <= 0 else f"{significant(top.mean / valley.mean)} times"
    return (
        f"{label} {verb} at {_at(top, x)} ({_value(top)}), {above} its value at {_at(valley, x)} ({_value(valley)}), "
        f"and falls to {_value(last)} at {_at(last, x)}"
    )


def _noise_words(peak: FoundPeak) -> str:
    words = f"{peak.top.n} replicates" if peak.replicated else "1 replicate, no seed-to-seed error"
    if peak.verdict != "holds":
        noise = f"{significant(peak.rise_noise, 2)} and {significant(peak.fall_noise, 2)}"
        words += f"; rise {significant(peak.rise)} and fall {significant(peak.fall)} against a noise of {noise}"
    return words if peak.replicated else f"{words}; judged against the curve's own roughness"


def _peak_numbers(peak: FoundPeak, first: Point) -> Mapping[str, float]:
    numbers = {
        "peak_x": peak.top.x,
        "peak": peak.top.mean,
        "valley_x": peak.valley.x,
        "valley": peak.valley.mean,
        "first": first.mean,
        "last": peak.last.mean,
        "rise": peak.rise,
        "rise_noise": peak.rise_noise,
        "fall": peak.fall,
        "fall_noise": peak.fall_noise,
    }
    if peak.top.stderr is not None:
        numbers["peak_stderr"] = peak.top.stderr
    return numbers | ({"ratio": peak.top.mean / peak.valley.mean} if peak.valley.mean > 0 else {})


def _follows(claim: Follows, column: Column, x: Axis, generator: np.random.Generator) -> _Judgement:
    own, other = _shared(column.curves[claim.quantity].points, column.curves[claim.other].points)
    if len(own) < MINIMUM_POINTS:
        return _too_few(f"{claim.label} together with {claim.other_label}", own, column, x)
    for label, points in ((claim.label, own), (claim.other_label, other)):
        if len({point.mean for point in points}) == 1:
            text = f"{label} is {_value(points[0])} at every {x.label}, so nothing can be ranked by it"
            return _Judgement("cannot be judged", text, {})
    correlation = spearman([point.mean for point in own], [point.mean for point in other], generator)
    peaks = find_peak(own), find_peak(other)
    text = f"{_positions(claim, peaks, x)}; {_correlation_words(correlation)}{_gaps(own, column)}"
    return _Judgement(_follows_verdict(peaks, correlation), text, _follows_numbers(peaks, correlation))


def _follows_verdict(peaks: tuple[FoundPeak | None, FoundPeak | None], correlation: RankCorrelation) -> Verdict:
    own, other = peaks
    if other is None or other.verdict != "holds" or (own is not None and own.verdict == "cannot be judged"):
        return "cannot be judged"
    if own is None or own.verdict == "does not hold" or abs(own.index - other.index) > 1 or correlation.rho <= 0:
        return "does not hold"
    return "holds" if correlation.low > 0 else "cannot be judged"


def _positions(claim: Follows, peaks: tuple[FoundPeak | None, FoundPeak | None], x: Axis) -> str:
    own, other = peaks
    if own is None or own.verdict != "holds" or other is None or other.verdict != "holds":
        return f"{_where(claim.other_label, other, x)}, {_where(claim.label, own, x)}"
    apart = abs(own.index - other.index)
    place = {0: "the same grid point", 1: "neighbouring grid points"}.get(apart, f"{apart} grid points apart")
    return (
        f"{claim.label} peaks at {_at(own.top, x)} and {claim.other_label} at {_at(other.top, x)} "
        f"({place}, ratio {significant(own.top.x / other.top.x) if other.top.x else 'undefined'})"
    )


def _where(label: str, peak: FoundPeak | None, x: Axis) -> str:
    if peak is None or peak.verdict == "does not hold":
        return f"{label} has no peak inside the range"
    return f"{label} {'peaks' if peak.verdict == 'holds' else 'may peak'} at {_at(peak.top, x)}"


def _correlation_words(correlation: RankCorrelation) -> str:
    low, high = significant(correlation.low, 2), significant(correlation.high, 2)
    rho = significant(correlation.rho, 2)
    return f"rank correlation {rho} over {correlation.n} points (95 % interval {low} to {high})"


def _follows_numbers(
    peaks: tuple[FoundPeak | None, FoundPeak | None], correlation: RankCorrelation
) -> Mapping[str, float]:
    numbers = {"rho": correlation.rho, "rho_low": correlation.low, "rho_high": correlation.high, "n": correlation.n}
    places = {
        name: peak.top.x for name, peak in zip(("peak_x", "other_peak_x"), peaks, strict=True) if peak is not None
    }
    return numbers | places


def _rises(claim: Rises, column: Column, x: Axis) -> _Judgement:
    points = column.curves[claim.quantity].points
    if len(points) < MINIMUM_POINTS:
        return _too_few(claim.label, points, column, x)
    steps = [_Step(before, after) for before, after in pairwise(points)]
    unknown = len(column.xs) - len(points) + sum(point.n < column.replicates[point.x] for point in points)
    falls = [step for step in steps if step.noise is not None and step.rise < -2 * step.noise]
    unclear = [step for step in steps if step not in falls and (step.noise is None or step.rise <= 2 * step.noise)]
    text = f"{claim.label} is " + ", ".join(f"{_value(point)} at {_at(point, x)}" for point in points)
    text += "".join(f"; it falls from {_at(step.before, x)} to {_at(step.after, x)}" for step in falls)
    text += "".join(f"; {_at(step.before, x)} and {_at(step.after, x)} cannot be told apart" for step in unclear)
    text += f"; not every trial has a value at {unknown} of the {len(column.xs)} grid points" if unknown else ""
    verdict = "does not hold" if falls else "cannot be judged" if unclear or unknown else "holds"
    return _Judgement(verdict, text, {"falls": len(falls), "unclear": len(unclear), "unknown": unknown})


@dataclass(frozen=True)
class _Step:
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


def _shared(first: tuple[Point, ...], second: tuple[Point, ...]) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """The points of two curves at the x they share."""
    xs = {point.x for point in first} & {point.x for point in second}
    return tuple(point for point in first if point.x in xs), tuple(point for point in second if point.x in xs)


def _too_few(label: str, points: tuple[Point, ...], column: Column, x: Axis) -> _Judgement:
    counted = f"{len(points)} of the {len(column.xs)} values of {x.label}"
    text = f"{label} is known at {counted}; a claim needs at least {MINIMUM_POINTS}"
    return _Judgement("cannot be judged", text, {"points": len(points)})


def _gaps(points: tuple[Point, ...], column: Column) -> str:
    missing = len(column.xs) - len(points)
    return f"; no value at {missing} of the {len(column.xs)} grid points" if missing else ""


def _highest(points: list[Point]) -> Point:
    return max(points, key=lambda point: point.mean)


def _at(point: Point, x: Axis) -> str:
    return f"{x.label} {position(point.x, x.names)}"


def _value(point: Point) -> str:
    return with_error(point.mean, point.stderr)
