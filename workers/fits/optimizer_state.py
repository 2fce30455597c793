"""An optimiser's state as flat tensors and numbers, and back: what a checkpoint can hold without pickle."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, and numbers that are none, by `PARAMETER.SLOT`."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, slots in optimizer.state_dict()["state"].items():
        for name, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            elif value is not None:
                numbers[f"{index}.{name}"] = value
    return tensors, numbers


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]
) -> None:
    """Put back what `optimizer_state` gave of an optimiser of the same parameters and settings; what it gave stays."""
    slots: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **numbers}.items():
        index, slot = name.split(".", 1)
        # Copied: torch would keep the tensor itself, and its next step change the state it was resumed from.
        slots.setdefault(int(index), {})[slot] = value.clone() if isinstance(value, Tensor) else value
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
