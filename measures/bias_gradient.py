"""The measure `bias_gradient`: how far a step of training would move the first bias, from a checkpoint alone."""

import math
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from measures.examples import check_inputs, check_precision, chosen_examples, num_not_finite
from measures.first_bias import first_bias
from measures.inputs import Estimate, Measurement, Snapshot
from measures.operators import evaluating

CHUNK_SIZE = 100  # examples whose gradients are taken side by side


def bias_gradient(
    snapshot: Snapshot,
    *,
    layer: str | None = None,
    sigmoid: bool = False,
    num_examples: Annotated[int, Field(ge=2)] = 1000,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Normalised bias trajectory as one checkpoint shows it: slope of the function in its first bias.

    $\|\partial f / \partial b_1\|$ at training examples, mean and largest. Plain SGD with one example a step moves the
    bias by exactly $\alpha \varepsilon$ times that (Loukas, Poiitis, Jegelka, What training reveals about neural
    network complexity, arXiv 2106.04186, theorem 1), so taken at every checkpoint `mean` follows the online measure
    `bias_trajectory`, whatever optimiser and batch size trained the network. For several outputs it is the spectral
    norm of the Jacobian in the bias. `lipschitz_lower` and `lipschitz_upper` are `mean` times the smallest and largest
    singular value of the first layer's weights, between which the mean local Lipschitz constant lies (the identity for
    an `input_bias`); NaN where the bias is not that of a linear first layer. `layer` names another layer than the first
    with a bias, `sigmoid` measures the sigmoid of a single output, as for two classes in the paper. Costs one forward
    pass and one backward pass for each output.

    >>> from measures import Split
    >>> model, data = nn.Linear(2, 1), Split(torch.zeros(4, 2), torch.zeros(4))
    >>> measurement = bias_gradient(Snapshot(model, (), data, data, nn.functional.mse_loss))
    >>> measurement.values["mean"].value
    1.0
    """
    examples = chosen_examples(snapshot.train, num_examples, seed)
    check_precision(snapshot.model)
    check_inputs(examples.inputs)
    name, _ = first_bias(snapshot.model, layer)
    norms = gradient_norms(snapshot.model, name, examples.inputs, sigmoid=sigmoid)
    mean = Estimate(float(norms.mean()), float(norms.std(ddof=1)) / math.sqrt(len(norms)))
    smallest, largest = _singular_values(snapshot.model, name, examples.inputs)
    values = {
        "mean": mean,
        "largest": Estimate(float(norms.max())),
        "lipschitz_lower": _scaled(mean, smallest),
        "lipschitz_upper": _scaled(mean, largest),
    }
    no_bounds = f"Layer {name} is not a linear map of the inputs: its bias gives no bounds of the Lipschitz constant."
    return Measurement(values, {"per_example": norms}, (no_bounds,) if math.isnan(largest) else ())


def gradient_norms(model: nn.Module, layer: str, inputs: Tensor, *, sigmoid: bool = False) -> NDArray[np.float64]:
    """Spectral norm of the Jacobian of the outputs in the bias of a layer, at every example (n,), float64."""
    bias_name = f"{layer}.bias" if layer else "bias"
    bias = model.get_parameter(bias_name).detach()

    def outputs_of(bias: Tensor, example: Tensor) -> Tensor:
        outputs = torch.func.functional_call(model, {bias_name: bias}, (example[None],)).flatten()
        return outputs.sigmoid() if sigmoid else outputs

    jacobians = torch.func.vmap(torch.func.jacrev(outputs_of), in_dims=(None, 0), chunk_size=CHUNK_SIZE)
    with evaluating(model):
        matrices = jacobians(bias, inputs).detach().flatten(start_dim=2).double()
    if sigmoid and matrices.shape[1] != 1:
        raise ValueError(f"sigmoid=True is not valid for {matrices.shape[1]} outputs: it takes one")
    if bad := num_not_finite(matrices):
        raise ValueError(
            f"the gradient in the bias of {layer!r} holds NaN or infinity at {bad} of {len(inputs)} examples"
        )
    return torch.linalg.matrix_norm(matrices, ord=2).cpu().numpy()


def _singular_values(model: nn.Module, name: str, inputs: Tensor) -> tuple[float, float]:
    r"""Smallest and largest $\|W^\top v\|$ of unit vectors v, if the layer is $W x + b$ of the inputs; else NaN."""
    layer = model.get_submodule(name)
    if not _reads_the_inputs(model, layer, inputs[:2]):
        return math.nan, math.nan
    if isinstance(layer, nn.Linear):
        values = torch.linalg.svdvals(layer.weight.detach().double())
        return (0.0 if layer.out_features > layer.in_features else float(values[-1])), float(values[0])
    # Nothing but a number for each feature: a shift, whose weights are the identity.
    is_shift = sum(parameter.numel() for parameter in layer.parameters()) == inputs[0].numel()
    return (1.0, 1.0) if is_shift else (math.nan, math.nan)


def _reads_the_inputs(model: nn.Module, layer: nn.Module, inputs: Tensor) -> bool:
    """Whether the layer's input is the examples, in rows or as they are, and not what another layer made of them."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _module, arguments: seen.append(arguments[0]))
    try:
        with evaluating(model), torch.no_grad():
            model(inputs)
    finally:
        handle.remove()
    is_features = seen[0].ndim == 2 or not isinstance(layer, nn.Linear)
    return len(seen) == 1 and is_features and torch.equal(seen[0].flatten(), inputs.flatten())


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(estimate.value * factor, (estimate.stderr or 0.0) * factor)
