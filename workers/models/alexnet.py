"""The small AlexNet of Zhang et al., "Understanding deep learning requires rethinking generalization", ICLR 2017.

arXiv 1611.03530, appendix A. Its Table 1 gives 1,387,786 parameters, exactly those of the TensorFlow CIFAR-10 tutorial
network, so padding and constants of the normalisation are taken from there; both convolutions are pooled before they
are normalised, where the second of the tutorial is pooled after. The form "seed" is the different network of a public
reimplementation (david-inf/deep-learning-generalization), with 1,375,690.
"""

import math
from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.models.network import Network

HIDDEN = (384, 192)
GRID = 3  # side of the map that the seed form averages down to
SMALLEST_SEED_SIDE = 13  # a smaller image has no pixel left after the two unpadded poolings


def alexnet(
    input_shape: tuple[int, ...] = (3, 28, 28), num_outputs: int = 10, *, form: Literal["paper", "seed"] = "paper"
) -> Network:
    """Small AlexNet for images: two convolutions with local response normalisation and two hidden layers.

    `form` is "paper" (Zhang et al., appendix A; 64 channels in both convolutions) or "seed" (64 and 256 channels, less
    padding, averaged to 3 x 3), which takes images of at least 13 x 13. Both take images (channels, h, w).
    """
    if len(input_shape) != 3:
        raise ValueError(f"input shape {input_shape} is not valid: alexnet takes images (channels, h, w)")
    channels, height, width = input_shape
    features, num_features = (_paper if form == "paper" else _seed)(channels, height, width)
    hidden = {
        "hidden1": nn.Sequential(nn.Linear(num_features, HIDDEN[0]), nn.ReLU()),
        "hidden2": nn.Sequential(nn.Linear(HIDDEN[0], HIDDEN[1]), nn.ReLU()),
    }
    modules = {**features, **hidden, "output": nn.Linear(HIDDEN[1], num_outputs)}
    return Network(nn.Sequential(OrderedDict(modules)), ("conv1", "conv2", *hidden))


def _paper(channels: int, height: int, width: int) -> tuple[dict[str, nn.Module], int]:
    """Convolutions and poolings that pad, so that only the stride of 2 shrinks the image; and the features left."""
    halved = (math.ceil(height / 2), math.ceil(width / 2))
    quartered = (math.ceil(halved[0] / 2), math.ceil(halved[1] / 2))
    features: dict[str, nn.Module] = {
        "conv1": nn.Sequential(nn.Conv2d(channels, 64, 5, padding=2), nn.ReLU(), _pool(height, width), _paper_norm()),
        "conv2": nn.Sequential(nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), _pool(*halved), _paper_norm()),
        "flatten": nn.Flatten(),
    }
    return features, 64 * math.prod(quartered)


def _pool(height: int, width: int) -> nn.MaxPool2d:
    """TensorFlow's "SAME" pooling: an even side is padded at its end only, an odd one at both ends."""
    return nn.MaxPool2d(3, 2, padding=(height % 2, width % 2), ceil_mode=True)


def _paper_norm() -> nn.Module:
    # TensorFlow multiplies the sum over 9 channels by 0.001 / 9; torch divides by the 9 itself.
    return _LocalResponseNorm(size=9, alpha=1e-3, k=1.0)


def _seed(channels: int, height: int, width: int) -> tuple[dict[str, nn.Module], int]:
    """Convolutions that lose the border pixels, unpadded poolings, an average to 3 x 3; and the features left."""
    if min(height, width) < SMALLEST_SEED_SIDE:
        raise ValueError(
            f"input shape {(channels, height, width)} is not valid: alexnet of form 'seed' takes images of at least "
            f"{SMALLEST_SEED_SIDE} x {SMALLEST_SEED_SIDE}"
        )
    features: dict[str, nn.Module] = {}
    for name, channels_in, channels_out in [("conv1", channels, 64), ("conv2", 64, 256)]:
        conv, norm = nn.Conv2d(channels_in, channels_out, 5, padding=1), _LocalResponseNorm(size=5, alpha=1e-4, k=2.0)
        features[name] = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(3, 2), norm)
        height, width = (height - 5) // 2 + 1, (width - 5) // 2 + 1
    return {**features, "average": _AverageToGrid(height, width), "flatten": nn.Flatten()}, 256 * GRID**2


class _LocalResponseNorm(nn.Module):
    """x / (k + alpha × the mean of x² over `size` neighbouring channels)^0.75."""

    def __init__(self, *, size: int, alpha: float, k: float) -> None:
        super().__init__()
        self.size, self.alpha, self.k = size, alpha, k

    def forward(self, x: Tensor) -> Tensor:
        # Of (n, c, h, w) torch averages with avg_pool3d, which has no deterministic gradient on a GPU; of (n, c, hw)
        # with avg_pool2d, which has.
        pixels = functional.local_response_norm(x.flatten(2), self.size, alpha=self.alpha, beta=0.75, k=self.k)
        return pixels.view_as(x)


class _AverageToGrid(nn.Module):
    """Adaptive average pooling to 3 x 3, by two matrices: torch's own has no deterministic gradient on a GPU."""

    rows: Tensor
    columns: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", _windows(height), persistent=False)
        self.register_buffer("columns", _windows(width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.rows @ x @ self.columns.T


def _windows(side: int) -> Tensor:
    """(3, side): row i averages the pixels from i/3 of the side, rounded down, to (i+1)/3 of it, rounded up."""
    weights = torch.zeros(GRID, side)
    for i in range(GRID):
        window = slice(i * side // GRID, math.ceil((i + 1) * side / GRID))
        weights[i, window] = 1 / (window.stop - window.start)
    return weights
