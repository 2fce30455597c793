"""Exact nearest neighbours, in a bounded amount of memory.

Candidates are screened by matrix products (`measures.screening`) and their distances are recomputed in float64 by
direct differences. A row whose last candidate does not prove that nothing nearer was left out is screened again: after
products in float32 by one in float64, and after that by direct differences with all others.

What is found is kept: every estimator takes the neighbours instead of the points, and those of a random part of the
points are read off them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from measures.points import Points, as_points, checked, dtype_name, rows_at_once
from measures.screening import Float32Screen, Screen

CHUNK_BYTES = 1 << 27
DIRECT_BYTES = 1 << 23
LARGEST_COPY = 1 << 30  # bytes
# Candidates beyond those asked for; the first of them that is farther than the last neighbour proves completeness.
EXTRA_CANDIDATES = 2
EXTRA_FLOAT32_CANDIDATES = 6
FEWEST_FOR_FLOAT32 = 1000  # points: of fewer, the products are not what takes the time
NUM_TRIED = 50  # rows on which float32 is tried
MOST_UNPROVEN = 0.2  # of them: beyond that, float64 at once is faster
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

    A row is never its own neighbour; an identical row is, at distance 0. Costs n^2 d operations in float32 on a
    CPU; elsewhere, and where float32 proves too little, 2 n^2 d in float64.

    >>> nearest_neighbors(torch.tensor([[0.0], [1.0], [3.0]]), 1).distances.flatten().tolist()
    [1.0, 1.0, 2.0]
    """
    points = _working_copy(checked(x))
    _check(num_neighbors, len(points))
    distances, indices = _screened_in_float32(points, num_neighbors) or _screened_in_float64(points, num_neighbors)
    return Neighbors(distances, indices, dtype_name(x))


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


def _working_copy(points: Tensor) -> Tensor:
    """The points in float64, unless that takes much memory; those are converted where they are used."""
    is_large = 8 * points.numel() > LARGEST_COPY
    return points if is_large and points.dtype is torch.float32 else points.to(torch.float64)


def _check(num_neighbors: int, size: int) -> None:
    if num_neighbors < 1:
        raise ValueError(f"num_neighbors={num_neighbors} is not valid: at least 1")
    if size <= num_neighbors:
        raise ValueError(f"{size} points are too few: {num_neighbors} neighbours of each need {num_neighbors + 1}")


def _screened_in_float64(points: Tensor, num_neighbors: int, chosen: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Distances and indices for all rows, or for those chosen."""
    screen, (size, num_features) = Screen(points), points.shape
    chosen = torch.arange(size, device=points.device) if chosen is None else chosen
    num_candidates = min(num_neighbors + EXTRA_CANDIDATES, size - 1)
    found: list[tuple[Tensor, Tensor]] = []
    for rows in chosen.split(max(1, CHUNK_BYTES // (8 * max(size, num_features)))):
        distances, indices, unproven = _checked(
            rows, *screen.candidates_of(rows, num_candidates), points, num_neighbors
        )
        for i in unproven.nonzero().flatten().tolist():
            distances[i], indices[i] = _exact_row(int(rows[i]), points, num_neighbors)
        found.append((distances, indices))
    return torch.cat([d for d, _ in found]), torch.cat([i for _, i in found])


def _screened_in_float32(points: Tensor, num_neighbors: int) -> tuple[Tensor, Tensor] | None:
    """The same for all rows; None where float32 would prove too little."""
    size, num_candidates = len(points), num_neighbors + EXTRA_FLOAT32_CANDIDATES
    if size < max(FEWEST_FOR_FLOAT32, num_candidates + 1) or not Float32Screen.is_exact_for(points):
        return None
    screen, tried = Float32Screen(points), torch.arange(0, size, size // NUM_TRIED)
    found = _checked(tried, *screen.candidates_of(tried, num_candidates), points, num_neighbors)
    if found[2].double().mean() > MOST_UNPROVEN:
        return None
    distances, indices, unproven = _checked(
        torch.arange(size), *screen.candidates(num_candidates), points, num_neighbors
    )
    if unproven.any():
        distances[unproven], indices[unproven] = _screened_in_float64(
            points, num_neighbors, unproven.nonzero().flatten()
        )
    return distances, indices


def _checked(
    rows: Tensor, bounds: Tensor, candidates: Tensor, points: Tensor, num_neighbors: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest of the candidates by direct differences, and the rows of which one may be missing."""
    distances, order = _direct(rows, candidates, points).sort(dim=1)
    distances, indices = distances[:, :num_neighbors], candidates.gather(1, order[:, :num_neighbors])
    if candidates.shape[1] == len(points) - 1:
        return distances, indices, torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    # No distance is below 0, so a neighbour at distance 0 is proven; equal distances are, up to rounding.
    unproven = (1 - RELATIVE_ERROR) * distances[:, -1] ** 2 > bounds[:, -1].clamp(min=0)
    return distances, indices, unproven


def _direct(rows: Tensor, candidates: Tensor, points: Tensor) -> Tensor:
    """Distances by differences, of so few rows at a time that they stay in the cache: several times faster."""
    count, num_features = candidates.shape[1], points.shape[1]
    num_rows = max(1, DIRECT_BYTES // (8 * count * num_features))
    distances = torch.empty_like(candidates, dtype=torch.float64)
    space = points.new_empty(min(num_rows, len(rows)) * count, num_features)
    for first in range(0, len(rows), num_rows):
        some, others = rows[first : first + num_rows], candidates[first : first + num_rows].flatten()
        differences = torch.index_select(points, 0, others, out=space[: len(others)]).view(len(some), count, -1)
        differences = differences.to(torch.float64)  # a copy only of points that were left in float32
        differences -= points[some, None]
        torch.linalg.vector_norm(differences, dim=2, out=distances[first : first + num_rows])
    return distances


def _exact_row(row: int, points: Tensor, num_neighbors: int) -> tuple[Tensor, Tensor]:
    parts = points.split(rows_at_once(points))
    distances = torch.cat([torch.linalg.vector_norm(part.double() - points[row], dim=1) for part in parts])
    distances[row] = torch.inf
    nearest = distances.topk(num_neighbors, largest=False)
    return nearest.values, nearest.indices
