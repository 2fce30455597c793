"""Which ReLU units are active at an example, and so in which linear region of the network it lies."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode  # the documented way to see every operator; named privately

from measures.examples import check_inputs, check_precision
from measures.operators import evaluating

BATCH_SIZE = 1000


def activation_patterns(model: nn.Module, x: Tensor) -> list[Tensor]:
    """For each ReLU of a forward pass, in order, whether its units are active: (n, units) booleans on the CPU.

    In evaluation mode. Modules, functions and methods are seen alike. ValueError if the network uses no ReLU.

    >>> activation_patterns(nn.ReLU(), torch.tensor([[1.0, -1.0]]))
    [tensor([[ True, False]])]
    """
    check_precision(model)
    check_inputs(x)
    batches: list[list[Tensor]] = []
    with evaluating(model), torch.no_grad():
        for inputs in x.split(BATCH_SIZE):
            with _Recorder() as recorder:
                model(inputs)
            batches.append(recorder.patterns)
    if not batches[0]:
        raise ValueError(f"{type(model).__name__} uses no ReLU: its regions are not known from activation patterns")
    return [torch.cat(parts) for parts in zip(*batches, strict=True)]


def region_numbers(patterns: Sequence[Tensor]) -> NDArray[np.int64]:
    """Number of each example's region, from 0 in order of appearance: examples of one pattern share it."""
    bits = np.packbits(torch.cat(list(patterns), dim=1).numpy(), axis=1)
    numbers: dict[bytes, int] = {}
    keys = (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in bits)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


class _Recorder(TorchDispatchMode):
    """Notes the signs of what enters every ReLU while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.patterns: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # torch's signature
        if func in (torch.ops.aten.relu.default, torch.ops.aten.relu_.default):
            self.patterns.append((args[0] > 0).flatten(start_dim=1).cpu())
        return func(*args, **(kwargs or {}))
