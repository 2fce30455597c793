"""Concordance of two quantities over a grid: rank statistics as functions of signs and weights of pairs.

`measure` and `target` are signs of differences (pair,), `weights` what each pair counts (draw, pair); a result has one
value for each draw. Granulation and conditional information are those of Jiang, Neyshabur, Mobahi, Krishnan, Bengio,
Fantastic generalization measures and where to find them, arXiv 1912.02178, equations 5 and 6 and section 2.2.3.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from orchestrator.report.pairs import Floats, Integers, Pairs, codes

NOTHING_LEFT = 1e-9  # of a squared length or an entropy: rounding
LARGEST_SET = 2  # axes that are given at once, as published


def kendall(measure: Floats, target: Floats, weights: Floats) -> Floats:
    r"""Kendall's tau-b: the cosine between the signs of the two quantities, NaN where one has no order.

    $\tau = \sum_p w_p s_p t_p / \sqrt{\sum_p w_p s_p^2 \sum_p w_p t_p^2}$, over pairs p with signs s and t.
    """
    return _cosine(weights @ (measure * target), weights @ measure**2, weights @ target**2)


def partial_kendall(measure: Floats, target: Floats, given: Floats, weights: Floats) -> Floats:
    """Kendall's partial tau: the cosine between what is left of the signs once the covariates' are regressed out.

    `given` holds the signs of the covariates (covariate, pair). NaN where they leave nothing of measure or target, as
    of a measure that orders the trials like a covariate.
    """
    signs = np.stack([measure, target, *given])
    gram = np.einsum("dp,ip,jp->dij", weights, signs, signs, optimize=True)
    pair, cross, rest = gram[:, :2, :2], gram[:, :2, 2:], gram[:, 2:, 2:]
    left = pair - cross @ np.linalg.pinv(rest, hermitian=True) @ cross.swapaxes(1, 2)
    lengths = np.diagonal(left, axis1=1, axis2=2)
    explained = lengths < NOTHING_LEFT * np.diagonal(pair, axis1=1, axis2=2)
    return np.where(explained.any(axis=1), np.nan, _cosine(left[:, 0, 1], *np.where(explained, 0, lengths).T))


def granulated_kendall(measure: Floats, target: Floats, pairs: Pairs, weights: Floats) -> Floats:
    r"""The granulated coefficient $\psi$ of every axis (draw, axis): the mean tau of the lines along it.

    On a line all other axes are fixed. A measure that is constant on it says nothing there and counts as 0. NaN for an
    axis along which no two trials differ alone. $\Psi$ is the mean over the axes.
    """
    return np.stack([_along(measure, target, pairs, axis, weights) for axis in range(pairs.levels.shape[1])], axis=1)


def _along(measure: Floats, target: Floats, pairs: Pairs, axis: int, weights: Floats) -> Floats:
    chosen = pairs.along(axis)
    if not len(chosen):
        return np.full(len(weights), np.nan)
    line = codes(np.delete(pairs.levels[pairs.first[chosen]], axis, axis=1))
    s, t, w = measure[chosen], target[chosen], weights[:, chosen]
    tau = _cosine(*(_sums(w * product, line) for product in (s * t, s**2, t**2)))
    return np.where(np.isnan(tau), 0, tau).mean(axis=1)


def conditional_information(measure: Floats, target: Floats, pairs: Pairs, weights: Floats) -> Floats:
    r"""What the measure tells of the target's order that the settings do not, as a share of its uncertainty.

    $\min_S I(V_\mu; V_g | U_S) / H(V_g | U_S)$: $V$ are the signs, $U_S$ the values of both trials on the axes in S,
    and S any set of at most two axes. 0 for a measure that is a function of two settings, 1 for one that always tells
    the order, be it the reverse. Every pair is taken in both orders. Sets given which the target's order is certain are
    left out.
    """
    axes = range(pairs.levels.shape[1])
    sets = [chosen for size in range(LARGEST_SET + 1) for chosen in combinations(axes, size)]
    shares = [_information(measure, target, pairs, chosen, weights) for chosen in sets]
    return np.nanmin(np.stack(shares), axis=0)


def _information(measure: Floats, target: Floats, pairs: Pairs, axes: tuple[int, ...], weights: Floats) -> Floats:
    given = codes(pairs.levels[:, list(axes)])
    count = int(given.max()) + 1
    first, second = given[pairs.first], given[pairs.second]
    signs = (3 * (measure + 1) + target + 1).astype(np.int64)
    orders = (9 * (count * first + second) + signs, 9 * (count * second + first) + 8 - signs)  # 8 - signs: reversed
    table = np.stack([sum(np.bincount(each, draw, 9 * count**2) for each in orders) for draw in weights])
    table = table.reshape(len(weights), count**2, 3, 3) / table.sum(axis=1)[:, None, None, None]
    uncertain = _entropy(table.sum(axis=2)) - _entropy(table.sum(axis=(2, 3)))
    given_measure = _entropy(table) - _entropy(table.sum(axis=3))
    certain = uncertain < NOTHING_LEFT
    share = 1 - given_measure / np.where(certain, 1, uncertain)
    return np.where(certain, np.nan, np.where(share < NOTHING_LEFT, 0, share))


def _entropy(table: Floats) -> Floats:
    """Of each draw's table of probabilities, in bits."""
    flat = table.reshape(len(table), -1)
    return -(flat * np.log2(flat, out=np.zeros_like(flat), where=flat > 0)).sum(axis=1)


