"""The measure `margins`: how far training examples are from being misclassified, in three units."""

import math
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from measures.class_margins import class_margins
from measures.examples import check_inputs, check_precision, chosen_examples, num_not_finite
from measures.inputs import Estimate, Measurement, Snapshot, Split
from measures.lipschitz_bound import lipschitz_bound
from measures.operators import evaluating

Floats = NDArray[np.float64]

LEVELS = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
BATCH_SIZE = 250


def margins(
    snapshot: Snapshot,
    *,
    num_examples: Annotated[int, Field(ge=2)] = 1000,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Distribution of the training margins: as outputs, over the spectral norms, and as a distance in the input.

    $\gamma = f_y - \max_{j \ne y} f_j$ on the labels trained on, negative for an error; of a single output, the logit
    towards its label. `spectral` is $\gamma$ divided by the product of the layers' spectral norms (`lipschitz_bound`)
    and by the root mean square of $\|x\|$: the normalised margin of Bartlett, Foster, Telgarsky (arXiv 1706.08498,
    section 1) without its (2, 1)-norm factor. `distance` is $\gamma / \|\partial \gamma / \partial x\|$, to first order
    the distance to the decision boundary (Elsayed et al., arXiv 1803.05598, eq. 3; Jiang et al., arXiv 1810.00113).
    Quantiles carry the standard error from their neighbouring order statistics. Costs a forward and a backward pass.

    >>> from measures import Split
    >>> model, data = nn.Linear(1, 1), Split(torch.tensor([[2.0], [4.0]]), torch.tensor([1, 1]))
    >>> model.weight.data, model.bias.data = torch.tensor([[3.0]]), torch.zeros(1)
    >>> measurement = margins(Snapshot(model, (), data, data, nn.functional.cross_entropy))
    >>> measurement.values["output.mean"].value, measurement.values["distance.mean"].value
    (9.0, 3.0)
    """
    examples = chosen_examples(snapshot.train, num_examples, seed)
    check_precision(snapshot.model)
    check_inputs(examples.inputs)
    found, slopes = _margins_and_slopes(snapshot.model, examples)
    unit, notes = _spectral_unit(snapshot.model, examples.inputs)
    flat = int(np.sum(slopes == 0))
    distances = np.divide(found, slopes, out=np.full_like(found, math.nan), where=slopes > 0)
    if flat:
        notes.append(f"{flat} of {len(found)} margins do not depend on the input; they have no distance.")
    kinds = {"output": found, "spectral": found / unit, "distance": distances[slopes > 0]}
    values = {name: estimate for kind, array in kinds.items() for name, estimate in _summary(kind, array).items()}
    values["error"] = _share(found <= 0)
    return Measurement(values, {"output": found, "distance": distances}, tuple(notes))


def _margins_and_slopes(model: nn.Module, examples: Split) -> tuple[Floats, Floats]:
    """Margin of every example, and the norm of its gradient in the input."""
    found: list[Tensor] = []
    slopes: list[Tensor] = []
    with evaluating(model), torch.enable_grad():
        for inputs, targets in zip(examples.inputs.split(BATCH_SIZE), examples.targets.split(BATCH_SIZE), strict=True):
            leaves = inputs.clone().requires_grad_()
            batch = class_margins(model(leaves), targets)
            gradient = torch.zeros_like(leaves)
            if batch.requires_grad:
                (gradient,) = torch.autograd.grad(batch.sum(), leaves, materialize_grads=True)
            found.append(batch.detach().double())
            slopes.append(torch.linalg.vector_norm(gradient.flatten(1).double(), dim=1))
    both = torch.stack([torch.cat(found), torch.cat(slopes)], dim=1)
    if bad := num_not_finite(both):
        raise ValueError(f"the outputs or their gradients hold NaN or infinity at {bad} of {len(both)} examples")
    margin, slope = both.cpu().numpy().T
    return margin.copy(), slope.copy()


def _spectral_unit(model: nn.Module, inputs: Tensor) -> tuple[float, list[str]]:
    try:
        bound = lipschitz_bound(model, inputs)
    except ValueError as reason:
        return math.nan, [f"There are no spectral margins: {reason}."]
    size = float(inputs.flatten(1).double().square().sum(dim=1).mean().sqrt())
    if bound * size == 0:
        return math.nan, ["There are no spectral margins: the product of norms, or every input, is 0."]
    return bound * size, []


def _summary(kind: str, values: Floats) -> dict[str, Estimate]:
    if len(values) < 2 or np.isnan(values).any():
        return {f"{kind}.{name}": Estimate(math.nan) for name in ("mean", "smallest", *LEVELS)}
    mean = Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))
    quantiles = {f"{kind}.{name}": quantile(values, level) for name, level in LEVELS.items()}
    return {f"{kind}.mean": mean, f"{kind}.smallest": Estimate(float(values.min()))} | quantiles


def quantile(values: Floats, level: float) -> Estimate:
    """A quantile, with half the gap of the order statistics that are one binomial standard deviation away."""
    spread = math.sqrt(level * (1 - level) / len(values))
    below, above = np.quantile(values, [max(level - spread, 0.0), min(level + spread, 1.0)])
    return Estimate(float(np.quantile(values, level)), float(above - below) / 2)


def _share(is_true: NDArray[np.bool_]) -> Estimate:
    share = float(is_true.mean())
    return Estimate(share, math.sqrt(share * (1 - share) / len(is_true)))
