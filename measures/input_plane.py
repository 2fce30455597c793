"""A plane of inputs on which to look at a function: all of them where they are two numbers, else one of examples."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from measures.examples import check_inputs, generator
from measures.inputs import Split

MARGIN = 0.05  # of the range of the examples, beyond them on either side
MOST_POINTS = 500  # more of them only hide the picture
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class InputPlane:
    """Inputs (rows * columns, ...) row by row, the coordinates of rows and columns, and examples on it.

    `points` (n, 3) are column, row and class of each example.
    """

    inputs: Tensor
    rows: Floats
    columns: Floats
    points: Floats

    def map(self, numbers: Tensor) -> Floats:
        """One number an input (rows * columns,) as (rows, columns)."""
        return numbers.double().cpu().numpy().reshape(len(self.rows), len(self.columns))


def input_plane(split: Split, resolution: int, seed: int) -> InputPlane:
    """A square grid of inputs; ValueError where the examples do not span one.

    Inputs of two numbers: from the least to the largest of each, and a little beyond, with up to 500 of the examples
    on it. Others: a + s (b - a) + t (c - a) for s, t from 0 to 1, with a, b, c three examples drawn at random.
    """
    check_inputs(split.inputs)
    rows = split.inputs.flatten(start_dim=1)
    if rows.shape[1] == 2:
        return _all_inputs(split, rows, resolution)
    if len(split) < 3:
        raise ValueError(f"{len(split)} examples do not span a plane of inputs: 3 are needed")
    chosen = torch.randperm(len(split), generator=generator(seed, 4))[:3].to(rows.device)
    steps = torch.linspace(0, 1, resolution, dtype=rows.dtype, device=rows.device)
    t, s = torch.meshgrid(steps, steps, indexing="ij")
    a, b, c = rows[chosen]
    grid = a + s.reshape(-1, 1) * (b - a) + t.reshape(-1, 1) * (c - a)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    coordinates = steps.double().cpu().numpy()
    points = np.column_stack([corners, _classes(split, chosen)])
    return InputPlane(grid.reshape(-1, *split.inputs.shape[1:]), coordinates, coordinates, points)


def _all_inputs(split: Split, rows: Tensor, resolution: int) -> InputPlane:
    columns, lines = (
        np.linspace(low - MARGIN * (high - low), high + MARGIN * (high - low), resolution)
        for low, high in zip(rows.amin(dim=0).tolist(), rows.amax(dim=0).tolist(), strict=True)
    )
    vertical, horizontal = np.meshgrid(lines, columns, indexing="ij")
    grid = torch.from_numpy(np.column_stack([horizontal.ravel(), vertical.ravel()])).to(rows)
    first = torch.arange(min(len(split), MOST_POINTS), device=rows.device)
    points = np.column_stack([rows[first].double().cpu().numpy(), _classes(split, first)])
    return InputPlane(grid.reshape(-1, *split.inputs.shape[1:]), lines, columns, points)


def _classes(split: Split, which: Tensor) -> Floats:
    return split.targets[which].double().cpu().numpy()
