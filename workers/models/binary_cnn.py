"""The convolutional network of Loukas, Poiitis & Jegelka (arXiv 2106.04186): binary CIFAR-10 and MNIST."""

import math
from collections import OrderedDict

from torch import nn

from workers.models.images import require_image
from workers.models.input_bias import biased_input
from workers.models.network import Network


def binary_cnn(input_shape: tuple[int, ...] = (3, 32, 32), num_outputs: int = 1) -> Network:
    """Two-class CNN (96 and 384 channels) behind an identity layer of which only the bias is trained.

    Puts out logits: the sigmoid belongs to the loss `half_binary_cross_entropy`. Images of at least 25 x 25.
    """
    require_image(input_shape, "binary_cnn", 25)
    left = [((side - 4) // 3 - 4) // 3 for side in input_shape[1:]]
    hidden = {
        "conv1": _block(input_shape[0], 96),
        "conv2": _block(96, 384),
        "hidden1": nn.Sequential(nn.Flatten(), nn.Linear(384 * math.prod(left), 384), nn.ReLU()),
    }
    modules = {
        **biased_input(math.prod(input_shape)),
        "image": nn.Unflatten(1, input_shape),
        **hidden,
        "output": nn.Linear(384, num_outputs),
    }
    return Network(nn.Sequential(OrderedDict(modules)), ("input_relu", *hidden))


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 5), nn.ReLU(), nn.MaxPool2d(3))
