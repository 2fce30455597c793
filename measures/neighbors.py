"""Exact nearest neighbours, in a bounded amount of memory.

Candidates are screened by one matrix product per chunk of rows, on centred data in float64, and their distances are
recomputed by direct differences. Screening uses a lower bound on every distance instead of the distance: a row whose
last candidate does not prove that nothing nearer was left out is computed again by direct differences with all others.
Without that, |a|^2 + |b|^2 - 2ab loses the small distances inside a tight cluster or far from the origin.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK_BYTES = 1 << 27
# Candidates beyond those asked for; the first of them that is farther than the last neighbour proves completeness.
EXTRA_CANDIDATES = 2
RELATIVE_ERROR = 1e-10  # of a squared distance that may remain where many others are equally near


@dataclass(frozen=True)
class Neighbors:
    """The nearest others of each point, nearest first: Euclidean `distances` (n, k), float64, and `indices` (n, k)."""

    distances: Tensor
    indices: Tensor


def nearest_neighbors(x: Tensor | NDArray[np.floating], num_neighbors: int) -> Neighbors:
    """The nearest other rows of every row, exact to a relative 1e-10 and up to the rounding of float64 differences.

    A row is never its own neighbour; an identical row is, at distance 0. Costs 2 n^2 d operations in float64.

    >>> nearest_neighbors(np.array([[0.0], [1.0], [3.0]]), 1).distances.flatten().tolist()
    [1.0, 1.0, 2.0]
    """
    points = torch.as_tensor(x).detach().to(torch.float64)
    if points.ndim != 2:
        raise ValueError(f"examples must be the rows of a matrix; got shape {tuple(points.shape)}")
    if not torch.isfinite(points).all():
        raise ValueError(f"{int((~torch.isfinite(points)).any(dim=1).sum())} rows hold NaN or infinity")
    size, num_features = points.shape
    if not 1 <= num_neighbors < size:
        raise ValueError(f"num_neighbors={num_neighbors} is not valid: between 1 and {size - 1} for {size} points")
    num_candidates = min(num_neighbors + EXTRA_CANDIDATES, size - 1)
    screen = _Screen(points)
    rows_per_chunk = max(1, CHUNK_BYTES // (8 * max(size, num_candidates * num_features)))
    found = [
        _neighbors_of(rows, points, screen, num_neighbors, num_candidates)
        for rows in torch.arange(size, device=points.device).split(rows_per_chunk)
    ]
    return Neighbors(torch.cat([n.distances for n in found]), torch.cat([n.indices for n in found]))


class _Screen:
    """Lower bounds on squared distances from one matrix product.

    The rounding errors of centring, of the norms and of the inner product of d terms are together below
    gamma (|a| + |b|)^2 <= 2 gamma (|a|^2 + |b|^2), gamma = (d + 8) eps (Higham, Accuracy and Stability, section 3.1);
    shrinking the norms by 1 - 2 gamma therefore makes |a|^2 + |b|^2 - 2ab a lower bound.
    """

    def __init__(self, points: Tensor):
        self._centred = points - points.mean(dim=0)
        gamma = (points.shape[1] + 8) * torch.finfo(torch.float64).eps
        self._norms = (1 - 2 * gamma) * (self._centred**2).sum(dim=1)

    def lower_bounds(self, rows: Tensor) -> Tensor:
        bounds = torch.addmm(self._norms[None, :], self._centred[rows], self._centred.T, alpha=-2)
        bounds += self._norms[rows, None]
        bounds[torch.arange(len(rows), device=rows.device), rows] = torch.inf  # a row is not its own neighbour
        return bounds


def _neighbors_of(rows: Tensor, points: Tensor, screen: _Screen, num_neighbors: int, num_candidates: int) -> Neighbors:
    bounds, candidates = screen.lower_bounds(rows).topk(num_candidates, largest=False)
    distances = torch.linalg.vector_norm(points[candidates] - points[rows, None], dim=2)
    distances, order = distances.sort(dim=1)
    distances, indices = distances[:, :num_neighbors], candidates.gather(1, order[:, :num_neighbors])
    if num_candidates < len(points) - 1:
        # No distance is below 0, so a neighbour at distance 0 is proven; equal distances are, up to rounding.
        unproven = (1 - RELATIVE_ERROR) * distances[:, -1] ** 2 > bounds[:, -1].clamp(min=0)
        for i in unproven.nonzero().flatten().tolist():
            distances[i], indices[i] = _exact_row(int(rows[i]), points, num_neighbors)
    return Neighbors(distances, indices)


def _exact_row(row: int, points: Tensor, num_neighbors: int) -> tuple[Tensor, Tensor]:
    distances = torch.linalg.vector_norm(points - points[row], dim=1)
    distances[row] = torch.inf
    nearest = distances.topk(num_neighbors, largest=False)
    return nearest.values, nearest.indices
