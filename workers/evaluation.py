"""Loss and errors of a network on a split, in evaluation mode; clean and corrupted labels apart."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from measures.inputs import Split
from workers.gang import ALONE, Gang
from workers.losses.loss import Loss

# Examples per forward pass: bounds memory. Fixed, because the order of a floating-point sum is part of its value.
CHUNK = 4096


@dataclass(frozen=True)
class Evaluation:
    """Mean loss, and fractions of examples that are classified wrongly; None where there is nothing to count.

    `error` is against the labels the split has, `clean_label_error` against the labels before a corruption. The two
    parts are the examples whose label the corruption changed and did not change, each against the labels it has: a
    network that has memorised its labels makes no error on either.
    """

    loss: float
    error: float | None = None
    clean_label_error: float | None = None
    corrupted_part_error: float | None = None
    clean_part_error: float | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """What there is, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def evaluate(
    model: nn.Module, split: Split, loss: Loss, clean_targets: Tensor | None = None, gang: Gang = ALONE
) -> Evaluation:
    """Evaluation of the model on all of the split; its mode is put back.

    A gang shares the work, and every process has the result; it is the same as that of a single process.
    """
    was_training = model.training
    model.eval()
    num_chunks = math.ceil(len(split) / CHUNK)
    sums = split.targets.new_zeros(num_chunks, dtype=torch.float64)
    predicted = torch.zeros_like(split.targets)
    with torch.no_grad():
        for chunk in range(gang.rank, num_chunks, gang.size):
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            outputs = model(split.inputs[rows])
            sums[chunk] = loss.mean(outputs, split.targets[rows]).double() * len(outputs)
            if loss.predict is not None:
                predicted[rows] = loss.predict(outputs)
    model.train(was_training)
    mean = sum(gang.total(sums).tolist()) / len(split)
    if loss.predict is None:
        return Evaluation(loss=mean)
    return Evaluation(loss=mean, **_errors(gang.total(predicted), split.targets, clean_targets))


def _errors(predicted: Tensor, targets: Tensor, clean_targets: Tensor | None) -> dict[str, float | None]:
    wrong = predicted != targets
    if clean_targets is None:
        return {"error": _fraction(wrong)}
    changed = targets != clean_targets
    return {
        "error": _fraction(wrong),
        "clean_label_error": _fraction(predicted != clean_targets),
        "corrupted_part_error": _fraction(wrong[changed]),
        "clean_part_error": _fraction(wrong[~changed]),
    }


def _fraction(wrong: Tensor) -> float | None:
    return int(wrong.sum()) / len(wrong) if len(wrong) else None
