"""One piece of the mean loss, differentiated once, with the graph that all further products reuse.

The three curvature matrices differ only in what stands between the derivatives of the network. Gauss-Newton and Fisher
are $J^T B J$ for the Jacobian J of the outputs: B is the loss's Hessian at the outputs, or the outer products of its
gradients there. $J^T u$ is linear in u, so its derivative in u gives $J v$: two backward passes make the forward one,
over a graph that can be kept, which forward-mode differentiation does not offer.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Piece:
    """The inputs of `num_rows` of `num_examples` examples; `loss` of a model's outputs is their share of the mean."""

    model: nn.Module
    inputs: Tensor
    loss: Callable[[Tensor], Tensor]
    num_rows: int
    num_examples: int


class Linearization(ABC):
    """A piece of the loss and its gradient at the parameters, and the products of its curvature matrix."""

    loss: float
    gradient: Tensor

    @abstractmethod
    def products(self, vectors: Tensor) -> Tensor:
        """The matrix times the columns (p, k), which may share the work or be multiplied one after another."""


class HessianLinearization(Linearization):
    """The gradient still attached to its graph: a product is Pearlmutter's derivative of <gradient, vector>."""

    def __init__(self, piece: Piece, parameters: Sequence[Tensor]):
        value = piece.loss(piece.model(piece.inputs))
        self._parameters = parameters
        self._gradients = gradients(value, parameters)
        self.loss, self.gradient = float(value.detach()), _flat(self._gradients).detach()

    def products(self, vectors: Tensor) -> Tensor:
        return _by_column(self._product, vectors)

    def _product(self, vector: Tensor) -> Tensor:
        return _flat(derivative(self._gradients, self._parameters, _parts(vector, self._parameters)))


class OutputLinearization(Linearization):
    """The network as the linear map J from parameters to outputs, on both sides of a matrix B at the outputs."""

    def __init__(self, piece: Piece, parameters: Sequence[Tensor]):
        outputs = piece.model(piece.inputs)
        leaf = outputs.detach().requires_grad_()
        value = piece.loss(leaf)
        (self._output_gradient,) = gradients(value, [leaf])
        self._leaf, self._outputs, self._parameters = leaf, outputs, parameters
        self._probe = torch.zeros_like(leaf).requires_grad_()
        self._transposed = derivative([outputs], parameters, [self._probe], create_graph=True)
        self.loss, self.gradient = float(value.detach()), self._to_parameters(self._output_gradient.detach())

    @abstractmethod
    def _between(self, outputs: Tensor) -> Tensor:
        """B times a change of the outputs."""

    def products(self, vectors: Tensor) -> Tensor:
        return _by_column(self._product, vectors)

    def _product(self, vector: Tensor) -> Tensor:
        (change,) = derivative(self._transposed, [self._probe], _parts(vector, self._parameters))
        return self._to_parameters(self._between(change))

    def _to_parameters(self, change: Tensor) -> Tensor:
        return _flat(derivative([self._outputs], self._parameters, [change]))


class GaussNewtonLinearization(OutputLinearization):
    """B is the Hessian of the loss at the outputs."""

    def _between(self, outputs: Tensor) -> Tensor:
        return derivative([self._output_gradient], [self._leaf], [outputs])[0]


class FisherLinearization(OutputLinearization):
    """B has one block an example: the outer product of the gradient of its own loss at its own outputs.

    The gradient of a mean of n losses holds every example's divided by n, once in each factor: n of it is left to undo.
    """

    def __init__(self, piece: Piece, parameters: Sequence[Tensor]):
        super().__init__(piece, parameters)
        shape = tuple(self._leaf.shape)
        if shape[:1] != (piece.num_rows,):
            raise ValueError(f"outputs of shape {shape} are not valid: one row for each of {piece.num_rows} examples")
        self._num_examples = piece.num_examples

    def _between(self, outputs: Tensor) -> Tensor:
        rows = self._output_gradient.detach().reshape(len(outputs), -1)
        slopes = (rows * outputs.reshape(rows.shape)).sum(dim=1, keepdim=True)
        return (self._num_examples * slopes * rows).view_as(outputs)


def gradients(value: Tensor, at: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The gradient of a value, with a graph of its own; 0 where the value does not depend on a tensor."""
    if not value.requires_grad:  # it depends on none of them
        return tuple(torch.zeros_like(tensor) for tensor in at)
    return torch.autograd.grad(value, at, create_graph=True, materialize_grads=True)


def derivative(
    outputs: Sequence[Tensor], at: Sequence[Tensor], directions: Sequence[Tensor], *, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """Derivative of the inner product of outputs and directions; the graph of the outputs is kept."""
    # An output without a graph is constant: it is linear in what it was derived by, or does not depend on it.
    attached = [(output, d) for output, d in zip(outputs, directions, strict=True) if output.requires_grad]
    if not attached:
        return tuple(torch.zeros_like(tensor) for tensor in at)
    values, weights = zip(*attached, strict=True)
    return torch.autograd.grad(
        values, at, weights, retain_graph=True, create_graph=create_graph, materialize_grads=True
    )


def _by_column(product: Callable[[Tensor], Tensor], vectors: Tensor) -> Tensor:
    return torch.stack([product(vector) for vector in vectors.unbind(1)], dim=1)


def _parts(vector: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    parts = vector.split([parameter.numel() for parameter in parameters])
    return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
