"""The few statistics a report needs, as pure functions of arrays and a generator.

Rank correlation, because the claims are about rising and falling together, not about straight lines. Its interval is a
percentile bootstrap over the pairs: it treats the points along a curve as independent draws, so it measures how far the
correlation rests on single points and is no test against chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINIMUM_PAIRS = 3
PAIRS_AT_ONCE = 2**17  # a few MB; all resamples of ten thousand points would be gigabytes


@dataclass(frozen=True)
class Mean:
    """A mean, its standard error (none from fewer than two values) and the number of values."""

    value: float
    stderr: float | None
    n: int


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho, the ends of its bootstrap interval, and the number of pairs."""

    rho: float
    low: float
    high: float
    n: int


def mean(values: Sequence[float]) -> Mean:
    """The mean of replicates, with the standard error from their spread."""
    if not values:
        raise ValueError("mean of no values: give at least 1")
    n = len(values)
    stderr = float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else None
    return Mean(float(np.mean(values)), stderr, n)


def spearman(
    first: Sequence[float],
    second: Sequence[float],
    generator: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = 2000,
) -> RankCorrelation:
    """Spearman's rank correlation of pairs, with a bootstrap interval; ties get their mean rank."""
    pairs = _pairs(first, second)
    at_once = max(1, PAIRS_AT_ONCE // len(pairs))
    pieces = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    draws = (generator.integers(len(pairs), size=(piece, len(pairs))) for piece in pieces)
    rhos = np.concatenate([_rank_correlations(pairs[indices]) for indices in draws])
    low, high = np.quantile(rhos[np.isfinite(rhos)], [(1 - level) / 2, (1 + level) / 2])
    return RankCorrelation(float(_rank_correlations(pairs[None])[0]), float(low), float(high), len(pairs))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation of pairs; 0 where the values of one side are all equal, which rank nothing."""
    rho = float(_rank_correlations(np.column_stack([first, second]).astype(np.float64)[None])[0])
    return rho if np.isfinite(rho) else 0.0


def _pairs(first: Sequence[float], second: Sequence[float]) -> NDArray[np.float64]:
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values do not pair up: give as many of each")
    if len(first) < MINIMUM_PAIRS:
        raise ValueError(f"rank correlation of {len(first)} pairs: give at least {MINIMUM_PAIRS}")
    pairs = np.column_stack([first, second]).astype(np.float64)
    if not np.isfinite(pairs).all():
        raise ValueError(f"rank correlation with {pairs[~np.isfinite(pairs)][0]}: give finite values")
    for values in (first, second):
        if min(values) == max(values):
            raise ValueError(f"rank correlation of values that are all {values[0]}: they have no order")
    return pairs


def _rank_correlations(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rho of each sample of pairs, (sample, pair, 2); NaN where a resample drew one value only."""
    # Here: it takes half a second to import, which most commands do without.
    from scipy.stats import rankdata  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] # untyped

    ranks = np.asarray(rankdata(samples, axis=1), dtype=np.float64)
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    covariance = (centred[..., 0] * centred[..., 1]).sum(axis=1)
    scale = np.sqrt((centred**2).sum(axis=1).prod(axis=1))
    return np.divide(covariance, scale, out=np.full(len(samples), np.nan), where=scale > 0)
