"""Rules: how the verdict on each kind of claim is reached, in words. Their one description, which reports print."""

from collections.abc import Mapping, Sequence

from orchestrator.report.chances import LEVEL, MINIMUM_CELLS
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
from orchestrator.report.concordance import MINIMUM_PAIRS
from orchestrator.report.correlations import MINIMUM_CORRELATED
from orchestrator.report.group_similarity import MINIMUM_NETWORKS
from orchestrator.report.paired_trends import MINIMUM_REPLICATES
from orchestrator.report.peaks import MINIMUM_POINTS
from orchestrator.report.presentation import Presentation

RULES: Mapping[type[Claim], str] = {
    FirstZero: (
        "Reaches 0: holds if the quantity is exactly 0, in every replicate, at some x and above 0 at a smaller one; "
        "the smallest such x is the interpolation threshold. Does not hold if it is nowhere 0: not reached is a "
        "result. Cannot be judged if it is 0 already at the smallest x, because the threshold then lies outside the "
        "range."
    ),
    Peak: (
        "Peaks: the peak is the interior point that stands out most on both sides, in its rise above the lowest point"
        " before it and its fall to the point at the largest x; a higher value at the smallest x does not hide it. "
        "Holds if rise and fall both exceed twice their noise, which is the combined standard error where there are "
        "replicates and the curve's roughness from point to point where there are none. Does not hold if no interior "
        "point rises and falls, or if replicates show it to be noise. Cannot be judged if it may be noise and there "
        "are no replicates."
    ),
    Follows: (
        "Follows: holds if both quantities have a peak, at the same or neighbouring grid points, and the 95 % "
        "bootstrap interval of their Spearman correlation over x lies above 0. Does not hold if the other quantity "
        "has a peak and this one has none or has it elsewhere, or if the correlation is not positive. Cannot be "
        "judged if the other quantity has no peak to follow, if either peak cannot be judged, or if the interval of a"
        " positive correlation reaches 0."
    ),
    Rises: (
        "Rises: holds if each difference between neighbouring points exceeds twice its standard error; does not hold "
        "if one is below minus that. Cannot be judged if a difference lies between, if there are no replicates to "
        "tell, or if a done trial has no value: a mean over the others would be one over those that got there. What "
        "was not reached counts as a lower bound, above which nothing is known to rise, and below which nothing to "
        "fall."
    ),
    Exceeds: (
        "Is above a level: holds if at each x the mean exceeds the level by more than twice its standard error; does "
        "not hold if it is below it by more than that at one. Cannot be judged if it lies between at one, if there "
        "are no replicates to tell, or if a done trial has no value. What was not reached counts as a lower bound. An"
        " x at which every replicate is exactly the level, as what is relative to itself, is left out."
    ),
    Agrees: (
        "Is within a tolerance of the published number: holds if at each x that has one the whole interval of two "
        "standard errors on either side of the mean is within it; does not hold if at one the whole interval is "
        "outside. Cannot be judged otherwise, or where no trial is done. A value without a standard error, as one from "
        "the published draws, is taken as it is."
    ),
    Turns: (
        "Turns: the turning point is the x of the least mean, the largest if there are several; what lies beyond it is"
        " beyond by this rule. Holds if the mean at the largest x is above it by more than twice the noise, as for a "
        "peak. Does not hold if the mean is least at the largest x, or if replicates show the rise to be noise. Cannot"
        " be judged if it may be noise and there are no replicates."
    ),
    Correlates: (
        "Rises or falls with: holds if the 95 % bootstrap interval over points of Spearman's rank correlation lies on "
        "the claimed side of 0, does not hold if it lies on the other. Cannot be judged if it reaches 0, or with "
        f"fewer than {MINIMUM_CORRELATED} points."
    ),
    PairedTrend: (
        "Rises or falls with x within replicates: Spearman's rank correlation with x is taken within each replicate, "
        "whose trials share their seeds, and averaged over replicates. Holds if the 95 % bootstrap interval over "
        "replicates lies on the claimed side of 0, does not hold if it lies on the other. Cannot be judged if it "
        f"reaches 0, or with fewer than {MINIMUM_REPLICATES} replicates that have a value at {MINIMUM_POINTS} x or "
        "more."
    ),
    Coincides: (
        "Falls most steeply when a level is passed: the lag is between the step at which the other quantity first "
        "passes the level and the middle of the steepest fall over the logarithm of the steps, in a window from where "
        "the training set has passed the same level to the end. Its chance is the share of all shifts of the falling "
        "curve around that window that fall as near; a curve that never falls has chance 1. A setting counts once, "
        "with the mean over its replicates; one that does not pass is left out. Holds if the mean chance is as low in "
        f"at most {LEVEL:.1%} of draws of as many uniform numbers, does not hold if it is at least 1/2. Cannot be "
        f"judged between, or with fewer than {MINIMUM_CELLS} settings."
    ),
    TurnsWith: (
        "Is largest when another is least: the lag is between the step at which the other quantity is least and that at"
        " which this one is largest. Its chance is the share of all places in the training, evenly over the logarithm "
        "of the steps, that are as near. A setting counts once, with the mean over its replicates; one in which the "
        "other quantity is least at the end, or before the first step that was measured, is left out. Holds if the "
        f"mean chance is as low in at most {LEVEL:.1%} of draws of as many uniform numbers, does not hold if it is at "
        f"least 1/2. Cannot be judged between, or with fewer than {MINIMUM_CELLS} settings."
    ),
    Concordance: (
        "Orders better: of all pairs of networks whose third quantity differs by at most the factor, the share is "
        "taken that two quantities order alike (a tie counts as half). So is the share that the third quantity itself"
        " orders as the second does, or opposite to it, whichever is more. Holds if the 95 % bootstrap interval over "
        "networks of the first share lies above 1/2 and that of the difference of the shares above 0. Does not hold "
        f"if one of the two intervals lies below. Cannot be judged otherwise, or with fewer than {MINIMUM_PAIRS} "
        "pairs."
    ),
}
GROUPS = (
    "Groups of networks: a distance of two networks in a layer is 1 less the similarity of their Gram matrices on the "
    "same examples. The first group is more alike if in the last layer the 95 % bootstrap intervals of both "
    "differences, within the second less within the first and between the groups less within the first, lie above 0; "
    "it is not if one lies below. The lesser difference is its lead; that grows with depth if the interval of the lead "
    "in the last layer less that in the first lies above 0, and does not if it lies below. Cannot be judged otherwise, "
    f"or with fewer than {MINIMUM_NETWORKS} networks in a group. The bootstrap is over networks; of few of them its "
    "intervals are too short."
)
TOO_FEW = f"Fewer than {MINIMUM_POINTS} points can never be judged."


def rules(presentations: Sequence[Presentation]) -> tuple[str, ...]:
    """The rules of the claims that are made."""
    made = {type(claim) for each in presentations for claim in each.claims}
    of_groups = (GROUPS,) if any(each.groups is not None for each in presentations) else ()
    return (*(rule for kind, rule in RULES.items() if kind in made), *of_groups, TOO_FEW)
