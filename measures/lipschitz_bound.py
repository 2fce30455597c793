"""An upper bound on a network's Lipschitz constant anywhere: the product of the norms of its layers."""

import math

from torch import Tensor, nn

from measures.forward_graph import Operation, operations, propagate
from measures.spectral_norm import BATCH_NORMS, CONVOLUTIONS, MEANS, spectral_norm

# Steepest slope of what acts on every number alone, or only rearranges numbers.
SLOPES = {
    **dict.fromkeys(
        ("ReLU", "relu", "Tanh", "tanh", "Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"), 1.0
    ),
    **dict.fromkeys(("Softplus", "ReLU6", "Hardtanh"), 1.0),
    **dict.fromkeys(("Flatten", "Unflatten", "flatten", "reshape", "dropout", "contiguous", "output", "input"), 1.0),
    **dict.fromkeys(("Sigmoid", "sigmoid"), 0.25),
}


def lipschitz_bound(model: nn.Module, inputs: Tensor) -> float:
    r"""Upper bound on the Lipschitz constant in the Euclidean norm: the product of the layers' spectral norms.

    $\prod_l \|W_l\|_2$ for layers in a row (Loukas, Poiitis, Jegelka, arXiv 2106.04186, section 2); where paths meet,
    a sum adds the bounds of its terms and a concatenation adds their squares. Convolutions are the operators on images
    of the size of `inputs`, batch norm the diagonal map of its running statistics. Loose: usually by orders of
    magnitude. ValueError naming the operation if one has no bound here.

    >>> from torch import eye, zeros
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> model[0].weight.data = -5 * eye(2)
    >>> lipschitz_bound(model, zeros(1, 2))
    5.0
    """
    steps = operations(model, inputs[:1])
    shapes = {step.name: step.shape for step in steps}

    def rule(step: Operation, bounds: list[float]) -> float:
        return _bound(step, bounds, shapes[step.inputs[0]][1:] if step.inputs else ())

    return propagate(steps, rule)[steps[-1].name]


def _bound(step: Operation, bounds: list[float], input_shape: tuple[int, ...]) -> float:
    if step.kind == "input":
        return 1.0
    if step.kind == "constant":
        return 0.0
    if step.kind in ("add", "sub"):
        return sum(bounds)
    if step.kind == "cat":
        return math.hypot(*bounds)
    return bounds[0] * _stretch(step, input_shape)


def _stretch(step: Operation, input_shape: tuple[int, ...]) -> float:
    module = step.module
    if step.kind in SLOPES:
        return SLOPES[step.kind]
    if isinstance(module, nn.LeakyReLU):
        return max(1.0, abs(module.negative_slope))
    if isinstance(module, (nn.Linear, *CONVOLUTIONS, *BATCH_NORMS, *MEANS)):
        return spectral_norm(module, input_shape).value
    if isinstance(module, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):
        return _max_pooling(module, len(input_shape) - 1)
    raise ValueError(f"{step.kind} ({step.name}) has no Lipschitz bound here")


def _max_pooling(module: nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d, num_sides: int) -> float:
    """Square root of the largest number of windows that share an entry."""
    kernel, stride, dilation = (
        (size,) * num_sides if isinstance(size, int) else tuple(size)
        for size in (module.kernel_size, module.stride, module.dilation)
    )
    counts = [k if d > 1 else math.ceil(k / s) for k, s, d in zip(kernel, stride, dilation, strict=True)]
    return math.sqrt(math.prod(counts))
