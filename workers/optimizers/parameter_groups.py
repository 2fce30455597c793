"""Parameter groups: which parameters an optimiser moves, and which of them decay."""

from collections.abc import Iterable
from typing import Any, Literal

import torch

Decay = Literal["all", "matrices"]


def parameter_groups(
    parameters: Iterable[torch.nn.Parameter], weight_decay: float, decay: Decay
) -> list[dict[str, Any]]:
    """The groups of a torch optimiser (whose values are of many types); frozen parameters are left out.

    `decay` says what weight decay is for: every parameter, or only "matrices", the tensors with more than one
    dimension; biases and the scales and shifts of normalisation layers then form a second group without it.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if decay == "all":
        return [{"params": trained, "weight_decay": weight_decay}]
    matrices = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
