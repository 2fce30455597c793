"""The measure `gram_matrices`: how alike a layer represents any two examples, for comparisons of many networks.

A measure sees one network, or one training. What compares networks of different trainings needs of each no more than
the inner products of its representations of the same examples: centred kernel alignment is a function of two such
matrices, and so are the canonical correlations of leading principal components.
"""

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from measures.examples import check_precision, chosen_examples
from measures.inputs import Estimate, Measurement, Snapshot
from measures.representation_similarity import Positions, representations


def gram_matrices(
    snapshot: Snapshot,
    *,
    positions: Positions = "features",
    layers: tuple[str, ...] = (),
    num_examples: Annotated[int, Field(ge=5)] = 300,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Centred Gram matrices of every layer on test examples, as arrays, and their effective number of directions.

    `layer.NAME` is $K = X X^\top$ of the centred representations X (examples, features), float32, in units of its
    trace. Networks that were tested on the same data have the same examples in the same order, so their matrices can be
    compared; `orchestrator.report.group_similarity` does. `layer.NAME` as a number is the participation ratio of K,
    $(\mathrm{tr} K)^2 / \mathrm{tr} K^2$, at most the number of features. `positions` are as in
    `representation_similarity`, but for "examples", of which there are no Gram matrices worth storing. None of `layers`
    named: all of the snapshot's. Costs a forward pass and n^2 features a layer; stores 4 n^2 bytes a layer.

    >>> from torch import eye, nn, zeros
    >>> from measures import Split
    >>> model, data = nn.Sequential(nn.Identity(), nn.Linear(6, 2)), Split(eye(6), zeros(6))
    >>> measurement = gram_matrices(Snapshot(model, ("0",), data, data, nn.functional.cross_entropy))
    >>> round(measurement.values["layer.0"].value, 3), measurement.arrays["layer.0"].shape
    (5.0, (6, 6))
    """
    if positions == "examples":
        raise ValueError("positions='examples' is not valid: 'features' or 'mean', one row an example")
    chosen = layers or snapshot.layers
    if not chosen:
        raise ValueError("the snapshot names no layers; at least one hidden layer is needed")
    check_precision(snapshot.model)
    examples = chosen_examples(snapshot.test, num_examples, seed)
    found = representations(snapshot.model, chosen, examples.inputs, positions)
    grams = {f"layer.{layer}": _gram(x) for layer, x in found.items()}
    squares = {name: float(np.square(gram).sum()) for name, gram in grams.items()}
    values = {name: Estimate(1 / square if square > 0 else math.nan) for name, square in squares.items()}
    dead = [layer for layer in chosen if not squares[f"layer.{layer}"] > 0]
    notes = tuple(f"Layer {layer} {_reason(found[layer])} on these examples; its matrix is 0." for layer in dead)
    return Measurement(values, {name: gram.astype(np.float32) for name, gram in grams.items()}, notes)


def _reason(x: Tensor) -> str:
    return "is constant" if bool(x.isfinite().all()) else "is NaN or infinite"


def _gram(x: Tensor) -> NDArray[np.float64]:
    """Inner products of the centred rows, over their trace; 0 if all rows are equal."""
    rows = x.double()
    rows = rows - rows.mean(dim=0)
    gram = (rows @ rows.mT).cpu().numpy()
    trace = float(gram.trace())
    return gram / trace if 0 < trace < math.inf else np.zeros_like(gram)
