"""Cross-entropy, with label smoothing if asked for (Szegedy et al., arXiv 1512.00567, section 7)."""

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from workers.losses.loss import Loss


def cross_entropy(num_classes: int | None, *, label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> Loss:
    """Cross-entropy in nats of the softmax of one output per class."""
    if num_classes is None:
        raise ValueError("loss cross_entropy is not valid for a data set without classes: use half_mean_squared_error")
    return Loss(
        num_classes,
        partial(functional.cross_entropy, label_smoothing=label_smoothing),
        _most_likely,
        stacked=partial(_stacked, num_classes=num_classes, label_smoothing=label_smoothing),
    )


def _most_likely(outputs: Tensor) -> Tensor:
    return outputs.argmax(dim=1)


def _stacked(outputs: Tensor, targets: Tensor, num_classes: int, label_smoothing: float) -> tuple[Tensor, Tensor]:
    likelihoods = torch.log_softmax(outputs[..., :num_classes], dim=-1)
    # The derivative with respect to these, with which the mean loss is their scalar product, too.
    elsewhere, examples = -label_smoothing / num_classes, targets.shape[1]
    weights = torch.full_like(likelihoods, elsewhere / examples)
    weights.scatter_(-1, targets.unsqueeze(-1), (elsewhere - 1 + label_smoothing) / examples)
    slope = torch.ops.aten._log_softmax_backward_data(weights, likelihoods, -1, likelihoods.dtype)
    return (weights * likelihoods).flatten(1).sum(dim=1), functional.pad(slope, (0, outputs.shape[-1] - num_classes))
