"""Problem: what a fit works on."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from measures.inputs import Split
from workers.models.network import Network


@dataclass(frozen=True)
class Problem:
    """A network with its initial weights, the data to fit, and how to fit them."""

    network: Network
    train: Split  # with the labels trained on
    test: Split
    loss: Callable[[Tensor, Tensor], Tensor]  # mean over the examples
    make_optimizer: Callable[[], torch.optim.Optimizer]
    learning_rate_factor: Callable[[int, int], float]  # of (epoch, number of epochs)
    order_seed: int
    dataset_sha256: str
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None  # of the inputs of a training batch
