"""Exact nearest neighbours, in a bounded amount of memory.

Candidates are screened by one matrix product per chunk of rows, on centred data in float64, and their distances are
recomputed by direct differences. Screening uses a lower bound on every distance instead of the distance: a row whose
last candidate does not prove that nothing nearer was left out is computed again by direct differences with all others.
Without that, |a|^2 + |b|^2 - 2ab loses the small distances inside a tight cluster or far from the origin.

What is found is kept: every estimator takes the neighbours instead of the points, and those of a random part of the
points are read off them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from measures.points import Points, as_points, dtype_name

CHUNK_BYTES = 1 << 27
DIRECT_BYTES = 1 << 22
LARGEST = 1e140
# Candidates beyond those asked for; the first of them that is farther than the last neighbour proves completeness.
EXTRA_CANDIDATES = 2
FEW_MISSING = 0.01  # of the rows: up to here a row at a time is faster than all in one product
RELATIVE_ERROR = 1e-10  # of a squared distance that may remain where many others are equally near


@dataclass(frozen=True)
class Neighbors:
    """The nearest others of each point, nearest first: Euclidean `distances` (n, k), float64, and `indices` (n, k).

    `dtype` is the precision that the points came in.
    """

    distances: Tensor
    indices: Tensor
    dtype: str

    def __len__(self) -> int:
        return len(self.distances)

    def nearest(self, num_neighbors: int) -> "Neighbors":
        """The first columns: fewer neighbours of the same points."""
        num_kept = self.distances.shape[1]
        if not 1 <= num_neighbors <= num_kept:
            raise ValueError(f"num_neighbors={num_neighbors} is not valid: between 1 and the {num_kept} that were kept")
        return Neighbors(self.distances[:, :num_neighbors], self.indices[:, :num_neighbors], self.dtype)


def nearest_neighbors(x: Points, num_neighbors: int) -> Neighbors:
    """The nearest other rows of every row, exact to a relative 1e-10 and up to the rounding of float64 differences.

    A row is never its own neighbour; an identical row is, at distance 0. Costs 2 n^2 d operations in float64.

    >>> nearest_neighbors(torch.tensor([[0.0], [1.0], [3.0]]), 1).distances.flatten().tolist()
    [1.0, 1.0, 2.0]
    """
    points = as_points(x)
    size, num_features = points.shape
    _check(num_neighbors, size)
    num_candidates = min(num_neighbors + EXTRA_CANDIDATES, size - 1)
    screen = Screen(points)
    rows_per_chunk = max(1, CHUNK_BYTES // (8 * max(size, num_features)))
    found = [
        _neighbors_of(rows, points, screen, num_neighbors, num_candidates)
        for rows in torch.arange(size, device=points.device).split(rows_per_chunk)
    ]
    return Neighbors(torch.cat([d for d, _ in found]), torch.cat([i for _, i in found]), dtype_name(x))


def as_neighbors(x: Points | Neighbors, at_least: int, at_most: int | None = None) -> Neighbors:
    """The nearest neighbours of points, found now or kept from before; up to `at_most` where there are so many."""
    at_most = at_least if at_most is None else at_most
    if isinstance(x, Neighbors):
        return x.nearest(max(at_least, min(at_most, x.distances.shape[1])))
    size = x.shape[0] if x.ndim else 0
    return nearest_neighbors(x, max(at_least, min(at_most, size - 1)))


def neighbors_among(x: Points, kept: Neighbors, chosen: Tensor, num_neighbors: int) -> Neighbors:
    """The nearest neighbours of some of the rows among those rows, read off the kept neighbours of all.

    `chosen` holds distinct row numbers; the indices returned count within it. The kept neighbours of a row that are
    chosen are its nearest chosen ones, in order; rows with too few of them are computed again: each, where they are
    few, or all. Costs n k operations.
    """
    _check(num_neighbors, len(chosen))
    position = torch.full((len(kept),), -1, device=chosen.device)
    position[chosen] = torch.arange(len(chosen), device=chosen.device)
    indices = position[kept.indices[chosen]]
    order = (indices < 0).to(torch.uint8).argsort(dim=1, stable=True)[:, :num_neighbors]
    distances, indices = kept.distances[chosen].gather(1, order), indices.gather(1, order)
    if order.shape[1] < num_neighbors:
        return nearest_neighbors(x[chosen], num_neighbors)
    missing = (indices[:, -1] < 0).nonzero().flatten().tolist()
    if len(missing) > FEW_MISSING * len(chosen):
        return nearest_neighbors(x[chosen], num_neighbors)
    points = as_points(x[chosen]) if missing else torch.empty(0)
    for row in missing:
        distances[row], indices[row] = _exact_row(row, points, num_neighbors)
    return Neighbors(distances, indices, kept.dtype)


def _check(num_neighbors: int, size: int) -> None:
    if num_neighbors < 1:
        raise ValueError(f"num_neighbors={num_neighbors} is not valid: at least 1")
    if size <= num_neighbors:
        raise ValueError(f"{size} points are too few: {num_neighbors} neighbours of each need {num_neighbors + 1}")


class Screen:
    """Lower bounds on squared distances from one matrix product.

    The rounding errors of centring, of the norms and of the inner product of d terms are together below
    gamma (|a| + |b|)^2 <= 2 gamma (|a|^2 + |b|^2), gamma = (d + 8) eps (Higham, Accuracy and Stability, section 3.1);
    shrinking the norms by 1 - 2 gamma therefore makes |a|^2 + |b|^2 - 2ab a lower bound.
    """

    def __init__(self, points: Tensor):
        self._centred = points - points.mean(dim=0)
        largest = float(self._centred.abs().max())
        if not (largest == 0 or 1 / LARGEST < largest < LARGEST):
            raise ValueError(f"coordinates up to {largest:.1g} from the mean have no squares in float64: rescale them")
        gamma = (points.shape[1] + 8) * torch.finfo(torch.float64).eps
        norms = (self._centred**2).sum(dim=1)
        self._norms, self._slack = (1 - 2 * gamma) * norms, 4 * gamma * norms

    def lower_bounds(self, rows: Tensor) -> Tensor:
        bounds = torch.addmm(self._norms[None, :], self._centred[rows], self._centred.T, alpha=-2)
        bounds += self._norms[rows, None]
        bounds[torch.arange(len(rows), device=rows.device), rows] = torch.inf  # a row is not its own neighbour
        return bounds

    def slack(self, rows: Tensor) -> Tensor:
        """How far a squared distance can be above its lower bound."""
        return self._slack[rows, None] + self._slack[None, :]


def _neighbors_of(
    rows: Tensor, points: Tensor, screen: Screen, num_neighbors: int, num_candidates: int
) -> tuple[Tensor, Tensor]:
    bounds, candidates = screen.lower_bounds(rows).topk(num_candidates, largest=False)
    distances = _direct(rows, candidates, points)
    distances, order = distances.sort(dim=1)
    distances, indices = distances[:, :num_neighbors], candidates.gather(1, order[:, :num_neighbors])
    if num_candidates < len(points) - 1:
        # No distance is below 0, so a neighbour at distance 0 is proven; equal distances are, up to rounding.
        unproven = (1 - RELATIVE_ERROR) * distances[:, -1] ** 2 > bounds[:, -1].clamp(min=0)
        for i in unproven.nonzero().flatten().tolist():
            distances[i], indices[i] = _exact_row(int(rows[i]), points, num_neighbors)
    return distances, indices


def _direct(rows: Tensor, candidates: Tensor, points: Tensor) -> Tensor:
    """Distances by differences, so few rows at a time that their differences stay in the cache: five times faster."""
    num_rows = max(1, DIRECT_BYTES // (8 * candidates.shape[1] * points.shape[1]))
    distances: list[Tensor] = []
    for row, others in zip(rows.split(num_rows), candidates.split(num_rows), strict=True):
        differences = points[others]
        differences -= points[row, None]
        distances.append(torch.linalg.vector_norm(differences, dim=2))
    return torch.cat(distances)


def _exact_row(row: int, points: Tensor, num_neighbors: int) -> tuple[Tensor, Tensor]:
    distances = torch.linalg.vector_norm(points - points[row], dim=1)
    distances[row] = torch.inf
    nearest = distances.topk(num_neighbors, largest=False)
    return nearest.values, nearest.indices
