"""Half the binary cross-entropy, as Loukas, Poiitis & Jegelka (arXiv 2106.04186) scale it."""

import torch
from torch import Tensor
from torch.nn import functional

from workers.losses.loss import Loss


def half_binary_cross_entropy(num_classes: int | None) -> Loss:
    """Half the cross-entropy in nats of the sigmoid of a single output; for two classes."""
    if num_classes != 2:
        raise ValueError(f"loss half_binary_cross_entropy is not valid for {num_classes or 'no'} classes: it takes two")
    return Loss(1, _mean, _positive, _slope)


def _mean(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype)) / 2


def _positive(outputs: Tensor) -> Tensor:
    return (outputs[:, 0] > 0).long()


def _slope(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half of 1 / |1 - y - f| for f the sigmoid of the output, in a form that is exact where f is close to 0 or 1."""
    sign = 2 * targets.to(outputs.dtype) - 1
    return (1 + torch.exp(-sign * outputs[:, 0])) / 2
