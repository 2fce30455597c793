"""The measure `activation_regions`: into how many linear pieces a network cuts the space between examples."""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from measures.activation_patterns import activation_patterns, region_numbers
from measures.examples import generator
from measures.inputs import Estimate, Measurement, Snapshot

COARSE = 0.25  # regions per grid point above which the count is more the grid's than the network's


def activation_regions(
    snapshot: Snapshot,
    *,
    through: Literal["plane", "segment"] = "plane",
    resolution: Annotated[int, Field(ge=2)] = 50,
    num_draws: Annotated[int, Field(ge=2)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    """Distinct ReLU patterns on grids between training examples: on planes through three, or segments through two.

    A grid has `resolution` points a side: a + s (b - a) + t (c - a) for s, t from 0 to 1, with a, b, c drawn at random;
    a segment leaves out c. `regions` is the mean number of distinct patterns over `num_draws` grids. It is a lower
    bound on the regions that the plane meets and grows with the resolution, which therefore belongs to the number.
    Loukas, Poiitis, Jegelka, arXiv 2106.04186, and their region figure. Costs a forward pass of every grid point.

    >>> from torch import nn
    >>> from measures import Split
    >>> model, data = nn.Sequential(nn.Linear(1, 1), nn.ReLU()), Split(torch.tensor([[-1.0], [1.0]]), torch.zeros(2))
    >>> model[0].bias.data = torch.zeros(1)
    >>> snapshot = Snapshot(model, (), data, data, nn.functional.mse_loss)
    >>> activation_regions(snapshot, through="segment").values["regions"].value
    2.0
    """
    corners = 3 if through == "plane" else 2
    inputs = snapshot.train.inputs
    if len(inputs) < corners:
        raise ValueError(f"{len(inputs)} training examples do not span a {through}: {corners} are needed")
    stream = generator(seed, 0)
    counts: list[float] = []
    same: list[float] = []
    for _ in range(num_draws):
        chosen = inputs[torch.randperm(len(inputs), generator=stream)[:corners].to(inputs.device)]
        grid = region_numbers(activation_patterns(snapshot.model, grid_between(chosen, resolution)))
        counts.append(float(grid.max() + 1))
        same.append(_same_as_neighbour(grid.reshape((resolution,) * (corners - 1))))
    points = resolution ** (corners - 1)
    values = {
        "regions": _mean(counts),
        "fewest": Estimate(min(counts)),
        "most": Estimate(max(counts)),
        "grid_points": Estimate(float(points)),
        "same_as_neighbour": _mean(same),
    }
    return Measurement(values, {"counts": np.array(counts)}, _notes(values["regions"].value, points))


def grid_between(corners: Tensor, resolution: int) -> Tensor:
    """Grid points on the segment between two examples, or on the parallelogram that three span, in rows."""
    steps = torch.linspace(0, 1, resolution, dtype=corners.dtype, device=corners.device)
    coefficients = torch.cartesian_prod(*[steps] * (len(corners) - 1)).reshape(-1, len(corners) - 1)
    points = corners[0].flatten() + coefficients @ (corners[1:] - corners[0]).flatten(start_dim=1)
    return points.reshape(-1, *corners.shape[1:])


def _same_as_neighbour(grid: NDArray[np.int64]) -> float:
    """Share of the neighbouring grid points that lie in one region."""
    return float(np.mean(np.concatenate([(np.diff(grid, axis=axis) == 0).ravel() for axis in range(grid.ndim)])))


def _mean(numbers: list[float]) -> Estimate:
    return Estimate(float(np.mean(numbers)), float(np.std(numbers, ddof=1)) / math.sqrt(len(numbers)))


def _notes(regions: float, points: int) -> tuple[str, ...]:
    if regions <= COARSE * points:
        return ()
    return (f"Grids of {points} points meet {regions:g} regions on average: they are too coarse to count them.",)