@dataclass(frozen=True)
class Environments:
    """Pairs of cells that differ on one axis: where a measure may fail, after Dziugaite et al., arXiv 2010.11924.

    `pairs` are the numbers of the pairs of trials between such cells, `number` the environment that each belongs to,
    and `direction` the sign of the difference between the mean targets of their cells. Of an environment, `cells` are
    the two, `axis` is where they differ, and `weight` is $(1 - 2p)^+$ with p that of Welch's test for a difference of
    the mean target: 0 where the difference is within the noise of the replicates, 1 where it is certain. Of a cell with
    one replicate the noise is not known: weight 0. (Their released code weighs each pair of trials by how certain
    Hoeffding's bound is, given the size of the test set: that is for errors alone, and knows nothing of seeds.)
    """

    pairs: Integers
    number: Integers
    direction: Floats
    cells: Integers
    axis: Integers
    weight: Floats

    def mean(self, errors: Floats) -> Floats:
        """Weighted mean (draw,) of errors (draw, environment); NaN where the target differs by no more than noise."""
        total = self.weight.sum()
        return errors @ self.weight / total if total > 0 else np.full(len(errors), np.nan)


def environments(pairs: Pairs, values: Floats) -> Environments:
    """The environments of a grid, given the target of every trial."""
    chosen = np.flatnonzero(pairs.differs.sum(axis=1) == 1)
    if not len(chosen):
        raise ValueError(f"no two of {len(pairs.levels)} trials differ on one axis alone: nothing can be granulated")
    ends = pairs.cells[np.stack([pairs.first[chosen], pairs.second[chosen]], axis=1)]
    cells, example, number = np.unique(np.sort(ends, axis=1), axis=0, return_index=True, return_inverse=True)
    means, variances, counts = _moments(values, pairs.cells)
    return Environments(
        pairs=chosen,
        number=number.ravel(),
        direction=np.sign(means[ends[:, 0]] - means[ends[:, 1]]),
        cells=cells,
        axis=pairs.differs[chosen[example]].argmax(axis=1),
        weight=_certainty(*(moment[cells] for moment in (means, variances, counts))),
    )


def sign_errors(measure: Floats, where: Environments, weights: Floats) -> Floats:
    """Share of pairs that the measure orders against the mean target, (draw, environment); a tie counts a half."""
    wrong = (1 - measure[where.pairs] * where.direction) / 2
    w = weights[:, where.pairs]
    return _sums(w * wrong, where.number) / _sums(w, where.number)


def _moments(values: Floats, cells: Integers) -> tuple[Floats, Floats, Floats]:
    """Mean, unbiased variance (NaN of a single value) and number of the values in every cell."""
    counts = np.bincount(cells).astype(np.float64)
    means = np.bincount(cells, values) / counts
    squares = np.bincount(cells, (values - means[cells]) ** 2)
    return means, np.divide(squares, counts - 1, out=np.full_like(squares, np.nan), where=counts > 1), counts


def _certainty(means: Floats, variances: Floats, counts: Floats) -> Floats:
    """(1 - 2p)^+ of Welch's test, for pairs of cells (pair, 2); 0 where a variance is not known."""
    from scipy.special import stdtr  # here: most commands do without

    parts = variances / counts
    squared = parts.sum(axis=1)
    known = np.isfinite(squared)
    noisy = known & (squared > 0)
    difference = np.abs(means[:, 0] - means[:, 1])
    p = np.where(known, (difference == 0).astype(np.float64), 1.0)  # replicates all alike: certain if it differs at all
    freedom = squared[noisy] ** 2 / (parts[noisy] ** 2 / (counts[noisy] - 1)).sum(axis=1)
    p[noisy] = 2 * stdtr(freedom, -difference[noisy] / np.sqrt(squared[noisy]))
    return np.maximum(0, 1 - 2 * p)


def _cosine(product: Floats, first: Floats, second: Floats) -> Floats:
    scale = np.sqrt(first * second)
    return np.divide(product, scale, out=np.full_like(scale, np.nan), where=scale > 0)


def _sums(parts: Floats, group: Integers) -> Floats:
    """Sums (draw, group) of the columns (draw, part) that belong to each group."""
    order = np.argsort(group, kind="stable")
    return np.add.reduceat(parts[:, order], np.searchsorted(group[order], np.arange(group.max() + 1)), axis=1)
