"""Convolutional network of adjustable width and depth: ConvNetDepth of Maddox, Benton & Wilson.

Their arXiv 2003.02139, Fig. 2. With width 64 and depth 3 it is the "standard 5-layer CNN" of deep double descent
(Nakkiran et al., arXiv 1912.02292).
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import nn

from workers.models.images import require_image
from workers.models.network import Network

STAGES = 3


def convnet(
    input_shape: tuple[int, ...] = (3, 32, 32),
    num_outputs: int = 100,
    *,
    width: Annotated[int, Field(ge=1)] = 64,
    depth: Annotated[int, Field(ge=0)] = 3,
) -> Network:
    """CNN of `depth` + 1 convolutions with batch norm, from `width` channels on, in three stages.

    `depth` is shared out over the stages, the earlier first; each stage that has a layer doubles the channels and
    halves the image in its last one. A max pooling of the paper's window then leaves nothing but channels of 32 x 32.
    Images of at least 32 x 32; of 24 x 24 at depth 0.
    """
    halvings = min(depth, STAGES)
    window = 4 if depth >= STAGES else 8 * (STAGES - depth)
    require_image(input_shape, "convnet", window * 2**halvings)
    layers = list(_layers(width, depth))
    channels = [input_shape[0], *(channels for channels, _ in layers)]
    hidden: dict[str, nn.Module] = {
        f"block{i + 1}": _block(*ends, pooled)
        for i, (ends, (_, pooled)) in enumerate(zip(pairwise(channels), layers, strict=True))
    }
    # At depth 0 the window is 24: the last 8 rows and columns of 32 x 32 go unseen, as in the paper's network.
    hidden["pool"] = nn.Sequential(nn.MaxPool2d(window), nn.Flatten())
    left = [side // 2**halvings // window for side in input_shape[1:]]
    modules = {**hidden, "output": nn.Linear(channels[-1] * left[0] * left[1], num_outputs)}
    return Network(nn.Sequential(OrderedDict(modules)), tuple(hidden))


def _layers(width: int, depth: int) -> Iterator[tuple[int, bool]]:
    """Channels of every convolution, and whether a pooling follows it."""
    yield width, False
    for stage in range(STAGES):
        blocks = depth // STAGES + (depth % STAGES > stage)
        for block in range(blocks):
            last = block == blocks - 1
            width = 2 * width if last else width
            yield width, last


def _block(channels_in: int, channels_out: int, pooled: bool) -> nn.Sequential:
    modules = [nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out), nn.ReLU()]
    return nn.Sequential(*modules, *([nn.MaxPool2d(2)] if pooled else []))
