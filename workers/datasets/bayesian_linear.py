"""The linear model of which the posterior is known exactly (Maddox, Benton & Wilson, arXiv 2003.02139, figure 4)."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from workers.datasets.dataset import Dataset
from workers.seeding import stream

LENGTH = 50.0


def bayesian_linear(
    data_seed: int,
    *,
    num_train: Annotated[int, Field(ge=2)] = 300,
    num_test: Annotated[int, Field(ge=1)] = 300,
    num_frequencies: Annotated[int, Field(ge=1)] = 100,
    noise: Annotated[float, Field(ge=0)] = 0.1,
    num_seen: Annotated[int, Field(ge=1)] | None = None,
) -> Dataset:
    """Regression on cos(k pi x) and sin(k pi x), k = 1 .. 100, with weights from N(0, 1) and Gaussian noise.

    Training points are evenly spaced from 0 to 50; test points, which the paper has not, are uniform between those.
    `noise` is a standard deviation (the paper's notebook takes its number for a variance in the posterior). Of the
    training points `num_seen` are kept, in a random order that is one for all numbers; without it all, as they lie.
    """
    if num_seen is not None and num_seen > num_train:
        raise ValueError(f"num_seen={num_seen} is not valid: at most num_train={num_train}")
    uniform = torch.rand(num_test, generator=stream(data_seed, "dataset", "points", "test"), dtype=torch.float64)
    points = {"train": torch.linspace(0, LENGTH, num_train, dtype=torch.float64), "test": LENGTH * uniform}
    weights = torch.randn(2 * num_frequencies, generator=stream(data_seed, "dataset", "weights"), dtype=torch.float64)
    splits: list[Tensor] = []
    for split, x in points.items():
        phases = math.pi * x[:, None] * torch.arange(1, num_frequencies + 1)
        features = torch.cat([phases.cos(), phases.sin()], dim=1)
        generator = stream(data_seed, "dataset", "noise", split)
        splits += [features, features @ weights + noise * torch.randn(len(x), generator=generator, dtype=torch.float64)]
    x_train, y_train, x_test, y_test = (values.to(torch.float32).numpy() for values in splits)
    if num_seen is not None:
        order = torch.randperm(num_train, generator=stream(data_seed, "dataset", "order"))[:num_seen].numpy()
        x_train, y_train = x_train[order], y_train[order]
    return Dataset(x_train, y_train, x_test, y_test, num_classes=None)
