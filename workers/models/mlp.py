"""Multi-layer perceptron."""

import math
from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import nn

from workers.models.network import Network


def mlp(
    input_shape: tuple[int, ...] = (3, 28, 28),
    num_outputs: int = 10,
    *,
    width: Annotated[int, Field(ge=1)] = 100,
    depth: Annotated[int, Field(ge=1)] = 2,
) -> Network:
    """Fully connected ReLU network with `depth` hidden layers of `width` units."""
    sizes = [math.prod(input_shape)] + [width] * depth
    hidden = {f"hidden{i + 1}": nn.Sequential(nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU()) for i in range(depth)}
    modules = {"flatten": nn.Flatten(), **hidden, "output": nn.Linear(width, num_outputs)}
    return Network(nn.Sequential(OrderedDict(modules)), tuple(hidden))
