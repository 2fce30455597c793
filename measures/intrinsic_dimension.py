"""The measure `intrinsic_dimension`: dimension of every hidden representation, its peak and last value.

The default is TwoNN, as published; the other estimators tell how much of a result hangs on that choice.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from measures.activations import layer_activations
from measures.correlation_dimension import correlation_dimension
from measures.dimension_estimates import Estimated
from measures.gride import ScaleCurve, gride
from measures.inputs import Estimate, Measurement, Snapshot
from measures.levina_bickel import levina_bickel
from measures.participation_ratio import participation_ratio
from measures.pca_dimension import local_pca_dimension, pca_dimension
from measures.points import NOTABLE_DROP, half_precision
from measures.twonn import IntrinsicDimension, twonn

Method = Literal[
    "fit",
    "mle",
    "gride",
    "levina_bickel",
    "correlation_dimension",
    "local_pca_dimension",
    "pca_dimension",
    "participation_ratio",
]
OTHERS: Mapping[str, Callable[[Tensor], Estimated]] = {
    "gride": gride,
    "levina_bickel": levina_bickel,
    "correlation_dimension": correlation_dimension,
    "local_pca_dimension": local_pca_dimension,
    "pca_dimension": pca_dimension,
    "participation_ratio": participation_ratio,
}

NAN = Estimate(math.nan)


def intrinsic_dimension(
    snapshot: Snapshot,
    *,
    num_examples: Annotated[int, Field(ge=3)] = 5000,
    method: Method = "fit",
    discard_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1,
) -> Measurement:
    """Intrinsic dimension (TwoNN) of the hidden representations of test examples: per layer, peak and last layer.

    `last_layer` is the dimension of the last hidden representation (LLID), `peak` the largest over the layers (PID);
    methods "fit" and "mle" are those of `twonn`, "fit" with its `discard_fraction`; the others run with their own
    defaults. Brown, Juravsky, Caterini, Loaiza-Ganem, arXiv 2211.13239; Ansuini, Laio, Macke, Zoccolan, NeurIPS 2019.
    The peak is a maximum of noisy numbers, so biased upwards by a part of its standard error. Costs one forward pass of
    the first `num_examples` test inputs and 2 n^2 d operations a layer.

    >>> from torch import nn, randn, zeros
    >>> from measures import Split
    >>> model, data = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)), Split(randn(50, 3), zeros(50))
    >>> measurement = intrinsic_dimension(Snapshot(model, ("1",), data, data, nn.functional.cross_entropy))
    >>> measurement.values["layer.1.num_points"].value
    50.0
    """
    if not snapshot.layers:
        raise ValueError("the snapshot names no layers; at least one hidden layer is needed")
    estimate = _estimator(method, discard_fraction)
    outputs = layer_activations(snapshot.model, snapshot.test.inputs[:num_examples], snapshot.layers)
    # Each layer's outputs are let go before the next is looked at: they are most of the memory.
    results = {layer: _try(estimate, outputs.pop(layer)) for layer in snapshot.layers}
    values = _summary([_dimension(results[layer]) for layer in snapshot.layers])
    notes: list[str] = []
    for layer, result in results.items():
        values |= _layer_fields(f"layer.{layer}", result, method)
        notes += _layer_notes(layer, result)
    return Measurement(values, notes=tuple(notes))


def _estimator(method: Method, discard_fraction: float) -> Callable[[Tensor], Estimated]:
    if method == "fit" or method == "mle":
        return partial(twonn, method=method, discard_fraction=discard_fraction)
    return OTHERS[method]


def _try(estimate: Callable[[Tensor], Estimated], activations: Tensor) -> Estimated | ValueError:
    """The estimate, or why there is none: narrow layers with dead units map most examples to one point."""
    try:
        return estimate(activations)
    except ValueError as reason:
        return reason


def _dimension(result: Estimated | ValueError) -> Estimate:
    return NAN if isinstance(result, ValueError) else Estimate(result.value, result.stderr)


def _summary(dimensions: list[Estimate]) -> dict[str, Estimate]:
    last, values = dimensions[-1], np.array([dimension.value for dimension in dimensions])
    if np.isnan(values).all():
        return {"last_layer": NAN, "peak": NAN, "peak_over_last": NAN, "peak_layer_index": NAN}
    index = int(np.nanargmax(values))
    peak = dimensions[index]
    return {
        "last_layer": last,
        "peak": peak,
        "peak_over_last": Estimate(1.0, 0.0) if peak is last else _ratio(peak, last),
        "peak_layer_index": Estimate(float(index)),
    }


def _ratio(above: Estimate, below: Estimate) -> Estimate:
    """A quotient; its error takes the two as independent (they share the examples, not the neighbours)."""
    if math.isnan(below.value) or above.stderr is None or below.stderr is None:
        return NAN
    value = above.value / below.value
    return Estimate(value, value * math.hypot(above.stderr / above.value, below.stderr / below.value))


def _layer_fields(name: str, result: Estimated | ValueError, method: Method) -> dict[str, Estimate]:
    if isinstance(result, ValueError):
        fields = ("r_squared", "num_points", "num_duplicates") if method in ("fit", "mle") else ("num_points",)
        return {name: NAN} | {f"{name}.{field}": NAN for field in fields}
    fields = {name: _dimension(result)}
    if isinstance(result, IntrinsicDimension):
        fields[f"{name}.r_squared"] = Estimate(result.r_squared)
    fields[f"{name}.num_points"] = Estimate(float(result.num_points))
    if isinstance(result, IntrinsicDimension):
        fields[f"{name}.num_duplicates"] = Estimate(float(result.num_duplicates))
    if isinstance(result, ScaleCurve):
        for scale in result.scales:
            fields[f"{name}.rank_{scale.rank}"] = Estimate(scale.value, scale.stderr)
    return fields


def _layer_notes(layer: str, result: Estimated | ValueError) -> list[str]:
    if isinstance(result, ValueError):
        return [f"Layer {layer} has no intrinsic dimension: {result}."]
    if isinstance(result, ScaleCurve):
        return [f"Layer {layer}: {text.removesuffix('.')}." for text in (result.verdict, *result.notes)]
    if not isinstance(result, IntrinsicDimension):
        return [f"Layer {layer}: {note}" for note in result.notes]
    notes = [f"Layer {layer}: {note}" for note in half_precision(result.dtype)]
    total = result.num_points + result.num_duplicates
    if result.num_duplicates > NOTABLE_DROP * total:
        notes.append(f"Layer {layer}: {result.num_duplicates} of {total} points were dropped as duplicates of another.")
    return notes
