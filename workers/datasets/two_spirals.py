"""Two interleaved spirals in the plane (Maddox, Benton & Wilson, arXiv 2003.02139, section 5)."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from workers.datasets.dataset import Dataset
from workers.seeding import stream

TURN = 600 * 2 * math.pi / 360


def two_spirals(
    data_seed: int,
    *,
    num_train: Annotated[int, Field(ge=2)] = 1000,
    num_test: Annotated[int, Field(ge=2)] = 2000,
    noise: Annotated[float, Field(ge=0)] = 1.5,
) -> Dataset:
    """Two classes of points along two spirals, with Gaussian noise; classes alternate.

    With t = sqrt(U) 600 degrees, class 0 lies at (-1.5 t cos t, 1.5 t sin t) plus noise, and each point of class 1 is
    the negative of one of class 0. The paper's noise: 1.3 for the loss surfaces, 1.5 in depth and 1.0 in width. Theirs
    are not reproducible: the noise was drawn from a generator without a seed. Points are shared by all noises.
    """
    x_train, y_train = _spirals(num_train, noise, data_seed, "train")
    x_test, y_test = _spirals(num_test, noise, data_seed, "test")
    return Dataset(x_train.numpy(), y_train.numpy(), x_test.numpy(), y_test.numpy(), num_classes=2)


def _spirals(count: int, noise: float, data_seed: int, split: str) -> tuple[Tensor, Tensor]:
    pairs = (count + 1) // 2
    uniform = torch.rand(pairs, generator=stream(data_seed, "dataset", "points", split), dtype=torch.float64)
    normal = torch.randn(pairs, 2, generator=stream(data_seed, "dataset", "noise", split), dtype=torch.float64)
    t = uniform.sqrt() * TURN
    first = torch.stack([-1.5 * t * t.cos(), 1.5 * t * t.sin()], dim=1) + noise * normal
    both = torch.stack([first, -first], dim=1).reshape(-1, 2)[:count]
    return both.to(torch.float32), torch.arange(count) % 2
