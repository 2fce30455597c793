"""A first layer whose weights stay the identity and whose bias is trained, and the MLP that begins with it.

Loukas, Poiitis & Jegelka, "What training reveals about neural network complexity" (arXiv 2106.04186), freeze the first
weight matrix at the identity: the steps of its bias then trace the gradient of the network in its input. The identity
itself is not kept; of an image of 3 x 32 x 32 it would be 9.4 million numbers.
"""

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn

from workers.models.network import Network


class InputBias(nn.Module):
    """A trained number added to every feature of (n, num_features), before the ReLU that follows.

    `bias` starts as the bias of a linear layer of as many inputs does: uniform within 1 / sqrt(num_features).
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(num_features)
        self.bias = nn.Parameter(torch.empty(num_features).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


def biased_input(num_features: int) -> dict[str, nn.Module]:
    """The first layer on flattened inputs: `input_bias`, and `input_relu`, whose output is its representation."""
    return {"flatten": nn.Flatten(), "input_bias": InputBias(num_features), "input_relu": nn.ReLU()}


def biased_input_mlp(input_shape: tuple[int, ...], num_outputs: int, width: int, depth: int) -> Network:
    """The first layer, then `depth` hidden ReLU layers of `width` units and a linear output."""
    num_features = math.prod(input_shape)
    sizes = [num_features] + [width] * depth
    hidden = {f"hidden{i + 1}": nn.Sequential(nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU()) for i in range(depth)}
    modules = {**biased_input(num_features), **hidden, "output": nn.Linear(width, num_outputs)}
    return Network(nn.Sequential(OrderedDict(modules)), ("input_relu", *hidden))
