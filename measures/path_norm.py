"""The path norm: every path through the network by the squares of its weights, summed in one forward pass."""

import math
from typing import Any

import torch
from torch import Tensor, fx, nn

from measures.examples import check_precision
from measures.forward_graph import traced
from measures.operators import evaluating
from measures.spectral_norm import BATCH_NORMS, CONVOLUTIONS, batch_norm_scale

LINEAR = (nn.Linear, *CONVOLUTIONS)
MEANS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
# On numbers that are not negative these are the identity, a maximum, or a rearrangement.
PASSING = (nn.ReLU, nn.Identity, nn.Flatten, nn.Unflatten, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, *DROPOUTS)
FUNCTIONS = (
    "add",
    "iadd",
    "add_",
    "relu",
    "relu_",
    "cat",
    "flatten",
    "reshape",
    "view",
    "view_as",
    "unflatten",
    "dropout",
)


def path_norm(model: nn.Module, inputs: Tensor) -> float:
    r"""Path norm of a ReLU network: $\sqrt{\sum_k f_{\theta^2}(1)_k}$, its outputs on ones, with squared weights.

    For layers in a row that is the square root of the sum, over all paths from an input or a bias to an output, of the
    product of the squared weights (Neyshabur, Tomioka, Srebro, Norm-based capacity control in neural networks, COLT
    2015; Jiang et al., Fantastic generalization measures, arXiv 1912.02178). It does not change when a factor is moved
    between ReLU layers. Batch norm is the affine map of its running statistics, folded into the linear layer it
    follows; a residual sum adds paths; average pooling has the weights 1 / size; max pooling takes the window's
    heaviest sum, so that not all of its paths count. ValueError if the network is no ReLU network of such layers. Costs
    one forward pass of one example, of the shape of `inputs`, in float64.

    >>> model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    >>> model[0].weight.data, model[2].weight.data = torch.tensor([[3.0], [-4.0]]), torch.tensor([[1.0, 1.0]])
    >>> path_norm(model, torch.zeros(1, 1))
    5.0
    """
    check_precision(model)
    with evaluating(model), torch.no_grad():
        total = float(_SquaredPass(traced(model)).run(torch.ones_like(inputs[:1], dtype=torch.float64)).sum())
    if not math.isfinite(total):
        raise ValueError(f"the path norm is {total}: the squared weights overflow float64")
    return math.sqrt(total)


class _SquaredPass(fx.Interpreter):
    """Runs the graph in float64 with the squares of all weights, batch norm folded."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.extra_traceback = False  # or it would add the graph's to our own errors
        self._norm_after = _folded_norms(graph)
        self._folded = {id(norm) for norm in self._norm_after.values()}

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:  # as in fx.Interpreter
        return super().get_attr(target, args, kwargs).double().square()

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        module, x = self.fetch_attr(target), args[0]
        if isinstance(module, LINEAR):
            return _squared_linear(module, self._norm_after.get(id(module)), x)
        if isinstance(module, BATCH_NORMS):
            scale, shift = _affine(module)
            return x if id(module) in self._folded else _channels(scale**2, x) * x + _channels(shift**2, x)
        if isinstance(module, MEANS):
            return _squared_mean(module, x)
        if isinstance(module, PASSING):
            return super().call_module(target, args, kwargs)
        raise ValueError(f"{type(module).__name__} ({target}) has no path norm: layers of a ReLU network have")

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        _check_function(target.__name__, args)
        return super().call_function(target, args, kwargs)

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        _check_function(target, args)
        return super().call_method(target, args, kwargs)


def _check_function(name: str, args: tuple[Any, ...]) -> None:
    if name not in FUNCTIONS:
        raise ValueError(f"{name} has no path norm: operations of a ReLU network have")
    if "add" in name and not all(isinstance(arg, Tensor) for arg in args):
        raise ValueError(f"{name} of a number that is no parameter has no path norm")


def _folded_norms(graph: fx.GraphModule) -> dict[int, nn.Module]:
    """The batch norm that follows a linear layer and nothing else does, by the id of that layer."""
    found: dict[int, nn.Module] = {}
    nodes = [node for node in graph.graph.nodes if node.op == "call_module"]
    targets = [node.target for node in nodes]
    for node in nodes:
        before, module = node.args[0], graph.get_submodule(node.target)
        if isinstance(module, BATCH_NORMS) and before in nodes and targets.count(node.target) == 1:
            layer = graph.get_submodule(before.target)
            if isinstance(layer, LINEAR) and len(before.users) == 1 and targets.count(before.target) == 1:
                found[id(layer)] = module
    return found


def _squared_linear(layer: nn.Module, norm: nn.Module | None, x: Tensor) -> Tensor:
    weights = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in layer.named_parameters()}
    weights["weight"] = layer.get_parameter("weight").double()
    bias = layer.get_parameter("bias").double() if "bias" in weights else None
    if norm is not None:
        scale, shift = _affine(norm)
        weights["weight"] = weights["weight"] * scale.reshape(-1, *[1] * (weights["weight"].ndim - 1))
        bias = shift if bias is None else bias * scale + shift
    weights["weight"] = weights["weight"].square()
    outputs = torch.func.functional_call(layer, weights, (x,))
    if bias is None:
        return outputs
    return outputs + (bias.square() if isinstance(layer, nn.Linear) else _channels(bias.square(), outputs))


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """What batch norm multiplies each channel by, and then adds, in evaluation mode."""
    scale = batch_norm_scale(norm)
    shift = -norm.get_buffer("running_mean").double() * scale
    return scale, shift + norm.get_parameter("bias").double() if "bias" in dict(norm.named_parameters()) else shift


def _channels(values: Tensor, x: Tensor) -> Tensor:
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def _squared_mean(module: nn.Module, x: Tensor) -> Tensor:
    """A mean over k numbers has the weights 1 / k, whose squares add up to the mean divided by k."""
    sizes: Any = module.kernel_size  # a number, or one a side
    padding: Any = module.padding
    if any(torch.tensor(padding).flatten().tolist()) or module.ceil_mode or getattr(module, "divisor_override", None):
        raise ValueError(f"{module} has no path norm here: average pooling without padding and rounding up has")
    size = torch.ones(1, dtype=torch.float64).expand(x.ndim - 2) * torch.tensor(sizes, dtype=torch.float64)
    return module(x) / float(size.prod())
