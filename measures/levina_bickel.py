"""Intrinsic dimension by maximum likelihood from the distances to the k nearest neighbours (Levina and Bickel).

The points' estimates are averaged as MacKay and Ghahramani showed to be right: their inverses are, which is the
maximum likelihood of all points together. The plain average of the 2004 paper is biased upwards at small k and is
given beside it for comparison.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measures.gride import ScaleCurve, curve_over
from measures.neighbors import Neighbors, as_neighbors
from measures.overlap import overlap_stderr
from measures.points import Points, notes_on

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LikelihoodDimension:
    """An estimate of the dimension from all distances to the nearest neighbours, and what a reader needs to judge it.

    `stderr` allows for shared neighbours. `arithmetic_mean` is the average of the points' own estimates, as in the
    2004 paper. `num_points` entered; `num_duplicates` were dropped because a neighbour is at distance 0. `ks_distance`
    is the largest gap between the law of the relative distances and that of the estimate. `mean_radius` is the mean
    distance to the last neighbour: the scale the dimension is measured at; `curve` follows it over the smaller ones
    (None where ties or duplicates leave one without a dimension).
    """

    value: float
    stderr: float
    arithmetic_mean: float
    num_neighbors: int
    num_points: int
    num_duplicates: int
    ks_distance: float
    mean_radius: float
    dtype: str
    notes: tuple[str, ...]
    curve: ScaleCurve | None


def levina_bickel(x: Points | Neighbors, *, num_neighbors: int = 20) -> LikelihoodDimension:
    r"""Intrinsic dimension by maximum likelihood of the examples in the rows, or of the neighbours kept from them.

    With $T_j$ the distance of a point to its j-th neighbour, $1 / m = \frac{1}{k - 1} \sum_{j<k} \log(T_k / T_j)$; the
    dimension is 1 over the mean of 1 / m. Levina, Bickel, NeurIPS 2004, equation 8; averaged as in MacKay, Ghahramani,
    *Comments on "Maximum likelihood estimation of intrinsic dimension"*, 2005. A high dimension is underestimated, more
    so than by TwoNN, as k neighbours reach farther than two. Costs 2 n^2 d operations.

    >>> points = np.random.default_rng(0).normal(size=(1000, 2))
    >>> round(levina_bickel(points).value, 2)
    2.04
    """
    if num_neighbors < 3:
        raise ValueError(f"num_neighbors={num_neighbors} is not valid: at least 3")
    neighbors = as_neighbors(x, num_neighbors)
    distances = neighbors.distances.cpu().numpy()
    distinct = distances[:, 0] > 0
    if distinct.sum() < 3:
        raise ValueError(f"{distinct.sum()} of {len(distances)} points have no duplicate; at least 3 are needed")
    log_ratios = np.log(distances[distinct, -1:] / distances[distinct, :-1])
    inverses = np.full(len(distances), np.nan)
    inverses[distinct] = log_ratios.mean(axis=1)
    if not log_ratios.any():
        raise ValueError(f"the {num_neighbors} neighbours of each point are equally far: no dimension")
    value = float(1 / np.nanmean(inverses))
    num_points = int(distinct.sum())
    return LikelihoodDimension(
        value=value,
        stderr=value**2 * overlap_stderr(inverses, neighbors.indices.cpu().numpy()) / num_points,
        arithmetic_mean=_arithmetic_mean(inverses[distinct]),
        num_neighbors=num_neighbors,
        num_points=num_points,
        num_duplicates=len(distances) - num_points,
        ks_distance=_ks_distance(log_ratios, value),
        mean_radius=float(distances[distinct, -1].mean()),
        dtype=neighbors.dtype,
        notes=notes_on(value, len(distances), len(distances) - num_points, neighbors.dtype),
        curve=curve_over(neighbors),
    )


def _arithmetic_mean(inverses: Floats) -> float:
    """The mean of the points' own estimates; infinite where all neighbours of a point are equally far."""
    return float(np.mean(1 / inverses)) if inverses.all() else float("inf")


def _ks_distance(log_ratios: Floats, value: float) -> float:
    """Largest gap between the law of (T_j / T_k)^d, pooled over points and neighbours, and the uniform one."""
    law = np.sort(np.exp(-value * log_ratios), axis=None)
    steps = np.arange(len(law) + 1) / len(law)
    return float(max(np.max(steps[1:] - law), np.max(law - steps[:-1])))
