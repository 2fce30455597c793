"""The measure `selectivity`: what single units know of the class, and what the network loses without them."""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from measures.examples import check_precision, chosen_examples, generator
from measures.inputs import Estimate, Measurement, Snapshot, Split
from measures.single_units import class_information, class_selectivity
from measures.tails import Tail
from measures.units import accuracy_and_loss, check_outputs, clamped, unit_activations

Floats = NDArray[np.float64]
Loss = Callable[[Tensor, Tensor], Tensor]


def selectivity(
    snapshot: Snapshot,
    *,
    layers: tuple[str, ...] = (),
    split: Literal["train", "test"] = "train",
    num_examples: Annotated[int, Field(ge=2)] = 1000,
    num_bins: Annotated[int, Field(ge=2)] = 100,
    num_ablated: Annotated[int, Field(ge=0)] = 50,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Class selectivity, information on the class and importance of every single hidden unit; means per layer.

    Selectivity is $(\mu_{max} - \mu_{-max}) / (\mu_{max} + \mu_{-max})$ of a unit's mean activations per class, the
    largest and the mean of the others, after ReLU and averaged over the positions of a map; `information` the mutual
    information in bits of class and activation in `num_bins` equal bins, less its bias; `importance` the rise of the
    loss when the unit alone is clamped to 0, of up to `num_ablated` units a layer, drawn at random (Morcos, Barrett,
    Rabinowitz, Botvinick, arXiv 1803.06959, section 2.3 and appendix). `rank_correlation` is Spearman's, of selectivity
    and importance. Standard errors are over units. Costs five forward passes a layer, and for each ablated unit one
    through what follows the layer.

    >>> from torch import nn
    >>> from measures import Split
    >>> model, x = nn.Sequential(nn.Identity(), nn.Linear(2, 2)), torch.tensor([[3.0, 2.0], [1.0, 2.0]]).repeat(20, 1)
    >>> data = Split(x, torch.tensor([0, 1] * 20))
    >>> selectivity(Snapshot(model, ("0",), data, data, nn.functional.cross_entropy)).arrays["layer.0.selectivity"]
    array([0.5, 0. ])
    """
    check_precision(snapshot.model)
    chosen = layers or snapshot.layers
    if not chosen:
        raise ValueError("the snapshot names no layers; at least one hidden layer is needed")
    examples = chosen_examples(snapshot.train if split == "train" else snapshot.test, num_examples, seed)
    values: dict[str, Estimate] = {}
    arrays: dict[str, NDArray[np.generic]] = {}
    notes: list[str] = []
    for layer in chosen:
        tail = Tail(snapshot.model, examples.inputs, [layer])
        found, layer_notes = _of_layer(
            tail, examples, snapshot.loss, num_bins=num_bins, num_ablated=num_ablated, seed=seed
        )
        summary = _summary(found)
        values |= {f"layer.{layer}.{name}": estimate for name, estimate in summary.items()}
        arrays |= {f"layer.{layer}.{name}": array for name, array in found.items()}
        if math.isnan(summary["rank_correlation"].value):
            layer_notes.append("fewer than five units differ in selectivity and importance; they have no correlation.")
        notes += [f"Layer {layer}: {note}" for note in layer_notes]
    return Measurement(values, arrays, tuple(notes))


def importance(tail: Tail, data: Split, loss: Loss, *, num_ablated: int, seed: int = 0) -> Floats:
    """Rise of the mean loss when one unit of the tail's only layer is clamped to 0; NaN for those not drawn."""
    (layer,) = tail.layers
    start = accuracy_and_loss(tail.outputs({}), data, loss)[1]
    size, axis = tail.num_units[layer], tail.axes[layer]
    found = np.full(size, math.nan)
    for unit in torch.randperm(size, generator=generator(seed, 1))[:num_ablated].tolist():
        change = clamped(torch.arange(size) == unit, torch.zeros(size), axis)
        found[unit] = accuracy_and_loss(tail.outputs({layer: change}), data, loss)[1] - start
    return found


def _of_layer(
    tail: Tail, examples: Split, loss: Loss, *, num_bins: int, num_ablated: int, seed: int
) -> tuple[dict[str, Floats], list[str]]:
    check_outputs(tail.outputs({}), examples)
    (activations,) = unit_activations(tail).values()
    (positive,) = unit_activations(tail, positive=True).values()
    found = {
        "selectivity": class_selectivity(positive, examples.targets),
        "information": class_information(activations, examples.targets, num_bins=num_bins),
        "importance": importance(tail, examples, loss, num_ablated=num_ablated, seed=seed),
    }
    notes: list[str] = []
    if not torch.equal(activations, positive):
        notes.append("some activations are negative; the selectivity is that of their positive parts.")
    if num_dead := int(np.isnan(found["selectivity"]).sum()):
        notes.append(f"{num_dead} of {len(found['selectivity'])} units are never active; they have no selectivity.")
    return found, notes


def _summary(found: dict[str, Floats]) -> dict[str, Estimate]:
    values = {name: _mean(array[~np.isnan(array)]) for name, array in found.items()}
    values["rank_correlation"] = _rank_correlation(found["selectivity"], found["importance"])
    values["num_dead"] = Estimate(float(np.isnan(found["selectivity"]).sum()))
    return values


def _mean(array: Floats) -> Estimate:
    if len(array) < 2:
        return Estimate(float(array[0]) if len(array) else math.nan)
    return Estimate(float(array.mean()), float(array.std(ddof=1)) / math.sqrt(len(array)))


def _rank_correlation(first: Floats, second: Floats) -> Estimate:
    """Spearman's, with the standard error of Bonett & Wright (2000); NaN for fewer than five units, or all equal."""
    both = ~np.isnan(first) & ~np.isnan(second)
    first, second = first[both], second[both]
    if len(first) < 5 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Estimate(math.nan)
    from scipy import stats  # here: it takes half a second to import

    value = float(np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1])
    return Estimate(value, math.sqrt((1 + value**2 / 2) / (len(first) - 3)))
