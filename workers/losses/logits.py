"""Binary cross-entropy of the sigmoid of a single output, divided as a paper divides it."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from workers.losses.loss import Loss


def logit_loss(name: str, num_classes: int | None, divisor: float) -> Loss:
    """The loss of that name; ValueError unless there are two classes."""
    if num_classes != 2:
        raise ValueError(f"loss {name} is not valid for {num_classes or 'no'} classes: it takes two")
    return Loss(
        1,
        partial(_mean, divisor=divisor),
        _positive,
        slope=partial(_slope, divisor=divisor),
        stacked=partial(_stacked, divisor=divisor),
    )


def _mean(outputs: Tensor, targets: Tensor, divisor: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype)) / divisor


def _positive(outputs: Tensor) -> Tensor:
    return (outputs[:, 0] > 0).long()


def _slope(outputs: Tensor, targets: Tensor, divisor: float) -> Tensor:
    """1 / |1 - y - f| over the divisor, for f the sigmoid of the output, exact also where f is close to 0 or 1."""
    sign = 2 * targets.to(outputs.dtype) - 1
    return (1 + torch.exp(-sign * outputs[..., 0])) / divisor


def _stacked(outputs: Tensor, targets: Tensor, divisor: float) -> tuple[Tensor, Tensor]:
    # Of the ignored outputs, too: a whole number of vectors, so that no network's last ones are computed another way.
    wanted = targets.to(outputs.dtype).unsqueeze(-1).expand_as(outputs)
    losses = functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")[..., 0]
    slope = (torch.sigmoid(outputs) - wanted)[..., :1] / (divisor * targets.shape[1])
    return losses.mean(dim=1) / divisor, functional.pad(slope, (0, outputs.shape[-1] - 1))
