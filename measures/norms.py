"""The measure `norms`: norms of the weights, layer by layer, and of the paths through the network."""

import math

import torch
from torch import Tensor, nn

from measures.examples import check_precision, chosen_examples
from measures.inputs import Estimate, Measurement, Snapshot
from measures.operators import evaluating
from measures.path_norm import path_norm
from measures.spectral_norm import CONVOLUTIONS, spectral_norm


def norms(snapshot: Snapshot) -> Measurement:
    r"""Frobenius and spectral norms of the linear layers, their products, and the path norm of the network.

    Layers are `Linear` and convolutions. A Frobenius norm is of the weights as they are stored; a spectral norm is of
    the linear map on inputs of the size that the layer gets, so of the true convolution and not of its reshaped kernel
    (see `spectral_norm`). Batch norm enters the path norm only, which folds it (see `path_norm`); for an operation that
    a ReLU network does not have, the path norm is NaN and a note says so. Nothing is sampled: spectral norms by
    iteration come with a residual instead of a standard error. Jiang et al., Fantastic generalization measures, arXiv
    1912.02178. Costs a forward pass of one example, and some 100 for each convolution or large layer.

    >>> from torch import randn, zeros
    >>> from measures import Split
    >>> model, data = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)), Split(randn(50, 3), zeros(50))
    >>> sorted(norms(Snapshot(model, (), data, data, nn.functional.cross_entropy)).values)[:3]
    ['frobenius_product', 'layer.0.frobenius', 'layer.0.spectral']
    """
    check_precision(snapshot.model)
    inputs = chosen_examples(snapshot.train, 1, seed=0).inputs
    values: dict[str, Estimate] = {}
    logs = {"frobenius": 0.0, "spectral": 0.0}
    worst = 0.0
    for name, (layer, shape) in _linear_layers(snapshot.model, inputs).items():
        frobenius = float(torch.linalg.vector_norm(layer.get_parameter("weight").detach().double()))
        spectral = spectral_norm(layer, shape)
        worst = max(worst, spectral.residual / spectral.value if spectral.value else 0.0)
        for kind, norm in (("frobenius", frobenius), ("spectral", spectral.value)):
            values[f"layer.{name}.{kind}"] = Estimate(norm)
            logs[kind] += math.log(norm) if norm else -math.inf
    products = {f"{kind}_product": Estimate(_exp(log)) for kind, log in logs.items()}
    path, notes = _path_norm(snapshot.model, inputs)
    whole = {
        "path_norm": path,
        "parameter_norm": _parameter_norm(snapshot.model),
        "spectral_residual": Estimate(worst),
    }
    return Measurement(whole | products | values, notes=notes)


def _linear_layers(model: nn.Module, inputs: Tensor) -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Every linear layer that takes part, in forward order, with the shape of one example of its input."""
    found: dict[str, tuple[nn.Module, tuple[int, ...]]] = {}
    handles: list[torch.utils.hooks.RemovableHandle] = []

    def watch(name: str, layer: nn.Module) -> None:
        def record(_module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            found.setdefault(name, (layer, tuple(arguments[0].shape[1:])))

        handles.append(layer.register_forward_pre_hook(record))

    try:
        for name, module in model.named_modules():
            if isinstance(module, (nn.Linear, *CONVOLUTIONS)):
                watch(name or "whole", module)
        with evaluating(model), torch.no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _exp(log: float) -> float:
    return math.exp(log) if log < 709 else math.inf


def _parameter_norm(model: nn.Module) -> Estimate:
    parts = [torch.linalg.vector_norm(p.detach(), dtype=torch.float64) for p in model.parameters()]
    return Estimate(float(torch.linalg.vector_norm(torch.stack(parts))) if parts else 0.0)


def _path_norm(model: nn.Module, inputs: Tensor) -> tuple[Estimate, tuple[str, ...]]:
    try:
        return Estimate(path_norm(model, inputs)), ()
    except ValueError as reason:
        return Estimate(math.nan), (f"The path norm is NaN: {reason}.",)
