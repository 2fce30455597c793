"""Canonical correlations of two representations: mean CCA, R2 CCA, SVCCA and PWCCA.

Each representation is replaced by an orthonormal basis of the space its units span over the examples, cut at the
numerical rank; the correlations are the singular values of the product of the two bases. Nothing is inverted, so
duplicated, dead and linearly dependent units change nothing. Units are brought to the same length before the cut, so
that no scale of a unit decides on the rank.

Standard errors are those of the infinitesimal jackknife over examples: the influence of one example on correlation i
with unit variates u and v is uv - ρ (u^2 + v^2) / 2 (Romanazzi, Psychometrika 57 (1992) 237). Nothing is drawn for it.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from measures.cca_null import null_mean_correlation, null_mean_square, num_forced
from measures.representations import Centred, Representation, centred_pair


@dataclass(frozen=True)
class CanonicalCorrelation:
    """A similarity between 0 and 1, and what a reader needs to judge it.

    `null` is its expectation for independent Gaussian data of the same ranks and number of examples. `correlations`
    are all min(rank_x, rank_y) of them, largest first. `stderr` is over examples and says nothing of the bias towards
    1, which `null` shows.
    """

    value: float
    stderr: float
    null: float
    correlations: tuple[float, ...]
    rank_x: int
    rank_y: int
    num_examples: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Variates:
    """Canonical variates of both sides as orthonormal columns, their correlations and the two ranks."""

    of_x: Tensor
    of_y: Tensor
    correlations: Tensor
    rank_x: int
    rank_y: int

    def influences(self) -> Tensor:
        """Influence of each example (row) on each correlation."""
        squares = self.of_x**2 + self.of_y**2
        return len(self.of_x) * (self.of_x * self.of_y - self.correlations * squares / 2)


def mean_cca(x: Representation, y: Representation) -> CanonicalCorrelation:
    r"""Mean canonical correlation of two representations of the same examples, in rows.

    $\frac1k\sum_{i \le k} \rho_i$, k the smaller of the two ranks. 1 where one side is an invertible linear map of the
    other. Raghu, Gilmer, Yosinski, Sohl-Dickstein, NeurIPS 2017, arXiv 1706.05806. The null expectation
    is a mean over draws with a fixed seed. Costs one SVD of each side, O(n p^2 + n q^2), for n examples of p and q
    features.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(mean_cca(x, x @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 5.0], [1.0, 0.0, 1.0]])).value, 12)
    1.0
    """
    first, second = centred_pair(x, y)
    return _mean(_variates(first, second))


def r2_cca(x: Representation, y: Representation) -> CanonicalCorrelation:
    r"""Mean squared canonical correlation of two representations of the same examples, in rows.

    $\frac1k\sum_{i \le k} \rho_i^2$, k the smaller of the two ranks: the share of the smaller space that the larger
    one explains. Kornblith, Norouzi, Lee, Hinton, ICML 2019, arXiv 1905.00414. Its expectation for
    independent data is max(rank) / (n - 1) exactly. Costs as `mean_cca`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> r2_cca(rng.normal(size=(101, 3)), rng.normal(size=(101, 5))).null
    0.05
    """
    first, second = centred_pair(x, y)
    variates = _variates(first, second)
    influence = (2 * variates.correlations * variates.influences()).mean(dim=1)
    null = null_mean_square(variates.rank_x, variates.rank_y, len(influence))
    return _result(variates, (variates.correlations**2).mean(), influence, null)


def svcca(
    x: Representation, y: Representation, *, variance: Annotated[float, Field(gt=0, le=1)] = 0.99
) -> CanonicalCorrelation:
    """Mean canonical correlation of the leading principal components of two representations.

    Of each side the fewest components are kept that hold the share `variance` of the squared singular values; google's
    tutorial and anatome add up the singular values themselves. Raghu et al., arXiv 1706.05806. `null` and
    `stderr` are those of data of the kept dimensions: the choice of components is taken as given. Invariant under
    rotations and a common scale of either side. Costs as `mean_cca`.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3)) * np.array([1.0, 1.0, 0.01])
    >>> svcca(x, x).rank_x
    2
    """
    if not 0 < variance <= 1:
        raise ValueError(f"variance={variance} is not valid: above 0 and at most 1")
    first, second = centred_pair(x, y)
    bases = _principal_basis(first, variance), _principal_basis(second, variance)
    return _mean(_canonical(first, second, bases))


def pwcca(x: Representation, y: Representation) -> CanonicalCorrelation:
    r"""Canonical correlations weighted by how much of x their variates account for (projection-weighted CCA).

    $\sum \alpha_i \rho_i / \sum \alpha_i$ with $\alpha_i = \sum_j |\langle h_i, x_j \rangle|$ over the centred units
    $x_j$ of x and the variates $h_i$ of unit length in the space of x. Not symmetric: `pwcca(y, x)` weighs by y; the
    paper's code weighs by the side of fewer units. Morcos, Raghu, Bengio, NeurIPS 2018, arXiv 1806.05759. For
    independent data the weights are independent of the correlations, so that the expectation is that of `mean_cca`.
    Costs as `mean_cca`.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(1000, 2)) * np.array([1.0, 0.1])
    >>> noise = np.random.default_rng(1).normal(size=(1000, 2))
    >>> y = x + noise * np.array([0.1, 10.0])  # only the small unit is lost
    >>> pwcca(x, y).value > mean_cca(x, y).value + 0.2
    True
    """
    first, second = centred_pair(x, y)
    variates = _variates(first, second)
    loadings = variates.of_x.T @ first.rows
    weights = loadings.abs().sum(dim=1)
    value = weights @ variates.correlations / weights.sum()
    # A weight is a sum of covariances of a variate of variance 1; its directions are taken as given.
    size, scaled = len(first.rows), variates.of_x * len(first.rows) ** 0.5
    of_weights = size**0.5 * scaled * (first.rows @ loadings.sign().T) - weights * (scaled**2 + 1) / 2
    influence = (variates.influences() @ weights + of_weights @ (variates.correlations - value)) / weights.sum()
    return _result(variates, value, influence, null_mean_correlation(variates.rank_x, variates.rank_y, size))


def pwcca_as_released(x: Representation, y: Representation) -> float:
    """The number of the `pwcca.py` that google/svcca released, to compare with figures made by it.

    It is not the paper's: the directions leave the whitening out and have the means of the units added, by position;
    their orthonormal basis weighs activations that are not centred. It depends on the arbitrary signs of singular
    vectors, so it is not quite a function of the data. The side of fewer units gives the weights. Both covariances must
    have full rank. Costs as `mean_cca`.
    """
    first, second = sorted(centred_pair(x, y), key=lambda side: side.rows.shape[1])
    left, correlations, _ = torch.linalg.svd(
        _symmetric_whitener(first) @ first.rows.T @ second.rows @ _symmetric_whitener(second), full_matrices=False
    )
    basis, _ = torch.linalg.qr(first.rows @ left + first.means)
    weights = (basis.T @ (first.rows + first.means)).abs().sum(dim=1)
    return float(weights @ correlations / weights.sum())


def _symmetric_whitener(side: Centred) -> Tensor:
    squares, directions = torch.linalg.eigh(side.rows.T @ side.rows)
    if squares[0] <= squares[-1] * 10 * side.precision:
        raise ValueError(f"a covariance of {len(squares)} units is singular; the released form needs full rank")
    return directions / squares.sqrt() @ directions.T


def _rank_basis(side: Centred) -> Tensor:
    """Orthonormal basis of the column space, whatever the scales of the columns."""
    norms = torch.linalg.vector_norm(side.rows, dim=0)
    alive = norms > side.smallest_norm
    left, values, _ = torch.linalg.svd(side.rows[:, alive] / norms[alive], full_matrices=False)
    return left[:, : _rank(values, side)]


def _principal_basis(side: Centred, variance: float) -> Tensor:
    """Orthonormal basis of the fewest principal components with that share of the variance."""
    left, values, _ = torch.linalg.svd(side.rows, full_matrices=False)
    values = values[: _rank(values, side)]
    shares = (values**2).cumsum(dim=0)
    num_kept = int((shares < variance * shares[-1]).sum()) + 1
    return left[:, :num_kept]


def _rank(values: Tensor, side: Centred) -> int:
    """Singular values above the rounding of the input, the sums behind it included."""
    return int((values > 10 * side.precision * max(side.rows.shape) ** 0.5 * values[0]).sum())


def _variates(x: Centred, y: Centred) -> _Variates:
    return _canonical(x, y, (_rank_basis(x), _rank_basis(y)))


def _canonical(x: Centred, y: Centred, bases: tuple[Tensor, Tensor]) -> _Variates:
    """Canonical variates of two bases, unless there are too few examples for them to say anything."""
    size, num_features = len(x.rows), max(x.rows.shape[1], y.rows.shape[1])
    ranks = bases[0].shape[1], bases[1].shape[1]
    if num_features >= size and num_forced(*ranks, size):
        raise ValueError(
            f"{size} examples of {num_features} features (ranks {ranks[0]} and {ranks[1]}) are too few: "
            f"correlations are 1 for any data unless the ranks add up to at most {size - 1}"
        )
    left, correlations, right = torch.linalg.svd(bases[0].T @ bases[1], full_matrices=False)
    return _Variates(bases[0] @ left, bases[1] @ right.T, correlations.clamp(max=1), *ranks)


def _mean(variates: _Variates) -> CanonicalCorrelation:
    influence = variates.influences().mean(dim=1)
    null = null_mean_correlation(variates.rank_x, variates.rank_y, len(influence))
    return _result(variates, variates.correlations.mean(), influence, null)


def _result(variates: _Variates, value: Tensor, influence: Tensor, null: float) -> CanonicalCorrelation:
    size, forced = len(influence), num_forced(variates.rank_x, variates.rank_y, len(influence))
    note = (
        f"{forced} of {len(variates.correlations)} correlations are 1 for any data: {size} examples are too few for "
        f"ranks {variates.rank_x} and {variates.rank_y}."
    )
    return CanonicalCorrelation(
        value=float(value),
        stderr=float(torch.linalg.vector_norm(influence)) / (size * (size - 1)) ** 0.5,
        null=null,
        correlations=tuple(variates.correlations.tolist()),
        rank_x=variates.rank_x,
        rank_y=variates.rank_y,
        num_examples=size,
        notes=(note,) if forced else (),
    )
