"""A two-dimensional sinusoid, embedded in ten dimensions (Loukas, Poiitis & Jegelka, arXiv 2106.04186, task 1)."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from workers.datasets.dataset import Dataset
from workers.seeding import stream

DIMENSION = SCALE = 10


def sinusoid(
    data_seed: int,
    *,
    omega: Annotated[float, Field(gt=0)] = 0.5,
    num_train: Annotated[int, Field(ge=1)] = 100,
    num_test: Annotated[int, Field(ge=1)] = 30,
) -> Dataset:
    """Regression of cos(2 pi omega u) cos(2 pi omega v) on points in a plane of ten dimensions, without noise.

    u and v are uniform in (-1, 1). The embedding is a rotation times ten, so a slope in the input space is a tenth of
    that in the plane. Points and embedding depend on `data_seed` alone and are shared by all omega.
    """
    rotation = embedding(data_seed)
    splits: list[Tensor] = []
    for split, count in (("train", num_train), ("test", num_test)):
        generator = stream(data_seed, "dataset", "points", split)
        points = 2 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 1
        splits += [points @ rotation[:, :2].T, torch.cos(2 * math.pi * omega * points).prod(dim=1)]
    x_train, y_train, x_test, y_test = (values.to(torch.float32).numpy() for values in splits)
    return Dataset(x_train, y_train, x_test, y_test, num_classes=None)


def embedding(data_seed: int) -> Tensor:
    """The (10, 10) matrix E, ten times a random orthogonal one: a point (u, v) lies at E (u, v, 0, ..., 0)."""
    generator = stream(data_seed, "dataset", "embedding")
    gaussian = torch.randn(DIMENSION, DIMENSION, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    return SCALE * q * r.diagonal().sign()  # which makes it unique, whatever the library
