r"""Products with the Hessian of a chain of dense layers, written out: Pearlmutter's R-operator.

What does not depend on the vector is computed once: the input h of each layer, and the slope s of the loss at what the
layer makes of it, a = W h + b. With R the derivative along a vector, whose parts for W and b are V and v,

    R a = W R h + V h + v,    R g = W^T R s + V^T s,    R dW = R s h^T + s R h^T,    R db = R s,

where g is the slope at h, dW and db those of the parameters (Pearlmutter, Fast exact multiplication by the Hessian,
Neural Computation 6 (1994), section 3). Between the way forward and the way back stands the loss's Hessian at the
outputs, which autograd gives. Examples are columns: with rows, networks of width 47 to 300 took a core 1.1 to 1.3 times
as long.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from measures.linearization import Linearization, Piece, derivative, gradients

aten: Any = torch.ops.aten  # its operators are made as they are asked for

# The largest tensor of a product, which is a piece's, is kept within a cache. Two hidden layers, 4,000 examples, one
# vector: at width 300, 72 ms in pieces of 1,000 (1.2 MB), 78 in larger ones, 83 in smaller; at width 135, 18 to 22 ms
# in pieces of 1,000 to 4,000 alike, 28 of 500. Where there is room vectors share the calls: at width 16, 1.5 ms each
# instead of 1.7, of 500 examples 0.35 instead of 0.65; where there is none, at width 47, 7.0 instead of 4.9.
DENSE_TENSOR_BYTES = 5 << 18
TENSOR_BYTES_ELSEWHERE = 1 << 26  # what launches save on another device was not measured
MOST_VECTORS = 8
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True)
class Activation:
    """An elementwise function h = f(a), with what h says of its derivatives."""

    value: Callable[[Tensor], Tensor]
    times_slope: Callable[[Tensor, Tensor], Tensor]  # f' times a change, of the change and h
    bend: Callable[[Tensor], Tensor] | None = None  # f'' / f', of h; None where f'' is 0


IDENTITY = Activation(lambda a: a, lambda change, h: change)
ACTIVATIONS: dict[type[nn.Module], Activation] = {
    nn.ReLU: Activation(torch.relu, lambda change, h: aten.threshold_backward(change, h, 0)),
    nn.ELU: Activation(
        nn.functional.elu,
        lambda change, h: aten.elu_backward(change, 1.0, 1.0, 1.0, True, h),
        lambda h: (h < 0).to(h.dtype),
    ),
    nn.Tanh: Activation(torch.tanh, lambda change, h: aten.tanh_backward(change, h), lambda h: -2 * h),
}


@dataclass(frozen=True)
class Layer:
    """A linear layer and the function that makes its input of what the layer before it puts out."""

    linear: nn.Linear
    function: Activation


def dense_chain(module: nn.Module, inputs: Tensor) -> list[Layer] | None:
    """The dense layers that, one after another, make a network's outputs of such inputs; None if it is anything else.

    No module or parameter is used twice, and no hook or method of a module's own has a part in it.

    >>> len(dense_chain(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.ones(5, 3)))
    2
    """
    chain, layers, function = list(in_turn(module)), list[Layer](), IDENTITY
    if len(set(map(id, chain))) < len(chain) or not all(map(_is_plain, module.modules())):
        return None
    is_flat = inputs.ndim == 2
    for each in chain:
        if isinstance(each, nn.Flatten):
            is_flat = is_flat or inputs.ndim > 2
        elif isinstance(each, nn.Linear) and is_flat:
            layers.append(Layer(each, function))
            function = IDENTITY
        elif layers and function is IDENTITY and type(each) in ACTIVATIONS:
            function = ACTIVATIONS[type(each)]
        else:
            return None
    tensors = [id(tensor) for layer in layers for tensor in layer.linear.parameters()]
    return layers if layers and function is IDENTITY and len(set(tensors)) == len(tensors) else None


class DenseHessianLinearization(Linearization):
    """The Hessian of a piece whose network is a dense chain; kept are the inputs and the slopes of each layer."""

    def __init__(self, piece: Piece, parameters: Sequence[Tensor]):
        layers = dense_chain(piece.model, piece.inputs)
        if layers is None:
            raise ValueError(f"no chain of dense layers for inputs of shape {tuple(piece.inputs.shape)}: {piece.model}")
        self._shapes = {id(parameter): parameter.shape for parameter in parameters}
        self._keys = [(id(layer.linear.weight), id(layer.linear.bias)) for layer in layers]
        self._weights = [layer.linear.weight.detach() for layer in layers]
        self._functions = [layer.function for layer in layers]
        with torch.no_grad():
            self._inputs, outputs = _inputs_and_outputs(layers, piece.inputs.flatten(1))
        self._outputs = outputs.requires_grad_()
        loss = piece.loss(self._outputs)
        (self._output_slope,) = gradients(loss, [self._outputs])
        self._slopes = [self._output_slope.detach().mT.contiguous()]
        for i in range(len(layers) - 1, 0, -1):
            slope = self._weights[i].mT @ self._slopes[0]
            self._slopes.insert(0, self._functions[i].times_slope(slope, self._inputs[i]))
        of_weights = [slope[None] @ value.mT for slope, value in zip(self._slopes, self._inputs, strict=True)]
        gradient = self._joined(of_weights, [slope.sum(dim=1)[None] for slope in self._slopes])
        self.loss, self.gradient = float(loss.detach()), gradient[0]

    def products(self, vectors: Tensor) -> Tensor:
        rows = vectors.mT.contiguous()
        largest = max(tensor.nbytes for tensor in (*self._inputs[1:], *self._slopes))
        room = DENSE_TENSOR_BYTES if rows.device.type == "cpu" else TENSOR_BYTES_ELSEWHERE
        blocks = rows.split(min(MOST_VECTORS, max(1, room // max(1, largest))))
        return torch.cat([self._products(block) for block in blocks]).mT

    @torch.no_grad()
    def _products(self, rows: Tensor) -> Tensor:
        """Of a few vectors (k, p)."""
        k, (of_weights, of_biases) = len(rows), self._parts(rows)
        input_changes, output_changes = self._forward(of_weights, of_biases)
        change, last = self._through_loss(output_changes[-1]), len(self._weights) - 1
        for i in range(last, -1, -1):
            weight_change = torch.bmm(change, _each(self._inputs[i].mT, k))
            of_biases[i] = change.sum(dim=2)
            if i > 0:
                slopes = _each(self._slopes[i], k)
                weight_change.baddbmm_(slopes, input_changes[i].mT)
                change = torch.bmm(_each(self._weights[i].mT, k), change).baddbmm_(of_weights[i].mT, slopes)
                change = self._functions[i].times_slope(change, self._inputs[i])
                if (bend := self._functions[i].bend) is not None:
                    change.addcmul_(bend(self._inputs[i]) * self._slopes[i - 1], output_changes[i - 1])
            of_weights[i] = weight_change
        return self._joined(of_weights, of_biases)

    def _forward(self, of_weights: Sequence[Tensor], of_biases: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Changes (k, width, examples) along the vectors: of each layer's input, whose first is 0, and its output."""
        inputs, outputs, k = [of_weights[0].new_zeros(())], list[Tensor](), len(of_weights[0])
        for i, value in enumerate(self._inputs):
            change = torch.baddbmm(of_biases[i].unsqueeze(2), of_weights[i], _each(value, k))
            if i > 0:
                inputs.append(self._functions[i].times_slope(outputs[-1], value))
                change.baddbmm_(_each(self._weights[i], k), inputs[-1])
            outputs.append(change)
        return inputs, outputs

    def _through_loss(self, changes: Tensor) -> Tensor:
        """How the slope at the outputs changes with them, both (k, outputs, examples)."""
        return torch.stack([derivative([self._output_slope], [self._outputs], [each.mT])[0].mT for each in changes])

    def _parts(self, rows: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Those of vectors (k, p) for weights (k, out, in) and biases (k, out); 0 for what is not chosen."""
        sizes, k = [shape.numel() for shape in self._shapes.values()], len(rows)
        parts = dict(zip(self._shapes, rows.split(sizes, dim=1), strict=True))
        of_weights, of_biases = list[Tensor](), list[Tensor]()
        for (weight, bias), layer in zip(self._keys, self._weights, strict=True):
            of_weights.append(
                parts[weight].view(k, *layer.shape) if weight in parts else rows.new_zeros(k, *layer.shape)
            )
            of_biases.append(parts[bias] if bias in parts else rows.new_zeros(k, len(layer)))
        return of_weights, of_biases

    def _joined(self, of_weights: Sequence[Tensor], of_biases: Sequence[Tensor]) -> Tensor:
        """The inverse: vectors (k, p), which are 0 for a parameter without influence."""
        parts = dict[int, Tensor]()
        for keys, weight, bias in zip(self._keys, of_weights, of_biases, strict=True):
            parts |= zip(keys, (weight.flatten(1), bias), strict=True)
        k, like = len(of_biases[0]), of_biases[0]
        joined = [
            parts[key] if key in parts else like.new_zeros(k, shape.numel()) for key, shape in self._shapes.items()
        ]
        return torch.cat(joined, dim=1)


def _inputs_and_outputs(layers: Sequence[Layer], rows: Tensor) -> tuple[list[Tensor], Tensor]:
    """The input of each layer (in, examples), and the outputs (examples, out)."""
    inputs = list[Tensor]()
    for layer in layers:
        rows = layer.function.value(rows)
        inputs.append(rows.mT.contiguous())
        rows = layer.linear(rows)
    return inputs, rows


def _each(tensor: Tensor, count: int) -> Tensor:
    """The same matrix for each of so many vectors."""
    return tensor.expand(count, *tensor.shape)


def in_turn(module: nn.Module) -> Iterator[nn.Module]:
    """The modules through which inputs go one after another, of a network that is nothing but a sequence of such."""
    if type(module) is nn.Sequential:
        for each in module:
            yield from in_turn(each)
    else:
        yield module


def _is_plain(module: nn.Module) -> bool:
    """Whether a module is just what its type says: hooks, a replaced method or parameter could change what it does."""
    own = vars(module)
    if "forward" in own or any(own[name] for name in HOOKS):
        return False
    if type(module) is nn.Linear:
        return {"weight", "bias"} <= set(own["_parameters"])
    if type(module) is nn.Flatten:
        return (module.start_dim, module.end_dim) == (1, -1)
    return type(module) is nn.Sequential or (type(module) in ACTIVATIONS and getattr(module, "alpha", 1.0) == 1.0)
