"""Wide ResNet of 16 layers (Zagoruyko & Komodakis, arXiv 1605.07146) that also halves the image in its first stage.

A variant of WRN-16-3, with 1,549,850 parameters, from a public reimplementation of Zhang et al., arXiv 1611.03530
(david-inf/deep-learning-generalization); that paper has no such network. Besides the early halving, each projection has
a batch norm of its own, where the original starts from the activation of the block.
"""

import math
from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from workers.models.network import Network

STEM = 16
NUM_STAGES = 3


def wide_resnet(
    input_shape: tuple[int, ...] = (3, 28, 28), num_outputs: int = 10, *, width: Annotated[int, Field(ge=1)] = 48
) -> Network:
    """Wide pre-activation ResNet of 16 layers, with `width`, 2 and 4 times `width` channels in its three stages.

    A width of 48 is a widening factor of 3. ValueError if the input is not an image (channels, h, w).
    """
    if len(input_shape) != 3:
        raise ValueError(f"input shape {input_shape} is not valid: wide_resnet takes images (channels, h, w)")
    channels = [STEM] + [width * 2**i for i in range(NUM_STAGES)]
    hidden: dict[str, nn.Module] = {"stem": _conv3x3(input_shape[0], STEM, 1)}
    for i in range(NUM_STAGES):
        first, second = _Block(channels[i], channels[i + 1], 2), _Block(channels[i + 1], channels[i + 1], 1)
        hidden[f"stage{i + 1}"] = nn.Sequential(first, second)
    # Adaptive pooling has no deterministic gradient on a GPU.
    left = [math.ceil(side / 2**NUM_STAGES) for side in input_shape[1:]]
    hidden["pool"] = nn.Sequential(
        nn.BatchNorm2d(channels[-1]), nn.ReLU(), nn.AvgPool2d((left[0], left[1])), nn.Flatten()
    )
    modules = {**hidden, "output": nn.Linear(channels[-1], num_outputs)}
    return Network(nn.Sequential(OrderedDict(modules)), tuple(hidden))


class _Block(nn.Module):
    """Two 3x3 convolutions, each after batch norm and ReLU, and a shortcut around both."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(channels_in),
            nn.ReLU(),
            _conv3x3(channels_in, channels_out, stride),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            _conv3x3(channels_out, channels_out, 1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            projection = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(nn.BatchNorm2d(channels_in), nn.ReLU(), projection)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


def _conv3x3(channels_in: int, channels_out: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
