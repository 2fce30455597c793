"""A network with its parameters moved, on data, without touching its own parameters, buffers or mode."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from measures.class_margins import class_margins
from measures.examples import check_precision
from measures.operators import evaluating

Loss = Callable[[Tensor, Tensor], Tensor]
Batch = tuple[Tensor, Tensor]


def checked_batches(model: nn.Module, data: Iterable[Batch]) -> list[Batch]:
    """The batches that hold examples; ValueError for a network in half precision, and where there are none."""
    check_precision(model)
    batches = [(inputs, targets) for inputs, targets in data if len(targets) > 0]
    if not batches:
        raise ValueError("the data hold no examples: a mean loss needs at least one")
    return batches


def check_directions(model: nn.Module, directions: Tensor) -> None:
    """ValueError unless the directions are finite columns over the parameters that require a gradient."""
    size = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if directions.ndim != 2 or len(directions) != size or directions.shape[1] == 0:
        raise ValueError(f"directions of shape {tuple(directions.shape)} are not valid: ({size}, k), in columns")
    if not torch.isfinite(directions).all():
        raise ValueError("the directions hold NaN or infinity")


def outputs_at(model: nn.Module, displacement: Tensor | None, batches: Sequence[Batch]) -> list[Tensor]:
    """The outputs for every batch, in evaluation mode, with a vector (p,) added to the parameters, or as they are.

    p counts the entries of the parameters that require a gradient, in the order of `model.parameters()`, as in
    `hessian_operator`. Costs a forward pass.
    """
    weights = {} if displacement is None else _moved(model, displacement)
    weights |= {name: buffer.clone() for name, buffer in model.named_buffers()}
    with evaluating(model), torch.no_grad():
        return [torch.func.functional_call(model, weights, (inputs,)) for inputs, _ in batches]


def _moved(model: nn.Module, displacement: Tensor) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    start = 0
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            piece = displacement[start : start + parameter.numel()].reshape(parameter.shape)
            weights[name] = parameter.detach() + piece.to(parameter)
            start += parameter.numel()
    return weights


def predicted_labels(outputs: Sequence[Tensor]) -> Tensor:
    """The predicted class of every example; an answer that is not a number is that of no class, -1."""
    rows = torch.cat([each.flatten(start_dim=1) if each.ndim > 1 else each[:, None] for each in outputs])
    labels = rows.argmax(dim=1) if rows.shape[1] > 1 else (rows[:, 0] > 0).long()
    return torch.where(rows.isnan().any(dim=1), -1, labels)


def mean_loss(loss: Loss, outputs: Sequence[Tensor], batches: Sequence[Batch]) -> float:
    """The mean loss over all examples; batches count by their size."""
    total = sum(float(loss(each, targets)) * len(targets) for each, (_, targets) in zip(outputs, batches, strict=True))
    return total / sum(len(targets) for _, targets in batches)


def mean_error(outputs: Sequence[Tensor], batches: Sequence[Batch]) -> float:
    """The share of the examples whose label does not win; an output that is not a number is an error."""
    pairs = zip(outputs, batches, strict=True)
    right = sum(int((class_margins(each, targets) > 0).sum()) for each, (_, targets) in pairs)
    return 1 - right / sum(len(targets) for _, targets in batches)


def has_classes(batches: Sequence[Batch]) -> bool:
    """Whether the targets are one class an example."""
    return all(targets.ndim == 1 and not targets.is_floating_point() for _, targets in batches)
