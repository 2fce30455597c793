"""A basic convolutional network for MNIST, for the singular values of perturbed images.

The experiment it serves (a blog's: singular values of each layer's activations on noisy copies of an image) names no
architecture but "basic convolutional network". This is ours: the closest that its pictures allow, some convolutional
layers before some fully connected ones. No dropout and no batch norm, so that a layer's spectrum is the weights' doing.
"""

import math
from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import nn

from workers.models.images import require_image
from workers.models.network import Network


def mnist_cnn(
    input_shape: tuple[int, ...] = (1, 28, 28),
    num_outputs: int = 10,
    *,
    width: Annotated[int, Field(ge=1)] = 32,
    num_hidden: Annotated[int, Field(ge=1)] = 128,
) -> Network:
    """Basic CNN: 3x3 convolutions of `width` and 2 `width` channels, each max-pooled, then `num_hidden` units.

    The architecture is ours, as the experiment gives none. Images of at least 4 x 4.
    """
    require_image(input_shape, "mnist_cnn", 4)
    left = [side // 2 // 2 for side in input_shape[1:]]
    hidden = {
        "conv1": _block(input_shape[0], width),
        "conv2": _block(width, 2 * width),
        "hidden1": nn.Sequential(nn.Flatten(), nn.Linear(2 * width * math.prod(left), num_hidden), nn.ReLU()),
    }
    modules = {**hidden, "output": nn.Linear(num_hidden, num_outputs)}
    return Network(nn.Sequential(OrderedDict(modules)), tuple(hidden))


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
