"""Centred kernel alignment of two representations: linear, RBF, debiased, over batches.

Everything is read off three vectors: the row sums of the elementwise products of the centred Gram matrices K and L of
the two sides, KL, KK and LL. Their totals are the Hilbert-Schmidt norms, their entries the influence of each example,
from which the infinitesimal jackknife gives the standard error; nothing is drawn. Linear kernels take them from feature
covariances or from blocks of the Gram matrices, whichever is less work, and never hold a matrix of n x n.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from measures.representations import Centred, Representation, centred_pair

# Of one block of a Gram matrix. Eight blocks or more leave out most of what lies below the diagonal; below 128 rows
# matrix products slow down.
BLOCK_BYTES = 1 << 26
MIN_BLOCK_ROWS = 128
ROUNDING = 1e-12


@dataclass(frozen=True)
class KernelAlignment:
    """A similarity, at most 1, with its standard error and its expectation for unrelated representations.

    `null` is the mean over all ways to pair the examples at random, exactly; of a debiased value it is 0. `stderr` is
    over examples, or over batches, and None where there was one batch only.
    """

    value: float
    stderr: float | None
    null: float
    num_examples: int


@dataclass(frozen=True)
class _Products:
    """Row sums of the products of two centred Gram matrices, and the diagonals of both, for x and y."""

    xy: Tensor
    xx: Tensor
    yy: Tensor
    diagonal_x: Tensor
    diagonal_y: Tensor

    def debiased(self) -> "_Products":
        """Row sums that add up to n (n - 3) times the unbiased estimators of Song et al. (2012)."""
        a, b = self.diagonal_x, self.diagonal_y
        xy, xx, yy = _debiased(self.xy, a, b), _debiased(self.xx, a, a), _debiased(self.yy, b, b)
        for name, unbiased, biased in (("x", xx, self.xx), ("y", yy, self.yy)):
            if unbiased.sum() <= ROUNDING * biased.sum():
                raise ValueError(f"all examples of {name} are equally far from one another: nothing to compare")
        return _Products(xy, xx, yy, a, b)


def linear_cka(x: Representation, y: Representation, *, debiased: bool = False) -> KernelAlignment:
    r"""Linear centred kernel alignment of two representations of the same examples, in rows.

    $\lVert Y^\top X \rVert_F^2 / (\lVert X^\top X \rVert_F \lVert Y^\top Y \rVert_F)$, centred. Kornblith, Norouzi,
    Lee, Hinton, ICML 2019, arXiv 1905.00414. Invariant under rotations and a common scale of
    either side, not under other linear maps. Without `debiased` it grows towards 1 with the number of features over
    examples; with it, each norm is the unbiased estimator (Song et al., JMLR 13 (2012) 1393; Nguyen, Raghu, Kornblith,
    arXiv 2010.15327) and the value can be slightly negative. Costs O(n (p^2 + p q + q^2)) or
    O(n^2 (p + q)), the smaller.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(linear_cka(x, 5 * x[:, ::-1] + 2).value, 12)
    1.0
    """
    first, second = centred_pair(x, y, min_examples=4)
    return _alignment(_linear_products(first.rows, second.rows), debiased)


def rbf_cka(
    x: Representation,
    y: Representation,
    *,
    bandwidth: Annotated[float, Field(gt=0)] = 0.4,
    debiased: bool = False,
) -> KernelAlignment:
    r"""Centred kernel alignment with Gaussian kernels of a width set by the data.

    $k(x, x') = \exp(-\lVert x - x' \rVert^2 / (2 \sigma^2))$, σ being `bandwidth` times the median distance between two
    different examples of that side. Kornblith et al., arXiv 1905.00414. The standard error takes σ as given.
    Large bandwidths give linear CKA. Costs O(n^2 (p + q)) and the memory of four matrices of n x n.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(rbf_cka(x, 5 * x + 2).value, 12)
    1.0
    """
    if not bandwidth > 0:
        raise ValueError(f"bandwidth={bandwidth} is not valid: it must be positive")
    first, second = centred_pair(x, y, min_examples=4)
    gram_x, gram_y = _rbf_gram("x", first.rows, bandwidth), _rbf_gram("y", second.rows, bandwidth)
    xy, xx, yy = _row_sums(gram_x, gram_y), _row_sums(gram_x, gram_x), _row_sums(gram_y, gram_y)
    return _alignment(_Products(xy, xx, yy, gram_x.diagonal(), gram_y.diagonal()), debiased)


def minibatch_cka(batches: Iterable[tuple[Representation, Representation]]) -> KernelAlignment:
    """Debiased linear alignment of representations that come in pairs of batches and never fit together.

    The three unbiased estimators are averaged over the batches separately and divided at the end. Nguyen, Raghu,
    Kornblith, arXiv 2010.15327. All batches have the size of the first, at least 4; a shorter last one is
    left out. The standard error is the jackknife over batches, which takes them as independent: when shuffled passes
    over the same examples are chained, it is too small. Costs as `linear_cka` on every batch.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(minibatch_cka((x[i : i + 20], 5 * x[i : i + 20]) for i in range(0, 100, 20)).value, 12)
    1.0
    """
    size, scales, totals = 0, (1.0, 1.0), list[Tensor]()
    for first, second in _equal_batches(batches):
        if not totals:
            size, scales = len(first.rows), (first.scale, second.scale)
        # In the units of the first batch: batches are averaged, so they must not be scaled one by one.
        x, y = (side.rows * (side.scale / scale) for side, scale in zip((first, second), scales, strict=True))
        products = _linear_products(x, y).debiased()
        totals.append(torch.stack([products.xy.sum(), products.xx.sum(), products.yy.sum()]))
    if not totals:
        raise ValueError("there are no batches to compare")
    sums = torch.stack(totals)
    stderr = _batch_jackknife(sums) if len(sums) > 1 else None
    return KernelAlignment(float(_ratio(sums.sum(dim=0))), stderr, 0.0, size * len(sums))


def _equal_batches(batches: Iterable[tuple[Representation, Representation]]) -> Iterator[tuple[Centred, Centred]]:
    """The batches, checked and centred, without a shorter last one."""
    size, short = 0, 0
    for x, y in batches:
        size = size or len(x)
        if short or len(x) > size:
            raise ValueError(f"a batch of {short or len(x)} examples is not valid: all but the last have {size}")
        if len(x) < size:
            short = len(x)
        else:
            yield centred_pair(x, y, min_examples=4)


def _linear_products(x: Tensor, y: Tensor) -> _Products:
    """Row sums for linear kernels of centred features, by the cheaper of two ways."""
    (size, p), q = x.shape, y.shape[1]
    if 4 * (p * p + p * q + q * q) <= size * (p + q):
        xy, xx, yy = (_row_sums(a @ (a.T @ b), b) for a, b in ((x, y), (x, x), (y, y)))
    else:
        xy, xx, yy = _sums_by_blocks(x, y)
    return _Products(xy, xx, yy, _row_sums(x, x), _row_sums(y, y))


def _row_sums(a: Tensor, b: Tensor) -> Tensor:
    """Row sums of the elementwise product, without holding it."""
    return torch.einsum("ij,ij->i", a, b)


def _sums_by_blocks(x: Tensor, y: Tensor) -> list[Tensor]:
    """The same from blocks of rows of the Gram matrices, above the diagonal only, as both are symmetric."""
    size = len(x)
    sums = [torch.zeros(size, dtype=x.dtype, device=x.device) for _ in range(3)]
    num_rows = max(1, min(BLOCK_BYTES // (8 * size), max(MIN_BLOCK_ROWS, size // 8)))
    for start in range(0, size, num_rows):
        gram_x, gram_y = (side[start : start + num_rows] @ side[start:].T for side in (x, y))
        for total, product in zip(sums, (gram_x * gram_y, gram_x**2, gram_y**2), strict=True):
            total[start : start + num_rows] += product.sum(dim=1)
            total[start + num_rows :] += product[:, num_rows:].sum(dim=0)
    return sums


def _rbf_gram(name: str, rows: Tensor, bandwidth: float) -> Tensor:
    norms = (rows**2).sum(dim=1)
    squares = (norms[:, None] + norms - 2 * rows @ rows.T).clamp(min=0).fill_diagonal_(0)
    others = ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    median = squares[others].median()
    if median <= ROUNDING * norms.max():
        raise ValueError(f"the median distance within {name} is 0: half of its examples are equal; no bandwidth fits")
    gram = squares.div_(-2 * bandwidth**2 * median).exp_()
    means = gram.mean(dim=1)
    return gram.sub_(means[:, None]).sub_(means - means.mean())


def _debiased(rows: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Row sums of the product of two centred Gram matrices without what their diagonals a and b add."""
    size = len(rows)
    shared = (a * b.sum() + b * a.sum()) / (2 * (size - 1) * (size - 2))
    return rows - size / (size - 2) * a * b + shared


