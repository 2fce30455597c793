"""The two-spirals network of Maddox, Benton & Wilson (arXiv 2003.02139), Section 5."""

import math
from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import nn

from workers.models.network import Network


def spirals_net(
    input_shape: tuple[int, ...] = (2,),
    num_outputs: int = 1,
    *,
    width: Annotated[int, Field(ge=1)] = 20,
    depth: Annotated[int, Field(ge=0)] = 5,
    bias: bool = True,
) -> Network:
    """Fully connected ELU network with `depth` layers from `width` to `width` units, behind the one from the input.

    `depth` counts as the paper does, so there are `depth` + 1 hidden layers. One output is a logit. The network of
    their figure 4, 3-20-20-1, has a depth of 1 and no biases.
    """
    sizes = [math.prod(input_shape)] + [width] * (depth + 1)
    hidden = {
        f"hidden{i + 1}": nn.Sequential(nn.Linear(sizes[i], width, bias=bias), nn.ELU()) for i in range(depth + 1)
    }
    modules = {"flatten": nn.Flatten(), **hidden, "output": nn.Linear(width, num_outputs, bias=bias)}
    return Network(nn.Sequential(OrderedDict(modules)), tuple(hidden))
