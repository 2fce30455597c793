"""Linear model: for random-feature and Bayesian linear regression."""

import math
from collections import OrderedDict

from torch import nn

from workers.models.network import Network


def linear(input_shape: tuple[int, ...] = (200,), num_outputs: int = 1, *, bias: bool = False) -> Network:
    """One linear layer on the flattened input, without hidden layers."""
    modules = {"flatten": nn.Flatten(), "output": nn.Linear(math.prod(input_shape), num_outputs, bias=bias)}
    return Network(nn.Sequential(OrderedDict(modules)), ())
