"""The measure `region_map`: the linear regions of a network on the whole plane in which its training data lie.

Loukas, Poiitis & Jegelka (arXiv 2106.04186) train on a plane that is embedded in ten dimensions, and look at the
network on a grid over that plane. It is found here from the training inputs: through their mean, along their two
principal directions. In it the grid fills the smallest rectangle around them, which of points drawn uniformly from a
square is about that square, however it lies in space.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from measures.activation_patterns import activation_patterns, region_numbers
from measures.examples import check_inputs, check_precision
from measures.far_lipschitz_bound import FarBounds, far_bounds
from measures.inputs import Estimate, Measurement, Snapshot
from measures.local_lipschitz import local_lipschitz
from measures.operators import evaluating

FLAT = 1e-5  # a singular value over the first that is no more than the rounding of float32
ABOVE = 1e-6  # by which a slope may exceed its bound: the accuracy of a linear programme

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """Coordinates x, y in a plane: `origin` + x times the first row of `axes` + y times the second, both of length 1.

    `points` (n, 2) are those of the training inputs, projected onto it; `spanned` is the number of their dimensions.
    """

    origin: Floats
    axes: Floats
    points: Floats
    spanned: int


@dataclass(frozen=True)
class Grid:
    """Grid points (resolution², features) of a plane in rows of equal y, and their coordinates along its sides."""

    inputs: Tensor
    x: Floats
    y: Floats


def region_map(
    snapshot: Snapshot,
    *,
    resolution: Annotated[int, Field(ge=2)] = 200,
    bounds: bool = True,
    sigmoid: bool = False,
) -> Measurement:
    r"""Activation pattern, slope, output and theorem-2 bound at each point of a grid over the plane of the data.

    The grid has `resolution` points a side. `regions` is the number of distinct ReLU patterns on it, a lower bound that
    grows with the resolution; `lipschitz.mean` and `lipschitz.largest` are of the local Lipschitz constant over grid
    points. With `bounds`, grid points are of three kinds: in a region of a training example (`trained`), elsewhere with
    a finite bound from the slopes at training examples (`bounded`), elsewhere without (`unbounded`), as shares of the
    grid. `bound_holds` is the share of points with a bound at which the slope does not exceed it, `bound_over_actual`
    the mean of bound / slope over the bounded ones. Loukas, Poiitis, Jegelka, arXiv 2106.04186, region figure and
    theorem 2; see `far_bounds` for the form of the bound and its networks. `sigmoid` is of the sigmoid of a single
    output. Of training inputs that span more than a plane it is that of their two principal directions, and a note says
    so. Costs a forward and a backward pass of every grid point and, with `bounds`, a linear programme for every
    pattern.

    >>> from torch import nn
    >>> from measures import Split
    >>> model, data = nn.Sequential(nn.Linear(2, 1), nn.ReLU()), Split(torch.randn(50, 2), torch.zeros(50))
    >>> model[0].bias.data = torch.zeros(1)
    >>> region_map(Snapshot(model, (), data, data, nn.functional.mse_loss), resolution=20).values["regions"].value
    2.0
    """
    train = snapshot.train.inputs
    check_precision(snapshot.model)
    check_inputs(train)
    plane = plane_of(train.flatten(start_dim=1).double().cpu().numpy())
    grid = grid_over(plane, train, resolution)
    side = (resolution, resolution)
    regions = region_numbers(activation_patterns(snapshot.model, grid.inputs))
    found = far_bounds(snapshot.model, train, grid.inputs, sigmoid=sigmoid) if bounds else None
    slopes = found.actual if found else local_lipschitz(snapshot.model, grid.inputs, sigmoid=sigmoid).per_point
    values = {
        "regions": Estimate(float(regions.max() + 1)),
        "grid_points": Estimate(float(resolution**2)),
        "lipschitz.mean": Estimate(float(slopes.mean())),
        "lipschitz.largest": Estimate(float(slopes.max())),
        "train_lipschitz.mean": Estimate(local_lipschitz(snapshot.model, train, sigmoid=sigmoid).value),
    }
    arrays: dict[str, NDArray[np.generic]] = {
        "x": grid.x,
        "y": grid.y,
        "train_points": plane.points,
        "regions": regions.reshape(side),
        "borders": _borders(regions.reshape(side)),
        "lipschitz": slopes.reshape(side),
        "outputs": _in_rows(_outputs(snapshot, grid.inputs, sigmoid), side),
    }
    if found:
        values |= _summary(found)
        arrays |= {
            "kinds": _kinds(found).reshape(side),
            "bounds": found.bounds.reshape(side),
            "num_patterns": found.num_patterns.reshape(side),
        }
    off = f"The training inputs span {plane.spanned} dimensions: they do not lie in the plane, but beside it."
    return Measurement(values, arrays, (off,) if plane.spanned > 2 else ())


def plane_of(points: Floats) -> Plane:
    """The plane nearest to points (n, d), with axes along the sides of the smallest rectangle around them in it.

    ValueError where they do not span one.

    >>> plane_of(np.array([[0.0, 0, 5], [3, 0, 5], [0, 2, 5], [3, 2, 5]])).points.max(axis=0)
    array([1.5, 1. ])
    """
    origin = points.mean(axis=0)
    _, lengths, directions = np.linalg.svd(points - origin, full_matrices=False)
    spanned = int(np.sum(lengths > FLAT * lengths[0])) if len(lengths) and lengths[0] > 0 else 0
    if spanned < 2:
        raise ValueError(f"the training inputs span {spanned} dimensions: a plane takes at least 2")
    flat = (points - origin) @ directions[:2].T
    rotation = _smallest_rectangle(flat)
    flat, axes = flat @ rotation.T, rotation @ directions[:2]
    middle = (flat.max(axis=0) + flat.min(axis=0)) / 2
    return Plane(origin + middle @ axes, axes, flat - middle, spanned)


def _smallest_rectangle(points: Floats) -> Floats:
    """The rotation (2, 2) after which the box around the points is smallest: a side of it lies on one of their hull."""
    # Here: it takes long to import, which most measures do without.
    from scipy.spatial import ConvexHull  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] # untyped

    corners = points[np.asarray(ConvexHull(points).vertices)]
    sides = np.roll(corners, -1, axis=0) - corners
    angles = np.arctan2(sides[:, 1], sides[:, 0])
    rotations = np.array([[[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]] for a in angles])
    boxes = [np.ptp(corners @ rotation.T, axis=0).prod() for rotation in rotations]
    return rotations[int(np.argmin(boxes))]


def grid_over(plane: Plane, like: Tensor, resolution: int) -> Grid:
    """The grid over the rectangle of a plane, as inputs of the form of those given."""
    x, y = (np.linspace(-half, half, resolution) for half in plane.points.max(axis=0))
    coordinates = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    inputs = torch.from_numpy(plane.origin + coordinates @ plane.axes).to(like)
    return Grid(inputs.reshape(-1, *like.shape[1:]), x, y)


def _outputs(snapshot: Snapshot, inputs: Tensor, sigmoid: bool) -> Floats:
    with evaluating(snapshot.model), torch.no_grad():
        outputs = torch.cat([snapshot.model(batch) for batch in inputs.split(1000)]).double()
    return (outputs.sigmoid() if sigmoid else outputs).cpu().numpy()


def _in_rows(outputs: Floats, side: tuple[int, int]) -> Floats:
    """On the grid: (rows, columns) of one output, (rows, columns, outputs) of several."""
    outputs = outputs.reshape(*side, -1)
    return outputs[..., 0] if outputs.shape[-1] == 1 else outputs


def _borders(regions: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 where the next point to the right or above is in another region, else 0."""
    borders = np.zeros_like(regions)
    borders[:, :-1] |= regions[:, :-1] != regions[:, 1:]
    borders[:-1] |= regions[:-1] != regions[1:]
    return borders


def _kinds(found: FarBounds) -> NDArray[np.int64]:
    """0 in a region of a training example, 1 elsewhere with a bound, 2 without."""
    return np.where(found.is_covered, 0, np.where(np.isfinite(found.bounds), 1, 2))


def _summary(found: FarBounds) -> dict[str, Estimate]:
    kinds, bounded = _kinds(found), np.isfinite(found.bounds)
    below = found.actual[bounded] <= found.bounds[bounded] * (1 + ABOVE)
    ratios = found.bounds[(kinds == 1) & (found.actual > 0)] / found.actual[(kinds == 1) & (found.actual > 0)]
    return {
        "training_patterns": Estimate(float(found.num_training_patterns)),
        "trained": Estimate(float(np.mean(kinds == 0))),
        "bounded": Estimate(float(np.mean(kinds == 1))),
        "unbounded": Estimate(float(np.mean(kinds == 2))),
        "bound_holds": Estimate(float(below.mean()) if len(below) else math.nan),
        "bound_over_actual": Estimate(float(ratios.mean()) if len(ratios) else math.nan),
    }
