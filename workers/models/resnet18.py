"""ResNet18 (He et al., arXiv 1512.03385) as used for small images: a 3x3 stem of stride 1, and no pooling after it.

With the dropout of Brown et al., arXiv 2211.13239, whose names of the layers are kept.
"""

import math
from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from workers.models.network import Network

STRIDES = (1, 2, 2, 2)


def resnet18(
    input_shape: tuple[int, ...] = (3, 32, 32),
    num_outputs: int = 10,
    *,
    width: Annotated[int, Field(ge=1)] = 64,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> Network:
    """Post-activation ResNet18 for small images, with `width`, 2, 4 and 8 times `width` channels in its four stages.

    With `dropout`, that fraction of the single outputs of every hidden layer, the average included, is dropped in
    training; the named representations are those before it. ValueError if the input is not an image (channels, h, w).
    """
    if len(input_shape) != 3:
        raise ValueError(f"input shape {input_shape} is not valid: resnet18 takes images (channels, h, w)")
    channels = [width] + [width * 2**i for i in range(len(STRIDES))]
    hidden: dict[str, nn.Module] = {"conv1": nn.Sequential(*_conv3x3(input_shape[0], width, 1), nn.ReLU())}
    for i, stride in enumerate(STRIDES):
        first, second = _Block(channels[i], channels[i + 1], stride), _Block(channels[i + 1], channels[i + 1], 1)
        hidden[f"conv{i + 2}_x"] = nn.Sequential(first, second)
    # Adaptive pooling has no deterministic gradient on a GPU.
    left = [math.ceil(side / math.prod(STRIDES)) for side in input_shape[1:]]
    hidden["avg_pool"] = nn.Sequential(nn.AvgPool2d((left[0], left[1])), nn.Flatten())
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for name, part in hidden.items():
        modules |= {name: part, f"{name}_dropout": nn.Dropout(dropout)}
    modules["output"] = nn.Linear(channels[-1], num_outputs)
    return Network(nn.Sequential(modules), tuple(hidden))


class _Block(nn.Module):
    """Two 3x3 convolutions, each followed by batch norm, and a shortcut around both; a ReLU after the sum."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        first, second = _conv3x3(channels_in, channels_out, stride), _conv3x3(channels_out, channels_out, 1)
        self.residual = nn.Sequential(*first, nn.ReLU(), *second)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            projection = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        return (self.residual(x) + self.shortcut(x)).relu()


def _conv3x3(channels_in: int, channels_out: int, stride: int) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(channels_out)
