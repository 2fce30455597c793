"""Agreement: has a quantity the published numbers?

Numbers that are computed again from the published draws have no seed-to-seed error, and agree to the digits that were
printed. Of what other seeds gave only the interval is known; it agrees if all of it is as near as the claim allows.
"""

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Agrees
from orchestrator.report.curves import Column, Point
from orchestrator.report.judgement import Judgement, at
from orchestrator.report.numerals import significant
from orchestrator.report.peaks import NOISE_FACTOR, Verdict

DIGITS = 6


def agrees(claim: Agrees, column: Column, x: Axis) -> Judgement:
    """Whether the quantity is within the tolerance of the published number at each x that has one."""
    points = {point.x: point for point in column.curves[claim.quantity].points}
    known = [(points[place], number) for place, number in claim.values.items() if place in points]
    if not known:
        counted = f"none of the {len(claim.values)} values of {x.label} of which a number was published"
        return Judgement("cannot be judged", f"{claim.label} is known at {counted}", {"points": 0})
    verdicts = [_verdict(point, number, claim.tolerance) for point, number in known]
    largest = max(abs(point.mean - number) for point, number in known)
    told = ", ".join(f"{_value(point)} at {at(point, x)} (published {number:g})" for point, number in known)
    text = (
        f"{claim.label} is {told}; the largest difference is {significant(largest, 2)}, of {claim.tolerance:g} allowed"
    )
    missing = len(claim.values) - len(known)
    text += f"; no value at {missing} of {len(claim.values)}" if missing else ""
    verdict: Verdict = "does not hold" if "does not hold" in verdicts else "holds"
    if verdict == "holds" and (missing or "cannot be judged" in verdicts):
        verdict = "cannot be judged"
    return Judgement(verdict, text, {"points": len(known), "largest_difference": largest, "missing": missing})


def _value(point: Point) -> str:
    """The number of a point, to as many digits as are published of the finest."""
    bound = "at least " if point.at_least else ""
    return bound + significant(point.mean, DIGITS) + (f" ± {significant(point.stderr, 2)}" if point.stderr else "")


def _verdict(point: Point, number: float, tolerance: float) -> Verdict:
    """By the interval of two standard errors on either side; by the value itself where there is no error."""
    difference, error = abs(point.mean - number), NOISE_FACTOR * (point.stderr or 0.0)
    if point.at_least:
        return "does not hold" if point.mean - number > tolerance else "cannot be judged"
    if difference + error <= tolerance:
        return "holds"
    return "does not hold" if difference - error > tolerance else "cannot be judged"
