"""Adam (Kingma & Ba, arXiv 1412.6980), with weight decay as an L2 penalty."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field

from workers.optimizers.betas import Betas
from workers.optimizers.parameter_groups import Decay, parameter_groups


def adam(
    parameters: Iterable[torch.nn.Parameter],
    *,
    learning_rate: Annotated[float, Field(gt=0)] = 0.001,
    betas: Betas = (0.9, 0.999),
    epsilon: Annotated[float, Field(gt=0)] = 1e-8,
    weight_decay: Annotated[float, Field(ge=0)] = 0.0,
    decay: Decay = "all",
) -> torch.optim.Optimizer:
    """Adam with coupled weight decay: it is added to the gradient, and so is scaled like the gradient.

    `betas` are the decay rates of the running means of the gradient and of its square. See `adamw` for decoupled
    weight decay; without any, the two are the same.
    """
    groups = parameter_groups(parameters, weight_decay, decay)
    # Fused: one call for all parameters, as in `sgd`; a function of its inputs alone, whatever the number of threads.
    return torch.optim.Adam(groups, lr=learning_rate, betas=betas, eps=epsilon, fused=True)
