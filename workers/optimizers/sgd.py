"""Stochastic gradient descent with momentum."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field

from workers.optimizers.parameter_groups import Decay, parameter_groups


def sgd(
    parameters: Iterable[torch.nn.Parameter],
    *,
    learning_rate: Annotated[float, Field(gt=0)] = 0.1,
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    nesterov: bool = False,
    weight_decay: Annotated[float, Field(ge=0)] = 0.0,
    decay: Decay = "all",
) -> torch.optim.Optimizer:
    """SGD with heavy-ball or Nesterov momentum; weight decay on every parameter or on matrices only.

    Nesterov's is in the form of Sutskever et al. (ICML 2013) as torch has it, and needs a positive momentum.
    """
    if nesterov and momentum == 0:
        raise ValueError(f"optimizer sgd: nesterov=True is not valid with momentum={momentum}: it needs a positive one")
    groups = parameter_groups(parameters, weight_decay, decay)
    # The fused kernel updates all parameters in one call: a small network is otherwise bound by call overhead.
    return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, nesterov=nesterov, fused=True)
