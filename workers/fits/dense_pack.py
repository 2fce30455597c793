"""Chains of dense layers, stacked: one batched product computes a layer of all networks.

All parameters of a network lie in one row of a matrix. Inputs and outputs of every layer are padded with zeros, at
least to a multiple of 16. That changes no number of the network: a padded unit is 0, and so is whatever it multiplies.
And every slice of every tensor begins on a cache line and is a whole number of vectors, which makes a network's numbers
independent of its neighbours, for kernels choose their order of summation by alignment and length.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from measures.dense_hessian import in_turn
from workers.models.input_bias import InputBias

aten = torch.ops.aten
ALIGNED = 16  # float32 numbers on a cache line of 64 bytes


def padded(size: int) -> int:
    """The size to which inputs or outputs are filled up.

    >>> padded(1), padded(16), padded(40)
    (16, 16, 48)
    """
    return math.ceil(size / ALIGNED) * ALIGNED


def padded_width(width: int) -> int:
    """The size to which a hidden layer is filled up: one that many widths share, as far as that costs little.

    >>> [padded_width(width) for width in (1, 17, 33, 65, 100, 129)]
    [16, 32, 64, 96, 128, 144]
    """
    if width <= 64:
        return max(ALIGNED, 1 << (width - 1).bit_length())
    return math.ceil(width / 32) * 32 if width <= 128 else padded(width)


@dataclass(frozen=True)
class Layer:
    """A layer by its kind, and of which parameters of the network it consists; their padded shapes."""

    kind: str  # linear, bias, relu, elu
    weight: tuple[int, int] = (0, 0)
    bias: int = 0


def chain(module: nn.Module) -> tuple[Layer, ...] | None:
    """The layers in turn; None if the network is no chain of layers that can be stacked, or some are frozen."""
    if any(not each.requires_grad or each.dtype != torch.float32 for each in module.parameters()):
        return None
    modules = [each for each in in_turn(module) if type(each) is not nn.Flatten]
    if len(set(map(id, modules))) < len(modules) or not modules or type(modules[-1]) is not nn.Linear:
        return None
    linear = [each for each in modules if type(each) is nn.Linear]
    layers = [_layer(each, each is linear[0], each is linear[-1]) for each in modules]
    found = tuple(layer for layer in layers if layer is not None)
    return found if len(found) == len(layers) else None


def _layer(module: nn.Module, is_first: bool, is_last: bool) -> Layer | None:
    if type(module) is nn.Linear:
        inputs = (padded if is_first else padded_width)(module.in_features)
        outputs = (padded if is_last else padded_width)(module.out_features)
        has_bias = "bias" in dict(module.named_parameters())
        return Layer("linear", (outputs, inputs), outputs if has_bias else 0)
    if type(module) is InputBias:
        return Layer("bias", bias=padded(module.bias.numel()))
    if type(module) is nn.ELU:
        return Layer("elu") if module.alpha == 1 else None
    return Layer("relu") if type(module) is nn.ReLU else None


def row_length(layers: Sequence[Layer]) -> int:
    """Number of parameters of a network with its padding."""
    return sum(math.prod(layer.weight) + layer.bias for layer in layers)


class DensePack:
    """Networks of one chain, whose own parameters and gradients become views of `parameters` and `gradients`.

    Both are (number of networks, length of a row).
    """

    def __init__(self, layers: Sequence[Layer], networks: Sequence[nn.Module]) -> None:
        self.layers = layers
        device = next(networks[0].parameters()).device
        self.parameters = torch.zeros(len(networks), row_length(layers), device=device)
        self.gradients = torch.zeros_like(self.parameters)
        self._networks = networks
        self._weights, self._slopes = list(self._stacked(self.parameters)), list(self._stacked(self.gradients))
        for index in range(len(networks)):
            places = zip(self.places(self.parameters, index), self.places(self.gradients, index), strict=True)
            for (parameter, weights), (_, gradient) in places:
                weights.copy_(parameter.data)
                parameter.data, parameter.grad = weights, gradient

    def _stacked(self, rows: Tensor) -> Iterator[tuple[Tensor | None, Tensor | None]]:
        """Weights (networks, out, in) and biases (networks, out) of each layer, padded, in a matrix of rows."""
        start = 0
        for layer in self.layers:
            weight = bias = None
            if size := math.prod(layer.weight):
                weight = rows[:, start : start + size].unflatten(1, layer.weight)
                start += size
            if layer.bias:
                bias = rows[:, start : start + layer.bias]
                start += layer.bias
            yield weight, bias

    def places(self, rows: Tensor, index: int) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Each parameter of a network, and its place in a matrix of rows like `parameters`."""
        for parameter, each in zip(self._networks[index].parameters(), self._each(rows), strict=True):
            yield parameter, each[(index, *(slice(size) for size in parameter.shape))]

    def of_all(self, parameter: nn.Parameter) -> nn.Parameter:
        """What the first network's parameter is for all networks, (networks, *its padded shape), with its gradient."""
        for own, weights, gradients in zip(
            self._networks[0].parameters(), self._each(self.parameters), self._each(self.gradients), strict=True
        ):
            if own is parameter:
                found = nn.Parameter(weights, requires_grad=False)
                found.grad = gradients
                return found
        raise ValueError("no parameter of the first network")

    def _each(self, rows: Tensor) -> Iterator[Tensor]:
        """Of each parameter of a network, in its order, those of all networks."""
        return (each for pair in self._stacked(rows) for each in pair if each is not None)

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """The inputs (networks, n, padded features) and what each layer makes of them."""
        values = [inputs]
        for layer, (weight, bias) in zip(self.layers, self._weights, strict=True):
            x = values[-1]
            if weight is not None:
                y = torch.bmm(x, weight.mT) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight.mT)
            elif bias is not None:
                y = x + bias.unsqueeze(1)
            else:
                y = ACTIVATIONS[layer.kind](x)
            values.append(y)
        return values

    def backward(self, values: Sequence[Tensor], slope: Tensor) -> None:
        """Put into `gradients` what follows from the derivative with respect to the outputs, of the same shape."""
        first = min(place for place, layer in enumerate(self.layers) if layer.kind in ("linear", "bias"))
        for place in range(len(self.layers) - 1, first - 1, -1):
            weight, bias = self._weights[place]
            of_weight, of_bias = self._slopes[place]
            if of_bias is not None:
                torch.sum(slope, dim=1, out=of_bias)
            if weight is not None and of_weight is not None:
                # Not into its place at once: for a place with gaps torch multiplies one matrix after the other.
                of_weight.copy_(torch.bmm(slope.mT, values[place]))
                slope = torch.bmm(slope, weight) if place > first else slope
            elif bias is None:
                slope = DERIVATIVES[self.layers[place].kind](slope, values[place + 1])


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "elu": nn.functional.elu}
DERIVATIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda slope, output: aten.threshold_backward(slope, output, 0),
    "elu": lambda slope, output: aten.elu_backward(slope, 1.0, 1.0, 1.0, True, output),
}
