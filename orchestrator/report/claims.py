"""Claims: what a study says against what was published, judged by rules that are written down here.

Every claim is judged in every column, but for concordance, coincidence and turning together, which are about all of
them; every sentence carries the numbers behind its verdict. The rules are described in `orchestrator.report.rules`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from orchestrator.report.agreement import agrees
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import (
    Agrees,
    Claim,
    Coincides,
    Concordance,
    Correlates,
    Exceeds,
    FirstZero,
    Follows,
    PairedTrend,
    Peak,
    Rises,
    Turns,
    TurnsWith,
)
from orchestrator.report.concordance import concordance
from orchestrator.report.correlations import correlates, turns
from orchestrator.report.curves import Column, Point
from orchestrator.report.differences import exceeds, rises
from orchestrator.report.judgement import Judgement, at, gaps, too_few, value
from orchestrator.report.lags import coincides
from orchestrator.report.numerals import significant
from orchestrator.report.paired_trends import paired_trend
from orchestrator.report.peaks import MINIMUM_POINTS, Verdict, find_peak
from orchestrator.report.peaks import Peak as FoundPeak
from orchestrator.report.presentation import Presentation
from orchestrator.report.statistics import RankCorrelation, spearman
from orchestrator.report.turnings import turns_with


@dataclass(frozen=True)
class Finding:
    """The verdict on one claim in one column: a sentence for people, the numbers for programs."""

    claim: str
    published: str
    column: str
    sentence: str
    verdict: Verdict
    numbers: Mapping[str, float]


def findings(
    columns: tuple[Column, ...], presentation: Presentation, generator: np.random.Generator
) -> tuple[Finding, ...]:
    """Every claim judged in every column, claim by claim."""
    x = presentation.x
    if x is None:
        return ()
    return tuple(
        finding for claim in presentation.claims for finding in _findings(claim, columns, x, generator) if columns
    )


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
        case Exceeds() | Agrees():
            return f"{claim.label} is {_level(claim)}"
        case Turns():
            return f"{claim.label} turns: it is least before the largest x, and higher there"
        case Correlates() | PairedTrend():
            return f"{claim.label} {'rises' if claim.rises else 'falls'} with {_companion(claim)}"
        case Coincides() | TurnsWith():
            of_fall = isinstance(claim, Coincides)
            when = f"{claim.other_label} {'is passed' if of_fall else 'turns'}"
            return f"{claim.label} {'falls most steeply' if of_fall else 'is largest'} when {when}"
        case Concordance():
            among = "" if claim.among is None else f" and {claim.among.label}"
            return (
                f"of networks with about equal {claim.given_label}{among}, {claim.label} orders {claim.other_label} "
                f"better than {claim.given_label} does"
            )


def _companion(claim: Correlates | PairedTrend) -> str:
    """What a quantity is said to rise or fall with."""
    if isinstance(claim, PairedTrend):
        return "x within replicates"
    return (claim.other_label or "x") + ("" if claim.among is None else f", {claim.among.label}")


def _level(claim: Exceeds | Agrees) -> str:
    """What a quantity is said to be against a number."""
    if isinstance(claim, Exceeds):
        return f"above {claim.level:g}"
    return f"within {claim.tolerance:g} of the published number"


def _findings(claim: Claim, columns: tuple[Column, ...], x: Axis, generator: np.random.Generator) -> Iterable[Finding]:
    if isinstance(claim, Concordance):
        yield _finding(claim, "all networks", concordance(claim, columns, generator))
        return
    if isinstance(claim, Coincides):
        yield _finding(claim, "all networks", coincides(claim, columns, generator))
        return
    if isinstance(claim, TurnsWith):
        yield _finding(claim, "all networks", turns_with(claim, columns, generator))
        return
    for column in columns:
        yield _finding(claim, column.label, _judgement(claim, column, x, generator))


def _finding(claim: Claim, column: str, judgement: Judgement) -> Finding:
    sentence = f"{column[:1].upper()}{column[1:]}: {judgement.sentence}."
    return Finding(statement(claim), claim.published, column, sentence, judgement.verdict, judgement.numbers)


def _judgement(
    claim: FirstZero | Peak | Follows | Rises | Exceeds | Agrees | Turns | Correlates | PairedTrend,
    column: Column,
    x: Axis,
    generator: np.random.Generator,
) -> Judgement:
    match claim:
        case FirstZero():
            return _first_zero(claim, column, x)
        case Peak():
            return _peak(claim, column, x)
        case Follows():
            return _follows(claim, column, x, generator)
        case Rises():
            return rises(claim, column, x)
        case Exceeds():
            return exceeds(claim, column, x)
        case Agrees():
            return agrees(claim, column, x)
        case Turns():
            return turns(claim, column, x)
        case Correlates():
            return correlates(claim, column, x, generator)
        case PairedTrend():
            return paired_trend(claim, column, x, generator)


def _first_zero(claim: FirstZero, column: Column, x: Axis) -> Judgement:
    points = column.curves[claim.quantity].points
    if len(points) < MINIMUM_POINTS:
        return too_few(claim.label, points, column, x)
    zeros = [index for index, point in enumerate(points) if point.mean == 0]
    if not zeros:
        lowest = min(points, key=lambda point: point.mean)
        text = f"{claim.label} does not reach 0; it is lowest, {value(lowest)}, at {at(lowest, x)}"
        return Judgement("does not hold", text + gaps(points, column), {"lowest": lowest.mean, "lowest_x": lowest.x})
    first = points[zeros[0]]
    if zeros[0] == 0:
        text = f"{claim.label} is 0 already at the smallest {at(first, x)}, so its first zero is not in the range"
        return Judgement("cannot be judged", text, {"first_zero_at_most": first.x})
    before, later = points[zeros[0] - 1], [point for point in points[zeros[0] :] if point.mean != 0]
    replicates = f" in all {first.n} replicates" if first.n > 1 else ""
    text = f"{claim.label} first reaches 0{replicates} at {at(first, x)}"
    text += f" (next smaller {at(before, x)}: {value(before)})"
    if later:
        text += f"; it is above 0 again at {len(later)} larger grid points, at most {value(_highest(later))}"
    numbers = {"threshold": first.x, "previous_x": before.x, "previous": before.mean, "later_above_zero": len(later)}
    return Judgement("holds", text + gaps(points, column), numbers)


def _peak(claim: Peak, column: Column, x: Axis) -> Judgement:
    points = column.curves[claim.quantity].points
    if len(points) < MINIMUM_POINTS:
        return too_few(claim.label, points, column, x)
    first, last = points[0], points[-1]
    peak = find_peak(points)
    if peak is None:
        text = (
            f"{claim.label} has no peak inside the range: it goes from {value(first)} at {at(first, x)} to "
            f"{value(last)} at {at(last, x)}, and no point between lies above both an earlier one and the last"
        )
        numbers = {"first": first.mean, "last": last.mean}
        return Judgement("does not hold", text + gaps(points, column), numbers)
    text = _peak_words(claim.label, peak, x)
    if first not in (peak.valley, peak.top):
        text += f"; it starts at {value(first)} at {at(first, x)}"
    text += f" ({_noise_words(peak)})"
    return Judgement(peak.verdict, text + gaps(points, column), _peak_numbers(peak, first))


def _peak_words(label: str, peak: FoundPeak, x: Axis) -> str:
    top, valley, last = peak.top, peak.valley, peak.last
    verb = "peaks" if peak.verdict == "holds" else "has its most prominent point"
    above = f"{significant(peak.rise)} above" if valley.mean <= 0 else f"{significant(top.mean / valley.mean)} times"
    return (
        f"{label} {verb} at {at(top, x)} ({value(top)}), {above} its value at {at(valley, x)} ({value(valley)}), "
        f"and falls to {value(last)} at {at(last, x)}"
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


def _follows(claim: Follows, column: Column, x: Axis, generator: np.random.Generator) -> Judgement:
    own, other = _shared(column.curves[claim.quantity].points, column.curves[claim.other].points)
    if len(own) < MINIMUM_POINTS:
        return too_few(f"{claim.label} together with {claim.other_label}", own, column, x)
    for label, points in ((claim.label, own), (claim.other_label, other)):
        if len({point.mean for point in points}) == 1:
            text = f"{label} is {value(points[0])} at every {x.label}, so nothing can be ranked by it"
            return Judgement("cannot be judged", text, {})
    correlation = spearman([point.mean for point in own], [point.mean for point in other], generator)
    peaks = find_peak(own), find_peak(other)
    text = f"{_positions(claim, peaks, x)}; {_correlation_words(correlation)}{gaps(own, column)}"
    return Judgement(_follows_verdict(peaks, correlation), text, _follows_numbers(peaks, correlation))


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
        f"{claim.label} peaks at {at(own.top, x)} and {claim.other_label} at {at(other.top, x)} "
        f"({place}, ratio {significant(own.top.x / other.top.x) if other.top.x else 'undefined'})"
    )


def _where(label: str, peak: FoundPeak | None, x: Axis) -> str:
    if peak is None or peak.verdict == "does not hold":
        return f"{label} has no peak inside the range"
    return f"{label} {'peaks' if peak.verdict == 'holds' else 'may peak'} at {at(peak.top, x)}"


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


def _shared(first: tuple[Point, ...], second: tuple[Point, ...]) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """The points of two curves at the x they share."""
    xs = {point.x for point in first} & {point.x for point in second}
    return tuple(point for point in first if point.x in xs), tuple(point for point in second if point.x in xs)


def _highest(points: list[Point]) -> Point:
    return max(points, key=lambda point: point.mean)
