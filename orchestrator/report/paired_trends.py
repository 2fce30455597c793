"""Paired trends: does a quantity rise with x within each replicate?

Replicates that share their seeds over x share what these draw: data, first weights, order. What a seed does to all of
them alike shifts a whole replicate and says nothing about x, but it widens the spread of every mean over replicates, by
a factor of 2 to 3 for a length of path, so that two means may not be told apart although every single replicate orders
them. Here each replicate orders its own trials, and the interval is over replicates.
"""

import numpy as np

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import PairedTrend
from orchestrator.report.curves import Column
from orchestrator.report.judgement import Judgement
from orchestrator.report.numerals import significant
from orchestrator.report.peaks import MINIMUM_POINTS, Verdict
from orchestrator.report.statistics import rank_correlation

MINIMUM_REPLICATES = 5  # of fewer, all may be on one side by chance in more than one of twenty cases
RESAMPLES = 2000
LEVEL = 0.95


def paired_trend(claim: PairedTrend, column: Column, x: Axis, generator: np.random.Generator) -> Judgement:
    """Whether the rank correlation with x, within replicates and on average over them, is on the claimed side of 0."""
    replicates = [each for each in column.curves[claim.quantity].by_seeds.values() if len(each) >= MINIMUM_POINTS]
    if len(replicates) < MINIMUM_REPLICATES:
        text = (
            f"{claim.label} is known at {MINIMUM_POINTS} values of {x.label} or more in {len(replicates)} replicates; a"
            f" claim needs at least {MINIMUM_REPLICATES}"
        )
        return Judgement("cannot be judged", text, {"replicates": len(replicates)})
    rhos = np.array([rank_correlation(list(each), list(each.values())) for each in replicates])
    drawn = rhos[generator.integers(len(rhos), size=(RESAMPLES, len(rhos)))].mean(axis=1)
    low, high = (float(each) for each in np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    text = (
        f"within {len(rhos)} replicates the rank correlation of {claim.label} with {x.label} is "
        f"{significant(float(rhos.mean()), 2)} on average (95 % interval {significant(low, 2)} to "
        f"{significant(high, 2)}); it is {significant(float(rhos.min()), 2)} to {significant(float(rhos.max()), 2)}"
    )
    numbers = {"rho": float(rhos.mean()), "rho_low": low, "rho_high": high, "replicates": len(rhos)}
    return Judgement(_verdict(low, high, claim.rises), text, numbers)


def _verdict(low: float, high: float, rises: bool) -> Verdict:
    low, high = (low, high) if rises else (-high, -low)
    return "holds" if low > 0 else "does not hold" if high < 0 else "cannot be judged"
