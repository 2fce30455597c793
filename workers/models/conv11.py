"""The 11-layer CIFAR-10 network of Morcos et al., "On the importance of single directions" (arXiv 1803.06959).

The paper gives channels and strides. Ours are the read-out, the average of every map and one linear layer, and the
missing biases of convolutions that batch norm would cancel.
"""

import math
from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import nn

from workers.models.images import require_image
from workers.models.network import Network

MULTIPLES = (1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8)
STRIDES = (1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1)


def conv11(
    input_shape: tuple[int, ...] = (3, 32, 32),
    num_outputs: int = 10,
    *,
    width: Annotated[int, Field(ge=1)] = 64,
    batch_norm: bool = True,
) -> Network:
    """Plain CNN of 11 3x3 convolutions with `width` to 8 `width` channels.

    Without batch norm its convolutions have a bias. The layers are the 11 sets of feature maps: their averages, which
    the output reads, are no units of their own.
    """
    require_image(input_shape, "conv11", 1)
    channels = [input_shape[0], *(width * multiple for multiple in MULTIPLES)]
    hidden = {
        f"conv{i + 1}": _block(channels[i], channels[i + 1], stride, batch_norm) for i, stride in enumerate(STRIDES)
    }
    # What is left of the image: 4 x 4 of 32 x 32. Adaptive pooling has no deterministic gradient on a GPU.
    left = [math.ceil(side / math.prod(STRIDES)) for side in input_shape[1:]]
    pool = nn.Sequential(nn.AvgPool2d((left[0], left[1])), nn.Flatten())
    modules = {**hidden, "pool": pool, "output": nn.Linear(channels[-1], num_outputs)}
    return Network(nn.Sequential(OrderedDict(modules)), tuple(hidden))


def _block(channels_in: int, channels_out: int, stride: int, batch_norm: bool) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=not batch_norm)
    return nn.Sequential(convolution, *([nn.BatchNorm2d(channels_out)] if batch_norm else []), nn.ReLU())
