"""Group similarity: are the layers of one group of networks more alike than those of another? Plain numpy.

All that is known of a layer of a network is the centred Gram matrix of its representations of the same n examples. A
distance is 1 less a similarity of two of them; within a group it is the mean over pairs of its networks, between the
groups that over pairs with one of each. Intervals are from a bootstrap over networks, not over pairs, which share
them: all networks of both groups are drawn anew with replacement, and a network is never compared with itself.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES = 2000
VARIANCE = 0.99
MINIMUM_NETWORKS = 3  # in a group; of two there is one pair, and nothing to draw from


@dataclass(frozen=True)
class Spread:
    """A number and the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LayerComparison:
    """One layer: distances within the first and the second group and between them, and differences to the first.

    `lead` is the lesser of the two differences in each resample: above 0 if the first group is closer than both.
    """

    within_first: Spread
    within_second: Spread
    between: Spread
    second_less_first: Spread
    between_less_first: Spread
    lead: Spread


@dataclass(frozen=True)
class Comparison:
    """All layers in the order of depth; `growth` is the lead in the last layer less that in the first."""

    layers: tuple[LayerComparison, ...]
    growth: Spread
    num_first: int
    num_second: int


def debiased_cka(first: Floats, second: Floats) -> float:
    """Debiased linear centred kernel alignment, from Gram matrices (Song et al. 2012; Nguyen et al. 2021).

    >>> x = np.random.default_rng(0).normal(size=(50, 3)); x -= x.mean(axis=0)
    >>> round(debiased_cka(x @ x.T, 4 * x @ x.T), 12)
    1.0
    """
    norm = _unbiased(first, first) * _unbiased(second, second)
    return _unbiased(first, second) / math.sqrt(norm) if norm > 0 else math.nan


def _unbiased(first: Floats, second: Floats) -> float:
    """The unbiased estimator of the Hilbert-Schmidt independence criterion, times n (n - 3)."""
    own, other = (matrix - np.diag(matrix.diagonal()) for matrix in (first, second))
    n, a, b = len(own), own.sum(axis=1), other.sum(axis=1)
    return float((own * other).sum() + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * a @ b)


def svcca(first: Floats, second: Floats) -> float:
    """Mean canonical correlation of the leading principal components that hold 99 % of the variance of each.

    The eigenvectors of a Gram matrix are the left singular vectors of the representation, its eigenvalues the squared
    singular values (Raghu et al. 2017). NaN if the examples are too few for the components of both: then some
    correlations are 1 for any data.
    """
    bases = [principal_basis(matrix) for matrix in (first, second)]
    if sum(basis.shape[1] for basis in bases) >= len(first) or not all(basis.size for basis in bases):
        return math.nan
    return float(np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).clip(max=1).mean())


def principal_basis(gram: Floats) -> Floats:
    """Eigenvectors (examples, components) of the fewest largest eigenvalues that hold 99 % of their sum."""
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    if values.sum() == 0:
        return vectors[:, :0]
    return vectors[:, : int(np.searchsorted(values.cumsum(), VARIANCE * values.sum())) + 1]


METHODS: Mapping[str, Callable[[Floats, Floats], float]] = {"debiased_cka": debiased_cka, "svcca": svcca}


def distances(grams: Sequence[Floats], method: str) -> Floats:
    """One less the similarity of every two of them (networks, networks); NaN on the diagonal."""
    if method not in METHODS:
        raise ValueError(f"method={method!r} of comparing Gram matrices is not valid: {', '.join(METHODS)}")
    found = np.full((len(grams), len(grams)), math.nan)
    for j, second in enumerate(grams):
        for i, first in enumerate(grams[:j]):
            found[i, j] = found[j, i] = 1 - METHODS[method](first, second)
    return found


def compared(of_layers: Sequence[Floats], num_first: int, generator: np.random.Generator) -> Comparison:
    """Groups by the distances of each layer (networks, networks), of which the first so many networks are the first."""
    num_second = len(of_layers[0]) - num_first
    # How often each network is there: once in what was measured, then as the resamples have drawn it.
    first, second = (np.vstack([np.ones(num), _resamples(num, generator)]) for num in (num_first, num_second))
    nobody = np.zeros_like
    one, other = np.hstack([first, nobody(second)]), np.hstack([nobody(first), second])
    drawn = np.array([_means(matrix, one, other) for matrix in of_layers])
    layers = tuple(LayerComparison(*(_spread(each) for each in of_layer)) for of_layer in drawn)
    return Comparison(layers, _spread(drawn[-1, -1] - drawn[0, -1]), num_first, num_second)


def _resamples(num: int, generator: np.random.Generator) -> Floats:
    """How often each of the networks is drawn (resamples, networks), as many as there are, with replacement."""
    return generator.multinomial(num, np.full(num, 1 / num), size=RESAMPLES).astype(np.float64)


def _means(matrix: Floats, one: Floats, other: Floats) -> Floats:
    """Mean distances within, within and between, differences to the first and the lesser of these, by resample."""
    own, others, between = (_mean(matrix, *pair) for pair in ((one, one), (other, other), (one, other)))
    differences = others - own, between - own
    return np.array([own, others, between, *differences, np.minimum(*differences)])


def _mean(matrix: Floats, one: Floats, other: Floats) -> Floats:
    """Over the pairs whose distance is known, as often as they are there; a network and itself have none."""
    known = np.isfinite(matrix)
    total = np.einsum("ri,ij,rj->r", one, np.where(known, matrix, 0), other)
    count = np.einsum("ri,ij,rj->r", one, known.astype(np.float64), other)
    return np.divide(total, count, out=np.full(len(total), math.nan), where=count > 0)


def _spread(drawn: Floats) -> Spread:
    """Of the value itself, which is the first, and its resamples; without the few that drew one network only."""
    resampled = drawn[1:][np.isfinite(drawn[1:])]
    if not (np.isfinite(drawn[0]) and resampled.size):
        return Spread(float(drawn[0]), math.nan, math.nan)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Spread(float(drawn[0]), float(low), float(high))
