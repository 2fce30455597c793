"""Claims about how a quantity goes along with another one, or with x, and where it turns."""

import math

import numpy as np

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import AtLeast, AtMost, Correlates, Turns
from orchestrator.report.curves import Column, Point
from orchestrator.report.judgement import Judgement, at, gaps, too_few, value
from orchestrator.report.numerals import significant
from orchestrator.report.peaks import MINIMUM_POINTS, NOISE_FACTOR, Verdict, difference_noise, roughness
from orchestrator.report.statistics import RankCorrelation, spearman

MINIMUM_CORRELATED = 5  # below it even a perfect order comes about by chance in more than one of twenty cases


def turns(claim: Turns, column: Column, x: Axis) -> Judgement:
    """Whether the quantity is least before the largest x, and higher there by more than noise."""
    points = column.curves[claim.quantity].points
    if len(points) < MINIMUM_POINTS:
        return too_few(claim.label, points, column, x)
    least, last = min(points, key=lambda point: (point.mean, -point.x)), points[-1]
    if least is last:
        text = f"{claim.label} is least at the largest {at(last, x)} ({value(last)}), so it does not turn in the range"
        return Judgement("does not hold", text + gaps(points, column), {"least": least.mean})
    rise, noise = last.mean - least.mean, difference_noise(least, last, roughness(points))
    replicated = least.n > 1 and last.n > 1
    verdict: Verdict = "holds" if rise > NOISE_FACTOR * noise else "does not hold" if replicated else "cannot be judged"
    text = (
        f"{claim.label} is least at {at(least, x)} ({value(least)}) and {value(last)} at {at(last, x)}; a rise of "
        f"{significant(rise)} against a noise of {significant(noise, 2)}"
    )
    text += "" if replicated else "; not replicated, so judged against the curve's own roughness"
    numbers = {"turn": least.x, "least": least.mean, "last": last.mean, "rise": rise, "noise": noise}
    return Judgement(verdict, text + gaps(points, column), numbers)


def correlates(claim: Correlates, column: Column, x: Axis, generator: np.random.Generator) -> Judgement:
    """Whether the quantity rises, or falls, with the other one."""
    pairs = _pairs(claim, column)
    other = claim.other_label or x.label
    if len(pairs) < MINIMUM_CORRELATED or min(len({pair[i] for pair in pairs}) for i in range(2)) < 2:
        among = "" if claim.among is None else f" with {claim.among.label}"
        text = (
            f"{claim.label} and {other} are both known at {len(pairs)} points{among}; a claim needs at least "
            f"{MINIMUM_CORRELATED} that differ"
        )
        return Judgement("cannot be judged", text, {"n": len(pairs)})
    found = spearman([own for own, _ in pairs], [each for _, each in pairs], generator)
    low, high = significant(found.low, 2), significant(found.high, 2)
    text = (
        f"the rank correlation of {claim.label} with {other} is {significant(found.rho, 2)} over {found.n} points "
        f"(95 % interval {low} to {high})"
    )
    straight = float(np.corrcoef(np.array(pairs).T)[0, 1])
    text += f"; Pearson's r is {significant(straight, 2)}"
    numbers = {"rho": found.rho, "rho_low": found.low, "rho_high": found.high, "r": straight, "n": found.n}
    return Judgement(_sign_verdict(found, claim.rises), text, numbers)


def _sign_verdict(found: RankCorrelation, rises: bool) -> Verdict:
    low, high = (found.low, found.high) if rises else (-found.high, -found.low)
    return "holds" if low > 0 else "does not hold" if high < 0 else "cannot be judged"


def _pairs(claim: Correlates, column: Column) -> list[tuple[float, float]]:
    """The quantity and the other one, or x, at every x that has both and is among those asked for."""
    own = _means(column.curves[claim.quantity].points)
    other = {x: x for x in own} if claim.other is None else _means(column.curves[claim.other].points)
    asked_for = set(own) if claim.among is None else _among(column, claim.among)
    return [(own[x], other[x]) for x in column.xs if x in own and x in other and x in asked_for]


def _means(points: tuple[Point, ...]) -> dict[float, float]:
    return {point.x: point.mean for point in points if math.isfinite(point.mean)}


def _among(column: Column, among: AtMost | AtLeast) -> set[float]:
    means = _means(column.curves[among.quantity].points)
    sign = 1 if isinstance(among, AtMost) else -1
    return {x for x, mean in means.items() if sign * mean <= sign * among.level}