def _alignment(products: _Products, debiased: bool) -> KernelAlignment:
    size = len(products.xy)
    norm = (products.xx.sum() * products.yy.sum()).sqrt()
    null = 0.0 if debiased else float(products.diagonal_x.sum() * products.diagonal_y.sum() / ((size - 1) * norm))
    rows = products.debiased() if debiased else products
    value = _ratio(torch.stack([rows.xy.sum(), rows.xx.sum(), rows.yy.sum()]))
    # The norms are of order 4 in the data but quadratic in its law, so an example enters each with twice its share.
    norm = (rows.xx.sum() * rows.yy.sum()).sqrt()
    influence = 2 * size * (rows.xy / norm - value / 2 * (rows.xx / rows.xx.sum() + rows.yy / rows.yy.sum()))
    stderr = float(torch.linalg.vector_norm(influence)) / (size * (size - 1)) ** 0.5
    return KernelAlignment(float(value), stderr, null, size)


def _ratio(sums: Tensor) -> Tensor:
    """Alignment from the three norms (xy, xx, yy), in the last dimension."""
    return sums[..., 0] / (sums[..., 1].sqrt() * sums[..., 2].sqrt())


def _batch_jackknife(sums: Tensor) -> float:
    without_one = _ratio(sums.sum(dim=0) - sums)
    count = len(sums)
    return float((count - 1) ** 0.5 * without_one.std(correction=0))
