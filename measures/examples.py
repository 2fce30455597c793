"""The examples that a measure looks at, and the checks that come before its first forward pass."""

import numpy as np
import torch
from torch import Tensor, nn

from measures.inputs import Split


def chosen_examples(split: Split, num_examples: int, seed: int, *, stream: int = 0) -> Split:
    """Up to `num_examples` examples drawn without replacement; a larger draw begins with a smaller one of that seed."""
    if len(split) == 0:
        raise ValueError("the split holds no examples; at least one is needed")
    order = torch.randperm(len(split), generator=generator(seed, stream))[:num_examples].to(split.inputs.device)
    return Split(split.inputs[order], split.targets[order])


def generator(seed: int, stream: int) -> torch.Generator:
    """Draws on the CPU, so that every device sees the same numbers; streams of one seed are independent."""
    state = np.random.SeedSequence((seed, stream)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def check_inputs(inputs: Tensor) -> None:
    """ValueError unless the inputs are finite numbers that have a derivative."""
    if inputs.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"inputs are {inputs.dtype}; derivatives in the input need float32 or float64")
    if inputs.ndim < 2 or len(inputs) == 0:
        raise ValueError(f"inputs of shape {tuple(inputs.shape)} are not valid: examples in rows, at least one")
    if bad := num_not_finite(inputs):
        raise ValueError(f"{bad} of {len(inputs)} inputs hold NaN or infinity")


def check_precision(model: nn.Module) -> None:
    """ValueError unless the floating-point parameters are float32 or float64, and finite."""
    for name, parameter in model.named_parameters():
        if parameter.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"parameter {name!r} is {parameter.dtype}; this measure needs float32 or float64")
        if not torch.isfinite(parameter).all():
            raise ValueError(f"parameter {name!r} holds NaN or infinity")


def num_not_finite(rows: Tensor) -> int:
    """Number of rows that hold NaN or infinity."""
    return int((~torch.isfinite(rows.flatten(start_dim=1))).any(dim=1).sum())
