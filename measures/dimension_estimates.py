"""Every estimate of the dimension of one point set, and in plain words what they say together.

The estimators from nearest neighbours share one search. An estimator that the points do not allow (too few of them,
say) is represented by its reason: the others still hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from measures.correlation_dimension import correlation_dimension
from measures.gride import ScaleCurve, gride
from measures.levina_bickel import levina_bickel
from measures.neighbors import nearest_neighbors
from measures.participation_ratio import participation_ratio
from measures.pca_dimension import local_pca_dimension, pca_dimension
from measures.points import HIGH_DIMENSION, Points, as_points, centred
from measures.twonn import twonn

RANKS = (1, 2, 4, 8, 16, 32)
FEWEST_POINTS = 5
NUM_STDERRS = 1.96  # of a 95 % interval
# A larger gap between the ratios and their law: one dimension does not describe the nearest neighbours. Few points have
# a gap of about 1.63 / sqrt(n) by chance (Kolmogorov-Smirnov, 1 %).
POOR_FIT = 0.1
CHANCE_FIT = 1.63


class Estimated(Protocol):
    """What every result has."""

    @property
    def value(self) -> float: ...
    @property
    def stderr(self) -> float: ...
    @property
    def num_points(self) -> int: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class DimensionEstimates:
    """The dimension over scales, and the other estimators' results by name, or why there is none."""

    curve: ScaleCurve
    others: Mapping[str, Estimated | ValueError]

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits the numbers; a remark of several estimators once, that of one with its name."""
        notes = {note: note for note in self.curve.notes}
        for name, result in self.others.items():
            for note in () if isinstance(result, ValueError) else result.notes:
                notes.setdefault(note, f"{name}: {note}")
        return tuple(notes.values())

    @property
    def verdict(self) -> str:
        """One sentence for a reader who will not study the table."""
        return verdict(self.curve)


def dimension_estimates(x: Points) -> DimensionEstimates:
    """Every estimate of the dimension of the examples in the rows; the scales are those that the points allow.

    >>> points = np.random.default_rng(0).normal(size=(500, 2))
    >>> dimension_estimates(points).verdict
    'The points have 2.0 dimensions (95 % interval 1.9 to 2.2), the same from rank 1 to 32.'
    """
    points = as_points(x, at_least=FEWEST_POINTS)
    centred(points)  # refuses points that are all the same
    kept = nearest_neighbors(x, min(2 * RANKS[-1], len(points) - 1))
    estimators: dict[str, Callable[[], Estimated]] = {
        "TwoNN, linear fit": partial(twonn, kept),
        "TwoNN, maximum likelihood": partial(twonn, kept, method="mle"),
        "Levina-Bickel, 20 neighbours": partial(levina_bickel, kept if len(kept) > 20 else x),
        "correlation dimension": partial(correlation_dimension, x),
        "local PCA, 50 neighbours": partial(local_pca_dimension, x),
        "PCA, 90 % of variance": partial(pca_dimension, x),
        "PCA, 99 % of variance": partial(pca_dimension, x, variance=0.99),
        "participation ratio": partial(participation_ratio, x),
    }
    curve = gride(kept, ranks=[rank for rank in RANKS if 2 * rank < len(points)])
    return DimensionEstimates(curve, {name: _try(estimator) for name, estimator in estimators.items()})


def interval(result: Estimated | ScaleCurve) -> tuple[float, float]:
    """The 95 % interval of the standard error; it says nothing of bias."""
    return result.value - NUM_STDERRS * result.stderr, result.value + NUM_STDERRS * result.stderr


def verdict(curve: ScaleCurve) -> str:
    """What a curve says, in one sentence: one dimension, a lower bound of it, or none that holds at every scale."""
    first, last = curve.scales[0], curve.scales[-1]
    low, high = interval(curve)
    if curve.value > HIGH_DIMENSION:
        return f"The points have at least {low:.0f} dimensions; {first.num_points} points do not show how many."
    if first.ks_distance > max(POOR_FIT, CHANCE_FIT * first.num_points**-0.5):
        return f"No single dimension describes the points: the ratios are {first.ks_distance:.2f} off their law."
    between = f"{curve.value:.1f} dimensions (95 % interval {low:.1f} to {high:.1f})"
    if curve.plateau is None:
        change = f"{first.value:.1f} at rank {first.rank}, {last.value:.1f} at rank {last.rank}"
        return f"No one dimension holds at every scale: {change}. The nearest neighbours see {between}."
    ranks = f"from rank {curve.scales[curve.plateau.first].rank} to {curve.scales[curve.plateau.last].rank}"
    return f"The points have {between}, the same {ranks}."


def _try(estimator: Callable[[], Estimated]) -> Estimated | ValueError:
    try:
        return estimator()
    except ValueError as reason:
        return reason
