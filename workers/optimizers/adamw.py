"""AdamW: Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101)."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field

from workers.optimizers.betas import Betas
from workers.optimizers.parameter_groups import Decay, parameter_groups


def adamw(
    parameters: Iterable[torch.nn.Parameter],
    *,
    learning_rate: Annotated[float, Field(gt=0)] = 0.001,
    betas: Betas = (0.9, 0.999),
    epsilon: Annotated[float, Field(gt=0)] = 1e-8,
    weight_decay: Annotated[float, Field(ge=0)] = 0.01,
    decay: Decay = "all",
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay: every step also shrinks the weights by learning rate times weight decay.

    As in torch, weight decay is multiplied by the current learning rate, and so follows the schedule.
    """
    groups = parameter_groups(parameters, weight_decay, decay)
    # Fused: one call for all parameters, as in `sgd`; a function of its inputs alone, whatever the number of threads.
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, eps=epsilon, fused=True)
