"""Number of principal components: of the whole point set, and of the neighbourhood of each point.

Globally, a variance threshold counts the directions of the smallest flat space that holds the points; a curved line
fills many. Locally, the neighbourhoods are flat, but they must be small against the curvature and hold several points
for every direction.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from measures.neighbors import Neighbors, nearest_neighbors
from measures.points import Points, as_points, centred, dtype_name, half_precision, limited_by_points

CHUNK_BYTES = 1 << 27
ROUNDING = 1e-12  # by which a cumulative sum may miss a threshold that it equals
# Of the neighbours: the smallest of d equal variances of k Gaussian points, ((1 - q) / (1 + q))^2 of the largest at
# q = sqrt(d / k), falls below the default threshold at d = 0.4 k; half of that is safe.
COUNTABLE = 0.2


@dataclass(frozen=True)
class PcaDimension:
    """Principal components that hold a part of the variance.

    `stderr` is in components: the error of the part held, over the part that the last component adds. `explained` holds
    the part of the variance in the first 1, 2, ... components, for every other threshold. `dtype` is the precision the
    points came in, and `notes` say what limits the number.
    """

    value: float
    stderr: float
    variance: float
    explained: NDArray[np.float64]
    num_points: int
    num_features: int
    dtype: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class LocalPcaDimension:
    """Principal components of the neighbourhoods, counted in each and averaged.

    Near points have almost the same neighbourhood, so `stderr` counts only those that fit beside one another, n / (k +
    1) of them: in simulations it was 1.5 to 5 times the true deviation. `counts` are those of the points (NaN where a
    point and its neighbours are identical: `num_duplicates` of them). `explained` is the mean part of a neighbourhood's
    variance in the components counted; `mean_radius` is the mean distance to the last neighbour.
    """

    value: float
    stderr: float
    counts: NDArray[np.float64]
    explained: float
    num_neighbors: int
    num_points: int
    num_duplicates: int
    mean_radius: float
    dtype: str
    notes: tuple[str, ...]


def pca_dimension(x: Points, *, variance: float = 0.9) -> PcaDimension:
    """Number of principal components that hold a part of the variance of the examples in the rows.

    The smallest k with (l_1 + ... + l_k) / sum l at least `variance`; counted from 1, the features not rescaled. The
    error is that of the sum at fixed directions, to first order; rounding to a whole number adds up to 0.3. Costs
    2 n d min(n, d) operations and one decomposition of the smaller side.

    >>> points = np.random.default_rng(0).normal(size=(2000, 10))
    >>> pca_dimension(points, variance=0.95).value
    10.0
    """
    if not 0.0 < variance <= 1.0:
        raise ValueError(f"variance={variance} is not valid: above 0 and at most 1")
    points = centred(as_points(x, at_least=3))
    size, num_features = points.shape
    eigenvalues, scores = _principal(points)
    explained = (eigenvalues.cumsum(0) / eigenvalues.sum()).cpu().numpy()
    count = min(int(np.sum(explained < variance - ROUNDING)) + 1, len(explained))
    held = scores[:, :count].square().sum(dim=1) - explained[count - 1] * points.square().sum(dim=1)
    error = float(held.square().sum().sqrt() / eigenvalues[count - 1])
    return PcaDimension(
        value=float(count),
        stderr=error,
        variance=variance,
        explained=explained,
        num_points=size,
        num_features=num_features,
        dtype=dtype_name(x),
        notes=limited_by_points(count, size, dtype_name(x)),
    )


def local_pca_dimension(x: Points, *, num_neighbors: int = 50, threshold: float = 0.05) -> LocalPcaDimension:
    """Mean number of principal components of a point with its nearest neighbours.

    Components with more than `threshold` of the largest one's variance are counted: Fukunaga, Olsen, IEEE Transactions
    on Computers C-20 (1971) 176. Costs 2 n^2 d operations for the neighbours, and n k d min(k, d).

    >>> points = np.random.default_rng(0).normal(size=(500, 3)) @ np.eye(3, 20)
    >>> local_pca_dimension(points).value
    3.0
    """
    if not 0.0 < threshold < 1.0:
        raise ValueError(f"threshold={threshold} is not valid: above 0 and below 1")
    neighbors = nearest_neighbors(x, num_neighbors)
    points = as_points(x)
    counts, explained = _local_counts(points, neighbors, threshold)
    num_distinct = int(np.isfinite(counts).sum())
    if num_distinct == 0:
        raise ValueError(f"all {len(points)} points are identical to their {num_neighbors} neighbours")
    value = float(np.nanmean(counts))
    return LocalPcaDimension(
        value=value,
        stderr=float(np.nanstd(counts) * np.sqrt((num_neighbors + 1) / num_distinct)),
        counts=counts,
        explained=float(np.nanmean(explained)),
        num_neighbors=num_neighbors,
        num_points=num_distinct,
        num_duplicates=len(points) - num_distinct,
        mean_radius=float(neighbors.distances[:, -1].mean()),
        dtype=neighbors.dtype,
        notes=(*_local_notes(value, num_neighbors), *half_precision(neighbors.dtype)),
    )


def _principal(points: Tensor) -> tuple[Tensor, Tensor]:
    """Variances (times n), largest first, and the coordinates of the points along their directions."""
    if points.shape[0] < points.shape[1]:
        eigenvalues, vectors = torch.linalg.eigh(points @ points.T)
        scores = vectors * eigenvalues.clamp(min=0).sqrt()
    else:
        eigenvalues, vectors = torch.linalg.eigh(points.T @ points)
        scores = points @ vectors
    return eigenvalues.clamp(min=0).flip(0), scores.flip(1)


def _local_counts(
    points: Tensor, neighbors: Neighbors, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Components counted in each neighbourhood, and the part of its variance they hold."""
    counts: list[Tensor] = []
    explained: list[Tensor] = []
    members = torch.cat([torch.arange(len(points)).to(neighbors.indices)[:, None], neighbors.indices], dim=1)
    size, num_features = members.shape[1], points.shape[1]
    for chunk in members.split(max(1, CHUNK_BYTES // (8 * size * max(size, num_features)))):
        local = points[chunk] - points[chunk[:, :1]]
        local -= local.mean(dim=1, keepdim=True)
        gram = local @ local.mT if size < num_features else local.mT @ local
        eigenvalues = torch.linalg.eigvalsh(gram).clamp(min=0)
        counted = eigenvalues > threshold * eigenvalues[:, -1:]
        counts.append(torch.where(eigenvalues[:, -1] > 0, counted.sum(dim=1).double(), torch.nan))
        explained.append((eigenvalues * counted).sum(dim=1) / eigenvalues.sum(dim=1))
    return torch.cat(counts).cpu().numpy(), torch.cat(explained).cpu().numpy()


def _local_notes(value: float, num_neighbors: int) -> tuple[str, ...]:
    if value <= COUNTABLE * num_neighbors:
        return ()
    return (f"{num_neighbors} neighbours are few for {value:.1f} directions, there may be more; raise num_neighbors.",)
