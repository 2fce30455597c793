"""Stochastic gradient descent with momentum."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field


def sgd(
    parameters: Iterable[torch.nn.Parameter],
    *,
    learning_rate: Annotated[float, Field(gt=0)] = 0.1,
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    weight_decay: Annotated[float, Field(ge=0)] = 0.0,
) -> torch.optim.Optimizer:
    """SGD with heavy-ball momentum; weight decay, if any, on every parameter."""
    # The fused kernel updates all parameters in one call: a small network is otherwise bound by call overhead.
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum, weight_decay=weight_decay, fused=True)
