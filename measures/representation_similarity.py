"""The measure `representation_similarity`: how alike the layers of two networks represent the same examples.

Of a run it compares each checkpoint with the final network, which shows which layers settle first.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from measures.activations import layer_activations
from measures.cca import CanonicalCorrelation, mean_cca, pwcca, r2_cca, svcca
from measures.cka import KernelAlignment, linear_cka, rbf_cka
from measures.examples import check_precision, chosen_examples
from measures.inputs import Estimate, Measurement, SnapshotPair
from measures.procrustes import ProcrustesDistance, procrustes_distance
from measures.representations import flattened, positions_as_examples, spatial_average
from measures.tails import unit_axis

Similarity = CanonicalCorrelation | KernelAlignment | ProcrustesDistance
Method = Literal["linear_cka", "debiased_cka", "rbf_cka", "mean_cca", "r2_cca", "svcca", "pwcca", "procrustes_distance"]
METHODS: Mapping[str, Callable[[Tensor, Tensor], Similarity]] = {
    "linear_cka": linear_cka,
    "debiased_cka": partial(linear_cka, debiased=True),
    "rbf_cka": rbf_cka,
    "mean_cca": mean_cca,
    "r2_cca": r2_cca,
    "svcca": svcca,
    "pwcca": pwcca,
    "procrustes_distance": procrustes_distance,
}
Positions = Literal["features", "mean", "examples"]
POSITIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "features": flattened,
    "mean": spatial_average,
    "examples": positions_as_examples,
}


def representation_similarity(
    pair: SnapshotPair,
    *,
    method: Method = "debiased_cka",
    positions: Positions = "features",
    layers: tuple[str, ...] = (),
    across: bool = False,
    num_examples: Annotated[int, Field(ge=5)] = 1000,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    """Similarity of each layer of two networks on the same test examples; of a checkpoint, to its final network.

    By debiased linear CKA, whose expectation for unrelated representations is 0; the other methods are those functions
    of `measures` with their defaults. `layer.NAME.null` is the expectation for unrelated data where a method has one.
    Of convolutional layers `positions` are features of their own, as usual with CKA; or the mean is taken over them; or
    each is one more example, as SVCCA does. Which layers become like their final self first is figure 3 of Raghu,
    Gilmer, Yosinski, Sohl-Dickstein, arXiv 1706.05806. None of `layers` named: all of the snapshot's. With `across`
    the array `across` holds every layer of the first network (rows) against every one of the second, NaN where the
    method cannot compare the two, and `depth` counts them from 1. Costs a forward pass of `num_examples` examples
    through both networks, and the method on every layer, or every pair of layers.

    >>> from torch import nn, randn, zeros
    >>> from measures import Snapshot, Split
    >>> model, data = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)), Split(randn(50, 3), zeros(50))
    >>> snapshot = Snapshot(model, ("1",), data, data, nn.functional.cross_entropy)
    >>> round(representation_similarity(SnapshotPair(snapshot, snapshot)).values["layer.1"].value, 10)
    1.0
    """
    chosen = layers or pair.first.layers
    if not chosen:
        raise ValueError("the snapshot names no layers; at least one hidden layer is needed")
    examples = chosen_examples(pair.first.test, num_examples, seed)
    first, second = (
        representations(snapshot.model, chosen, examples.inputs, positions) for snapshot in (pair.first, pair.second)
    )
    values: dict[str, Estimate] = {}
    notes: list[str] = []
    for layer in chosen:
        try:
            found = METHODS[method](first[layer], second[layer])
        except ValueError as reason:
            values |= {f"layer.{layer}": Estimate(math.nan), f"layer.{layer}.null": Estimate(math.nan)}
            notes.append(f"Layer {layer} has no similarity: {reason}.")
            continue
        values |= _fields(f"layer.{layer}", found)
        if isinstance(found, CanonicalCorrelation):
            notes += [f"Layer {layer}: {note}" for note in found.notes]
    arrays = {"across": _across(first, second, METHODS[method]), "depth": np.arange(len(chosen)) + 1} if across else {}
    if positions == "examples":
        notes.append("Positions of one image are not independent: standard errors are too small.")
    return Measurement(values, arrays, tuple(notes))


def _across(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], compare: Callable[[Tensor, Tensor], Similarity]
) -> NDArray[np.float64]:
    """Similarity of every layer of the one network (rows) to every layer of the other."""

    def value(x: Tensor, y: Tensor) -> float:
        try:
            return compare(x, y).value
        except ValueError:  # the same layer in both, whose reason the measurement notes; or examples that do not match
            return math.nan

    return np.array([[value(x, y) for y in second.values()] for x in first.values()])


def representations(
    model: nn.Module, layers: tuple[str, ...], inputs: Tensor, positions: Positions
) -> dict[str, Tensor]:
    """What each layer puts out as (examples, features); `positions` matters where units have more than one number."""
    check_precision(model)
    outputs, modules = layer_activations(model, inputs, layers, flat=False), dict(model.named_modules())
    return {
        layer: POSITIONS[positions](_as_images(x, unit_axis(modules[layer], x.ndim))) if x.ndim > 2 else x
        for layer, x in outputs.items()
    }


def _as_images(x: Tensor, axis: int) -> Tensor:
    """Units along axis 1 and all positions along the last, as images of one row."""
    return x.movedim(axis, 1).flatten(start_dim=2)[:, :, None]


def _fields(name: str, found: Similarity) -> dict[str, Estimate]:
    null_stderr = found.null_stderr if isinstance(found, ProcrustesDistance) else None
    return {name: Estimate(found.value, found.stderr), f"{name}.null": Estimate(found.null, null_stderr)}
