"""Regression of a wave that grows along a line (Maddox, Benton & Wilson, arXiv 2003.02139, figure 4, right)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from workers.datasets.dataset import Dataset
from workers.seeding import stream

NOISE = 0.05


def growing_wave(
    data_seed: int,
    *,
    num_train: Annotated[int, Field(ge=2)] = 100,
    num_test: Annotated[int, Field(ge=1)] = 300,
) -> Dataset:
    """Regression on 1, x, x^2 of a parabola and the wave (0.5 + x)^2 sin(4x) / 2, with Gaussian noise of 0.05.

    Training points are evenly spaced from -1 to 1; test points, which the paper has not, are uniform between those. The
    weights of the parabola are from N(0, 1/4), one draw for all numbers of points. Targets are standardised by the mean
    and deviation of those to train on.
    """
    uniform = torch.rand(num_test, generator=stream(data_seed, "dataset", "points", "test"), dtype=torch.float64)
    points = {"train": torch.linspace(-1, 1, num_train, dtype=torch.float64), "test": 2 * uniform - 1}
    weights = 0.5 * torch.randn(3, generator=stream(data_seed, "dataset", "weights"), dtype=torch.float64)
    splits: list[Tensor] = []
    for split, x in points.items():
        inputs = torch.stack([torch.ones_like(x), x, x.square()], dim=1)
        generator = stream(data_seed, "dataset", "noise", split)
        noise = NOISE * torch.randn(len(x), generator=generator, dtype=torch.float64)
        splits += [inputs, inputs @ weights + 0.5 * (0.5 + x).square() * torch.sin(4 * x) + noise]
    mean, deviation = splits[1].mean(), splits[1].std(correction=0)
    x_train, y_train, x_test, y_test = (
        values.to(torch.float32).numpy()
        for values in (splits[0], (splits[1] - mean) / deviation, splits[2], (splits[3] - mean) / deviation)
    )
    return Dataset(x_train, y_train, x_test, y_test, num_classes=None)
