"""Intrinsic dimension of a point set from the ratio of each point's two nearest-neighbour distances.

On a d-dimensional manifold of locally uniform density, mu = r2 / r1 has the Pareto law F(mu) = 1 - mu^-d, whatever the
density. Points at distance 0 from another one are dropped, as no ratio exists for them; points with r1 = r2 are kept
(mu = 1) and counted, because dropping them, as the reference code of Ansuini et al. does, biases the estimate.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from measures.gride import ScaleCurve, curve_over
from measures.neighbors import Neighbors, as_neighbors
from measures.points import Points, notes_on

Floats = NDArray[np.float64]

CURVE_NEIGHBORS = 16  # hardly dearer to find than two


@dataclass(frozen=True)
class IntrinsicDimension:
    """An estimate of the dimension, and what a reader needs to judge it.

    `num_points` entered the estimate; `num_duplicates` were dropped for r1 = 0; `num_ties` have r1 = r2. `r_squared` is
    that of the line through the origin, `ks_distance` the largest gap between the empirical and the Pareto law of the
    estimate. `mean_r1` and `mean_r2` are the scale the dimension is measured at; `curve` follows it over larger ones
    and says whether there is a plateau (None where ties or duplicates leave a scale without a dimension).
    `dtype` is the precision the points came in, and `notes` say what limits the number.
    """

    value: float
    stderr: float
    num_points: int
    num_duplicates: int
    num_ties: int
    r_squared: float
    ks_distance: float
    mean_r1: float
    mean_r2: float
    dtype: str
    notes: tuple[str, ...]
    curve: ScaleCurve | None


def twonn(
    x: Points | Neighbors, *, method: Literal["fit", "mle"] = "fit", discard_fraction: float = 0.1
) -> IntrinsicDimension:
    r"""Two-nearest-neighbour intrinsic dimension of the examples in the rows.

    "fit": slope through the origin of $-\log(1 - i/N)$ on the i-th smallest $\log\mu$, the largest `discard_fraction`
    left out; "mle": $(N - 1) / \sum \log\mu$ over all points. Facco, d'Errico, Rodriguez, Laio, Scientific Reports 7
    (2017) 12140. The standard error takes the ratios as independent: 1.07 d / sqrt(N) for the fit at 0.1, d / sqrt(N)
    for the MLE. Neighbouring points share neighbours: in simulations (Gaussian, d = 2 to 20, N = 500 and 2000) the true
    standard deviation was 0.95 to 1.29 times that, and a jackknife over random blocks did no better. A high dimension
    (beyond about 10) is underestimated at any affordable N: compare only equal N and equal `discard_fraction`. Costs
    what `nearest_neighbors` does.

    >>> points = np.random.default_rng(0).normal(size=(1000, 2))
    >>> round(twonn(points).value, 2)
    2.02
    """
    if method not in ("fit", "mle"):
        raise ValueError(f"method={method!r} is not valid: 'fit' or 'mle'")
    if not 0.0 <= discard_fraction < 1.0:
        raise ValueError(f"discard_fraction={discard_fraction} is not valid: at least 0 and below 1")
    neighbors = as_neighbors(x, 2, at_most=CURVE_NEIGHBORS)
    distances = neighbors.nearest(2).distances.cpu().numpy()
    distinct = distances[distances[:, 0] > 0]
    if len(distinct) < 3:
        raise ValueError(f"{len(distinct)} of {len(distances)} points have no duplicate; at least 3 are needed")
    log_ratios = np.log(distinct[:, 1] / distinct[:, 0])
    if not log_ratios.any():
        raise ValueError(f"all {len(distinct)} points have r1 = r2 (a lattice?): the ratios hold no dimension")
    value, relative_error = fit_pareto(log_ratios, discard_fraction) if method == "fit" else pareto_mle(log_ratios)
    return IntrinsicDimension(
        value=value,
        stderr=value * relative_error,
        num_points=len(distinct),
        num_duplicates=len(distances) - len(distinct),
        num_ties=int(np.sum(log_ratios == 0)),
        r_squared=_r_squared(value, log_ratios, discard_fraction),
        ks_distance=_ks_distance(value, log_ratios),
        mean_r1=float(distinct[:, 0].mean()),
        mean_r2=float(distinct[:, 1].mean()),
        dtype=neighbors.dtype,
        notes=notes_on(value, len(distances), len(distances) - len(distinct), neighbors.dtype),
        curve=curve_over(neighbors),
    )


def fit_pareto(log_ratios: Floats, discard_fraction: float) -> tuple[float, float]:
    """Exponent of the Pareto law by the line through the origin, and its relative standard error.

    For independent ratios: with y_i = -log(1 - i/N), the spacings of the sorted exponentials are independent
    (Renyi), so to first order the relative variance is sum_j (sum_{i >= j} y_i / (N - j + 1))^2 / (sum y_i^2)^2.
    """
    num_points = len(log_ratios)
    log_ratios, y = _quantiles(log_ratios, discard_fraction)
    if not log_ratios.any():
        raise ValueError(
            f"discard_fraction={discard_fraction} is not valid here: the {len(y)} smallest ratios r2 / r1 are all 1"
        )
    influence = np.cumsum(y[::-1])[::-1] / (num_points - np.arange(len(y)))
    return float(y @ log_ratios / (log_ratios @ log_ratios)), float(np.sqrt(influence @ influence) / (y @ y))


def pareto_mle(log_ratios: Floats) -> tuple[float, float]:
    """Exponent of the Pareto law by unbiased maximum likelihood, and its relative standard error."""
    return float((len(log_ratios) - 1) / np.sum(log_ratios)), float(1 / np.sqrt(len(log_ratios)))


def _quantiles(log_ratios: Floats, discard_fraction: float) -> tuple[Floats, Floats]:
    """The smallest log ratios in order, and -log(1 - i/N) for each; the last i = N has none."""
    num_points = len(log_ratios)
    num_kept = max(1, min(int(num_points * (1 - discard_fraction)), num_points - 1))
    return np.sort(log_ratios)[:num_kept], -np.log1p(-np.arange(1, num_kept + 1) / num_points)


def _r_squared(value: float, log_ratios: Floats, discard_fraction: float) -> float:
    x, y = _quantiles(log_ratios, discard_fraction)
    return float(1 - np.sum((y - value * x) ** 2) / np.sum(y**2))


def _ks_distance(value: float, log_ratios: Floats) -> float:
    """Largest gap between the empirical law of all ratios and the Pareto law."""
    law = -np.expm1(-value * np.sort(log_ratios))
    steps = np.arange(len(law) + 1) / len(law)
    return float(max(np.max(steps[1:] - law), np.max(law - steps[:-1])))
