"""Pre-activation ResNet18 of adjustable width: the "resnet18k" of deep double descent.

Nakkiran et al., "Deep double descent", ICLR 2020 (arXiv 1912.02292); Maddox, Benton & Wilson (arXiv 2003.02139),
Fig. 1. As in theirs, no batch norm and no ReLU stand between the last block and the pooling.
"""

import math
from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from workers.models.network import Network

STRIDES = (1, 2, 2, 2)


def preact_resnet18(
    input_shape: tuple[int, ...] = (3, 32, 32), num_outputs: int = 100, *, width: Annotated[int, Field(ge=1)] = 64
) -> Network:
    """Pre-activation ResNet18 for images, with `width`, 2, 4 and 8 times `width` channels in its four stages."""
    if len(input_shape) != 3:
        raise ValueError(f"input shape {input_shape} is not valid: preact_resnet18 takes images (channels, h, w)")
    channels = [width] + [width * 2**i for i in range(len(STRIDES))]
    stages = {
        f"stage{i + 1}": nn.Sequential(
            _Block(channels[i], channels[i + 1], stride), _Block(channels[i + 1], channels[i + 1], 1)
        )
        for i, stride in enumerate(STRIDES)
    }
    # What is left of the image: 4 x 4 of 32 x 32. Adaptive pooling has no deterministic gradient on a GPU.
    left = [math.ceil(side / math.prod(STRIDES)) for side in input_shape[1:]]
    hidden = {
        "stem": _conv3x3(input_shape[0], width, 1),
        **stages,
        "pool": nn.Sequential(nn.AvgPool2d((left[0], left[1])), nn.Flatten()),
    }
    modules = {**hidden, "output": nn.Linear(channels[-1], num_outputs)}
    return Network(nn.Sequential(OrderedDict(modules)), tuple(hidden))


class _Block(nn.Module):
    """Two 3x3 convolutions, each after batch norm and ReLU, and a shortcut around both."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = _conv3x3(channels_in, channels_out, stride)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.conv2 = _conv3x3(channels_out, channels_out, 1)
        self.shortcut = None
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.norm1(x).relu()
        # The identity passes x itself on; the projection starts from the activation.
        shortcut = x if self.shortcut is None else self.shortcut(activated)
        return self.conv2(self.norm2(self.conv1(activated)).relu()) + shortcut


def _conv3x3(channels_in: int, channels_out: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
