"""Loss and error of a network on a split, in evaluation mode."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from measures.inputs import Split

# Examples per forward pass: bounds memory. Fixed, because the order of a floating-point sum is part of its value.
CHUNK = 4096


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and fraction of examples whose label is not the arg max of the outputs."""

    loss: float
    error: float


def evaluate(model: nn.Module, split: Split, loss: Callable[[Tensor, Tensor], Tensor]) -> Evaluation:
    """Evaluation of the model on all of the split; its mode is put back."""
    was_training = model.training
    model.eval()
    total, wrong = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(split), CHUNK):
            targets = split.targets[start : start + CHUNK]
            outputs = model(split.inputs[start : start + CHUNK])
            total += loss(outputs, targets).item() * len(targets)
            wrong += int((outputs.argmax(dim=1) != targets).sum())
    model.train(was_training)
    return Evaluation(loss=total / len(split), error=wrong / len(split))
