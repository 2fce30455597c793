"""The small Inception of Zhang et al., "Understanding deep learning requires rethinking generalization", ICLR 2017.

arXiv 1611.03530. Figure 3 gives the modules, Table 1 their parameters, 1,649,402 with and without batch norm: that is
one trained number per channel, the shift of the batch norm or the bias of the convolution. The form "seed" is that of a
public reimplementation (david-inf/deep-learning-generalization): scale and shift with batch norm (1,651,114 in all), no
bias without (1,647,690).
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from workers.models.network import Network

# Channels in units of `width`: of the 1x1 and the 3x3 convolution, or of the one with stride 2 that halves the image.
STEM = 6
MODULES: dict[str, tuple[int, int] | int] = {
    "inception1": (2, 2),
    "inception2": (2, 3),
    "down1": 5,
    "inception3": (7, 3),
    "inception4": (6, 4),
    "inception5": (5, 5),
    "inception6": (3, 6),
    "down2": 6,
    "inception7": (11, 10),
    "inception8": (11, 10),
}
EPSILON = 1e-3  # of the batch norm: TensorFlow's default, where torch has 1e-5

_Unit = Callable[[int, int, int, int], nn.Module]  # (channels in, channels out, kernel, stride)


def inception(
    input_shape: tuple[int, ...] = (3, 28, 28),
    num_outputs: int = 10,
    *,
    batch_norm: bool = True,
    form: Literal["paper", "seed"] = "paper",
    width: Annotated[int, Field(ge=1)] = 16,
    initialisation: Literal["torch", "he"] = "torch",
) -> Network:
    """Small Inception for images: eight modules of 1x1 and 3x3 convolutions, two of which are followed by a halving.

    Of each channel, `form` "paper" trains one number, the shift of the batch norm or without it the bias; form "seed"
    trains scale and shift, or without batch norm nothing. `width` is the unit of the numbers of channels, 16 in the
    paper, where the last map has 21 x 16. `initialisation` "he" draws the weights of the convolutions so that ReLUs
    keep the size of their inputs (He et al., arXiv 1502.01852), which torch's does not: without batch norm a narrow
    network then learns nothing for a thousand steps and more. ValueError if the input is not an image (channels, h, w).
    """
    if len(input_shape) != 3:
        raise ValueError(f"input shape {input_shape} is not valid: inception takes images (channels, h, w)")
    unit = partial(_unit, batch_norm, form)
    hidden: dict[str, nn.Module] = {"stem": unit(input_shape[0], STEM * width, 3, 1)}
    channels, sides = STEM, input_shape[1:]
    for name, size in MODULES.items():
        if isinstance(size, int):
            hidden[name] = _down(unit, channels * width, size * width)
            channels, sides = channels + size, tuple(math.ceil(side / 2) for side in sides)
        else:
            hidden[name] = _inception(unit, channels * width, size[0] * width, size[1] * width)
            channels = sum(size)
    # Adaptive pooling has no deterministic gradient on a GPU.
    hidden["pool"] = nn.Sequential(nn.AvgPool2d((sides[0], sides[1])), nn.Flatten())
    modules = {**hidden, "output": nn.Linear(channels * width, num_outputs)}
    module = nn.Sequential(OrderedDict(modules))
    if initialisation == "he":
        module.apply(_draw_as_he)
    return Network(module, tuple(hidden))


def _draw_as_he(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _inception(unit: _Unit, channels_in: int, one: int, three: int) -> nn.Module:
    return _Concatenation(unit(channels_in, one, 1, 1), unit(channels_in, three, 3, 1))


def _down(unit: _Unit, channels_in: int, channels_out: int) -> nn.Module:
    return _Concatenation(unit(channels_in, channels_out, 3, 2), nn.MaxPool2d(3, 2, padding=1))


def _unit(
    batch_norm: bool, form: Literal["paper", "seed"], channels_in: int, channels_out: int, kernel: int, stride: int
) -> nn.Module:
    bias = form == "paper" and not batch_norm
    parts: list[nn.Module] = [nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=bias)]
    if batch_norm:
        norm = nn.BatchNorm2d(channels_out, eps=EPSILON)
        parts.append(_without_scale(norm) if form == "paper" else norm)
    return nn.Sequential(*parts, nn.ReLU())


def _without_scale(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """The same batch norm with its scale fixed at one: a constant rather than None, which the fast GPU kernels need."""
    del norm.weight
    norm.register_buffer("weight", torch.ones(norm.num_features), persistent=False)
    return norm


class _Concatenation(nn.Module):
    """The channels of all branches, one after another."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)
