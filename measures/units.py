"""Single units over a set of examples: a feature of a dense layer, or a whole feature map of a convolution."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from measures.class_margins import class_margins
from measures.examples import num_not_finite
from measures.inputs import Split
from measures.tails import Change, Tail

Loss = Callable[[Tensor, Tensor], Tensor]


def unit_activations(tail: Tail, *, positive: bool = False) -> dict[str, Tensor]:
    """Activation of every unit at every example (n, units) in float64: the mean over the positions of a map.

    `positive` takes the positive part first, which changes nothing behind a ReLU.
    """

    def means(rows: Tensor) -> Tensor:
        return (rows.clamp(min=0) if positive else rows).mean(dim=2)

    return {layer: torch.cat(parts) for layer, parts in _over_batches(tail, dict.fromkeys(tail.layers, means)).items()}


def unit_moments(tail: Tail) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and standard deviation (units,) of every unit over examples and positions, in float64."""
    means = {layer: found.mean(dim=0) for layer, found in unit_activations(tail).items()}

    def squares(mean: Tensor) -> Change:
        return lambda rows: (rows - mean[:, None]).square().mean(dim=2)

    found = _over_batches(tail, {layer: squares(mean) for layer, mean in means.items()})
    return {layer: (mean, torch.cat(found[layer]).mean(dim=0).sqrt()) for layer, mean in means.items()}


def clamped(units: Tensor, values: Tensor, axis: int) -> Change:
    """The units that are True set to their values, at every example and position."""

    def change(x: Tensor) -> Tensor:
        return torch.where(along(units.to(x.device), x, axis), along(values.to(x), x, axis), x)

    return change


def along(values: Tensor, x: Tensor, axis: int) -> Tensor:
    """One value per unit, shaped to go with activations whose units lie along the axis."""
    return values.view([-1 if i == axis else 1 for i in range(x.ndim)])


def accuracy_and_loss(outputs: Tensor, data: Split, loss: Loss) -> tuple[float, float]:
    """Share of the examples whose label has the largest output (the first of equal ones), and the mean loss."""
    outputs, targets = outputs.double(), data.targets
    single = outputs.ndim == 1 or outputs.shape[1] == 1
    chosen = (outputs.reshape(len(targets)) > 0).long() if single else outputs.argmax(dim=1)
    return float((chosen == targets).double().mean()), float(loss(outputs, targets))


def check_outputs(outputs: Tensor, data: Split) -> None:
    """ValueError unless the outputs are finite scores of classes that the targets are among."""
    if bad := num_not_finite(outputs.reshape(len(outputs), -1)):
        raise ValueError(f"the outputs hold NaN or infinity for {bad} of {len(outputs)} examples")
    class_margins(outputs, data.targets)


def _over_batches(tail: Tail, of_rows: Mapping[str, Change]) -> dict[str, list[Tensor]]:
    """For each layer and batch what is made of its activations, as (examples, units, positions) in float64."""
    found: dict[str, list[Tensor]] = {layer: [] for layer in tail.layers}

    def recording(layer: str) -> Change:
        def record(x: Tensor) -> Tensor:
            rows = x.detach().movedim(tail.axes[layer], 1).double()
            found[layer].append(of_rows[layer](rows.reshape(*rows.shape[:2], -1)))
            return x

        return record

    tail.outputs({layer: recording(layer) for layer in tail.layers})
    return found
