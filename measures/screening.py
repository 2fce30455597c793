"""Lower bounds on squared distances from matrix products, which leave few candidates for nearest neighbours.

|a|^2 + |b|^2 - 2ab costs one matrix product for all pairs, and loses small distances inside a tight cluster or far from
the origin. Taken as a bound instead of as a distance, with all that rounding can add subtracted, it still proves which
points are too far. Products in float32 take half as long as in float64, their bounds are 2^29 times as wide, and they
are symmetric: a tile of pairs serves both its rows and its columns.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from measures.points import rows_at_once

LARGEST = 1e140  # of a coordinate: its square and its inverse square must exist in float64
TILE_ROWS = 2048  # the selection among so many is fast, and most of the symmetry is used
ALIGNED_ROWS = 128  # products of other sizes were up to a third slower
EXACT_FLOAT32 = ("none", "ieee")  # of torch's settings for products in float32; the others round their operands


class Screen:
    """Bounds in float64.

    The rounding errors of centring, of the norms and of the inner product of d terms are together below
    gamma (|a| + |b|)^2 <= 2 gamma (|a|^2 + |b|^2), gamma = (d + 8) eps (Higham, Accuracy and Stability, section 3.1);
    shrinking the norms by 1 - 2 gamma therefore makes |a|^2 + |b|^2 - 2ab a lower bound.
    """

    def __init__(self, points: Tensor):
        self._centred, _ = centred_for_squares(points)
        gamma = (points.shape[1] + 8) * torch.finfo(torch.float64).eps
        norms = squared_norms(self._centred)
        self._norms, self._slack = (1 - 2 * gamma) * norms, 4 * gamma * norms

    def lower_bounds(self, rows: Tensor) -> Tensor:
        """Of the squared distances between the rows and all points."""
        bounds = torch.addmm(self._norms[None, :], self._centred[rows], self._centred.T, alpha=-2)
        bounds += self._norms[rows, None]
        bounds[torch.arange(len(rows), device=rows.device), rows] = torch.inf  # a row is not its own neighbour
        return bounds

    def slack(self, rows: Tensor) -> Tensor:
        """How far a squared distance can be above its lower bound."""
        return self._slack[rows, None] + self._slack[None, :]

    def candidates_of(self, rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The lowest bounds of each row (rows, count), ascending, and whose they are."""
        lowest = self.lower_bounds(rows).topk(count, largest=False)
        return lowest.values, lowest.indices


class Float32Screen:
    """Bounds in float32, of points scaled by a power of two to coordinates of at most 1.

    With u = 2^-24: rounding the coordinates changes 2ab by at most 2 (2u + u^2) |a| |b|, the inner product of d terms
    by 2 du / (1 - du) |a| |b| (1 + u)^2, and rounding and adding the norms by 5u (|a|^2 + |b|^2); 2 |a| |b| is at most
    |a|^2 + |b|^2. So shrinking the norms by 1 - (d + 16) u / (1 - (d + 16) u), and by a little more for what is too
    small for float32, makes |a|^2 + |b|^2 - 2ab a lower bound.
    """

    def __init__(self, points: Tensor):
        centred, largest = centred_for_squares(points)
        self._scale = 2.0 ** -math.frexp(largest)[1]
        centred *= self._scale
        rounding = (points.shape[1] + 16) * torch.finfo(torch.float32).eps / 2
        too_small = (points.shape[1] + 16) * torch.finfo(torch.float32).tiny
        norms = (1 - rounding / (1 - rounding)) * squared_norms(centred) - 4 * too_small
        self._norms, self._points = norms.to(torch.float32), centred.to(torch.float32)

    @staticmethod
    def is_exact_for(points: Tensor) -> bool:
        """Whether products are rounded as the bounds suppose, and the bounds are of use for so many features."""
        if points.device.type != "cpu" or points.shape[1] >= 1 << 16:
            return False
        precision = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]  # made as it is imported
        return precision in EXACT_FLOAT32

    def candidates_of(self, rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The lowest bounds of each row (rows, count), ascending, in float64, and whose they are."""
        bounds = self._bounds(self._points[rows], self._norms[rows], slice(None))
        bounds[torch.arange(len(rows)), rows] = torch.inf
        return self._unscaled(*bounds.topk(count, largest=False))

    def candidates(self, count: int) -> tuple[Tensor, Tensor]:
        """The same for all rows, with half of the products."""
        size = len(self._points)
        bounds = torch.full((size, count), torch.inf)
        indices = torch.zeros(size, count, dtype=torch.int64)
        for rows, columns in _tiles(size):
            tile = self._bounds(self._points[rows], self._norms[rows], columns)
            if rows == columns:
                tile.fill_diagonal_(torch.inf)
            else:
                _merge(bounds[columns], indices[columns], tile.T, rows.start)
            _merge(bounds[rows], indices[rows], tile, columns.start)
        return self._unscaled(bounds, indices)

    def _bounds(self, points: Tensor, norms: Tensor, columns: slice) -> Tensor:
        # The norms are added afterwards: within the product they would be rounded as often as its terms.
        bounds = torch.mm(-2 * points, self._points[columns].T)
        bounds += self._norms[None, columns]
        return bounds.add_(norms[:, None])

    def _unscaled(self, bounds: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        return bounds.to(torch.float64) / self._scale**2, indices


def centred_for_squares(points: Tensor) -> tuple[Tensor, float]:
    """The points about their mean and their largest coordinate; ValueError where float64 does not hold its square."""
    centred = points.to(torch.float64, copy=True)
    centred -= centred.mean(dim=0)
    largest = max(-float(centred.min()), float(centred.max()))
    if not (largest == 0 or 1 / LARGEST < largest < LARGEST):
        raise ValueError(f"coordinates up to {largest:.1g} from the mean have no squares in float64: rescale them")
    return centred, largest


def squared_norms(centred: Tensor) -> Tensor:
    """Squared length of each row; the squares of all at once would take as much memory as the points."""
    return torch.cat([part.square().sum(dim=1) for part in centred.split(rows_at_once(centred))])


def _tiles(size: int) -> Iterator[tuple[slice, slice]]:
    """Pairs of ranges of rows that cover every unordered pair of rows."""
    step = ALIGNED_ROWS * math.ceil(size / math.ceil(size / TILE_ROWS) / ALIGNED_ROWS)
    ranges = [slice(first, min(first + step, size)) for first in range(0, size, step)]
    return ((rows, columns) for i, rows in enumerate(ranges) for columns in ranges[i:])


def _merge(bounds: Tensor, indices: Tensor, tile: Tensor, first: int) -> None:
    """Put the lowest of a tile, whose columns count from `first`, among the lowest so far, in place."""
    lowest = tile.topk(min(bounds.shape[1], tile.shape[1]), largest=False)
    values, columns = torch.cat([bounds, lowest.values], dim=1), torch.cat([indices, lowest.indices + first], dim=1)
    kept = values.topk(bounds.shape[1], largest=False)
    bounds.copy_(kept.values)
    indices.copy_(columns.gather(1, kept.indices))
