"""The measure `lipschitz`: how steep the network is on the training set, on held-out examples and far from the data."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from measures.examples import chosen_examples, generator
from measures.inputs import Estimate, Measurement, Snapshot
from measures.lipschitz_bound import lipschitz_bound
from measures.local_lipschitz import LocalLipschitz, local_lipschitz


def lipschitz(
    snapshot: Snapshot,
    *,
    num_examples: Annotated[int, Field(ge=2)] = 1000,
    sigmoid: bool = False,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Local Lipschitz constants at training, held-out and far points, and the product of the layers' norms.

    $\lambda(x) = \|\partial f / \partial x\|_2$: gradient norm of one output, spectral norm of the Jacobian for
    several; mean and largest over `num_examples` points of each kind (Loukas, Poiitis, Jegelka, What training reveals
    about neural network complexity, arXiv 2106.04186, section 2). Far points are noise: every feature is normal with
    the mean and standard deviation it has in the training set, independently of the others. `sigmoid` measures the
    sigmoid of a single output, the paper's function for two classes. `product_bound` is of the network without it, and
    NaN for operations that have no bound. Costs one forward pass and one backward pass for each output on the points,
    and about 100 passes of one example for each convolution.

    >>> from torch import nn, randn, zeros
    >>> from measures import Split
    >>> model, data = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)), Split(randn(50, 3), zeros(50))
    >>> measurement = lipschitz(Snapshot(model, (), data, data, nn.functional.cross_entropy))
    >>> measurement.values["train.largest"].value <= measurement.values["product_bound"].value
    True
    """
    train = chosen_examples(snapshot.train, num_examples, seed).inputs
    points = {
        "train": train,
        "test": chosen_examples(snapshot.test, num_examples, seed, stream=1).inputs,
        "far": far_points(snapshot.train.inputs, num_examples, seed),
    }
    found = {name: local_lipschitz(snapshot.model, x, sigmoid=sigmoid) for name, x in points.items()}
    values = {name: estimate for kind, result in found.items() for name, estimate in _fields(kind, result).items()}
    for kind in ("test", "far"):
        values[f"{kind}.over_train"] = _ratio(found[kind], found["train"])
        values[f"{kind}.distance"] = distance_to(train, points[kind])
    bound, notes = _product_bound(snapshot, train)
    arrays = {kind: result.per_point for kind, result in found.items()}
    return Measurement(values | {"product_bound": bound}, arrays, notes)


def far_points(inputs: Tensor, num_points: int, seed: int) -> Tensor:
    """Noise of the same mean and deviation as the inputs in every feature, and otherwise unlike them."""
    noise = torch.randn(num_points, *inputs.shape[1:], generator=generator(seed, 2), dtype=torch.float64)
    moments = inputs.double().std(dim=0, correction=0), inputs.double().mean(dim=0)
    return (noise.to(inputs.device) * moments[0] + moments[1]).to(inputs.dtype)


def distance_to(inputs: Tensor, points: Tensor) -> Estimate:
    """Mean distance from the points to the nearest of the inputs."""
    # Direct differences: by a matrix product, a point that is one of the inputs would not be at distance 0.
    mode = "donot_use_mm_for_euclid_dist"
    distances = torch.cdist(points.flatten(1).double(), inputs.flatten(1).double(), compute_mode=mode).amin(dim=1)
    return Estimate(float(distances.mean()), float(distances.std()) / math.sqrt(len(distances)))


def _fields(kind: str, result: LocalLipschitz) -> dict[str, Estimate]:
    return {f"{kind}.mean": Estimate(result.value, result.stderr), f"{kind}.largest": Estimate(result.largest)}


def _ratio(above: LocalLipschitz, below: LocalLipschitz) -> Estimate:
    if below.value == 0:
        return Estimate(math.nan)
    value = above.value / below.value
    return Estimate(value, math.hypot(above.stderr, value * below.stderr) / below.value)


def _product_bound(snapshot: Snapshot, inputs: Tensor) -> tuple[Estimate, tuple[str, ...]]:
    try:
        return Estimate(lipschitz_bound(snapshot.model, inputs)), ()
    except ValueError as reason:
        return Estimate(math.nan), (f"There is no product bound: {reason}.",)
