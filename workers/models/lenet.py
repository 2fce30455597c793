"""The LeNet-style network of Maddox, Benton & Wilson (arXiv 2003.02139), A.1 and A.2: CIFAR-10 loss surfaces."""

import math
from collections import OrderedDict

from torch import nn

from workers.models.images import require_image
from workers.models.network import Network


def lenet(input_shape: tuple[int, ...] = (3, 32, 32), num_outputs: int = 10) -> Network:
    """LeNet with ReLU and max pooling: two 5x5 convolutions, then 120 and 84 units. Images of at least 16 x 16."""
    require_image(input_shape, "lenet", 16)
    left = [((side - 4) // 2 - 4) // 2 for side in input_shape[1:]]
    hidden = {
        "conv1": _block(input_shape[0], 6),
        "conv2": _block(6, 16),
        "hidden1": nn.Sequential(nn.Flatten(), nn.Linear(16 * math.prod(left), 120), nn.ReLU()),
        "hidden2": nn.Sequential(nn.Linear(120, 84), nn.ReLU()),
    }
    return Network(nn.Sequential(OrderedDict({**hidden, "output": nn.Linear(84, num_outputs)})), tuple(hidden))


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 5), nn.ReLU(), nn.MaxPool2d(2))
