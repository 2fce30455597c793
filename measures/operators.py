"""Curvature of a network's mean loss as matrices one can multiply by, without ever forming them.

Of a product's passes, those that do not depend on the vector are made once and their graph is kept as long as it fits
in a stated amount of memory: a product then costs only the rest. Graphs that do not fit are rebuilt, a piece of the
data at a time, for every block of vectors. On a CPU pieces are small even where all fit, for the sake of its cache.
Autograd multiplies the vectors of a block one after another: on one core, batching them with `vmap` was slower. For
Hessians of chains of dense layers, whose products are written out, it is not asked but at the outputs.
"""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from measures.dense_hessian import DENSE_TENSOR_BYTES, DenseHessianLinearization, dense_chain
from measures.linearization import (
    FisherLinearization,
    GaussNewtonLinearization,
    HessianLinearization,
    Linearization,
    Piece,
)

Loss = Callable[[Tensor, Tensor], Tensor]
Batch = tuple[Tensor, Tensor]
Linearize = Callable[[Piece, Sequence[Tensor]], Linearization]
Which = Literal["all", "matrices"]

# A gradient graph was measured to hold 1.3 (MLP) to 1.9 times (convolutions) what its forward pass saves.
GRAPH_TO_FORWARD_BYTES = 2
# On a CPU the largest tensor of a piece is kept near the size of the cache, which bounds elementwise operations: a
# product of a convolutional network with 250 images took 156 ms in pieces of 8 or 4 MiB, 171 in one, 187 in pieces of
# 1 MiB; of an MLP of width 300 with 4,000 examples 115 ms in one piece, which 8 MiB hold, and 94 in two. Of fewer
# examples than 8, or where a piece saves less than the parameters take, the operations themselves or the sums over
# pieces cost more: an MLP of width 47 took 9 ms in two pieces, 12 in eight.
TENSOR_BYTES = 1 << 22
FEWEST_EXAMPLES = 8


class LinearOperator(Protocol):
    """A square matrix known by its products; a `torch.Tensor` of shape (p, p) is one."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def device(self) -> torch.device: ...
    def __matmul__(self, other: Tensor, /) -> Tensor: ...


class CurvatureOperator:
    """A Hessian, Gauss-Newton or Fisher matrix; `loss` and `gradient` are the mean loss and its gradient.

    It owns its graph: the memory is released with the object. A parameter that is changed in place while it lives
    makes the next product fail, rather than be wrong.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        pieces: list[Batch],
        parameters: list[nn.Parameter],
        *,
        linearize: Linearize,
        keep: bool,
    ):
        self._model, self._loss_function, self._pieces, self._parameters = model, loss, pieces, parameters
        self._linearize, self._versions = linearize, _versions(model)
        self._num_examples = sum(len(targets) for _, targets in pieces)
        total, gradient, graphs = 0.0, torch.zeros(self.shape[0], dtype=self.dtype, device=self.device), []
        for graph in self._rebuilt_graphs():
            total += graph.loss
            gradient += graph.gradient
            if keep:
                graphs.append(graph)
        if not (torch.isfinite(gradient).all() and math.isfinite(total)):
            raise ValueError(
                f"the loss ({total}) or its gradient is not finite: no curvature exists at these parameters"
            )
        self.loss, self.gradient = total, gradient
        self._graphs: list[Linearization] | None = graphs if keep else None

    @property
    def shape(self) -> tuple[int, int]:
        size = sum(parameter.numel() for parameter in self._parameters)
        return size, size

    @property
    def dtype(self) -> torch.dtype:
        return self._parameters[0].dtype

    @property
    def device(self) -> torch.device:
        return self._parameters[0].device

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """The matrix times one vector (p,) or the columns of a block (p, k)."""
        if vectors.ndim not in (1, 2) or vectors.shape[0] != self.shape[0]:
            raise ValueError(f"cannot multiply a {self.shape} operator by a tensor of shape {tuple(vectors.shape)}")
        if _versions(self._model) != self._versions:
            raise RuntimeError("a parameter was modified by an inplace operation since the operator was made of it")
        block = (vectors.unsqueeze(1) if vectors.ndim == 1 else vectors).to(self.dtype)
        graphs = self._graphs if self._graphs is not None else self._rebuilt_graphs()
        products = sum((graph.products(block) for graph in graphs), torch.zeros_like(block))
        return products.squeeze(1) if vectors.ndim == 1 else products

    def _rebuilt_graphs(self) -> Iterator[Linearization]:
        for inputs, targets in self._pieces:
            with evaluating(self._model), torch.enable_grad():
                loss = partial(self._share_of_loss, targets=targets)
                piece = Piece(self._model, inputs, loss, len(targets), self._num_examples)
                graph = self._linearize(piece, self._parameters)
            yield graph

    def _share_of_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What a piece adds to the mean loss over all examples."""
        loss = self._loss_function(outputs, targets)
        if loss.ndim != 0:
            raise ValueError(f"the loss must be a scalar mean over examples; got shape {tuple(loss.shape)}")
        return loss * (len(targets) / self._num_examples)


def hessian_operator(
    model: nn.Module, loss: Loss, data: Iterable[Batch], *, parameters: Which = "all", graph_bytes: int = 1 << 30
) -> CurvatureOperator:
    r"""The Hessian of the mean loss over all examples, as an operator.

    $H = \nabla^2 \frac1n \sum_i \ell(f(x_i), y_i)$ over the parameters that require a gradient, in the order of
    `model.parameters()`, flattened; the model is evaluated in evaluation mode. `loss` is the mean over the examples of
    a batch, and batches count by their size. "matrices" leaves out tensors of one dimension (biases, normalisation).
    Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994), eq. 4. One product costs about
    two forward and backward passes, half of that while the graph fits in `graph_bytes`; of chains of dense layers it is
    written out (`measures.dense_hessian`), and the vectors of a small block are multiplied together.

    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> data = [(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [0.0]]))]
    >>> hessian_operator(model, torch.nn.functional.mse_loss, data) @ torch.ones(1)  # 2 * mean(x^2)
    tensor([10.])
    """
    batches = list(data)
    is_dense = all(dense_chain(model, inputs) is not None for inputs, _ in batches)
    if is_dense:
        return _operator(model, loss, batches, parameters, graph_bytes, DenseHessianLinearization, DENSE_TENSOR_BYTES)
    return _operator(model, loss, batches, parameters, graph_bytes, HessianLinearization)


def ggn_operator(
    model: nn.Module, loss: Loss, data: Iterable[Batch], *, parameters: Which = "all", graph_bytes: int = 1 << 30
) -> CurvatureOperator:
    r"""The generalised Gauss-Newton matrix of the mean loss over all examples, as an operator.

    $G = \frac1n \sum_i J_i^T \, \nabla^2_f \ell(f(x_i), y_i) \, J_i$ with $J_i$ the Jacobian of the outputs in the
    parameters: the Hessian without the curvature of the network itself. It is positive semidefinite where the loss is
    convex in the outputs; for cross-entropy on logits it is the Fisher information matrix of the model. What `loss`
    does to the outputs counts as loss, so the split between network and loss matters. Arguments as for
    `hessian_operator`. Schraudolph, Fast curvature matrix-vector products, Neural Computation 14 (2002), section 3. One
    product costs about as much as one with the Hessian.

    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> data = [(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [0.0]]))]
    >>> ggn_operator(model, torch.nn.functional.mse_loss, data) @ torch.ones(1)  # linear: the Hessian
    tensor([10.])
    """
    return _operator(model, loss, data, parameters, graph_bytes, GaussNewtonLinearization)


def fisher_operator(
    model: nn.Module, loss: Loss, data: Iterable[Batch], *, parameters: Which = "all", graph_bytes: int = 1 << 30
) -> CurvatureOperator:
    r"""The empirical Fisher matrix of the mean loss, as an operator: the mean outer product of example gradients.

    $F = \frac1n \sum_i g_i g_i^T$, $g_i = \nabla \ell(f(x_i), y_i)$, with the labels of the data. It is not the Fisher
    information matrix, whose labels are drawn from the model (for cross-entropy that is `ggn_operator`), nor centred:
    the mean gradient is not taken off, nor a Hessian: it vanishes where every example is fitted (Kunstner, Balles,
    Hennig, Limitations of the empirical Fisher approximation, NeurIPS 2019, eq. 3). Outputs have one row an example,
    which depends on that example alone, and `loss` is the plain mean over rows. Arguments as for `hessian_operator`.

    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> model.weight.data.fill_(1.0)
    tensor([[1.]])
    >>> data = [(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [0.0]]))]
    >>> fisher_operator(model, torch.nn.functional.mse_loss, data) @ torch.ones(1)  # mean((2 x^2)^2)
    tensor([164.])
    """
    return _operator(model, loss, data, parameters, graph_bytes, FisherLinearization)


def _operator(
    model: nn.Module,
    loss: Loss,
    data: Iterable[Batch],
    parameters: Which,
    graph_bytes: int,
    linearize: Linearize,
    tensor_bytes: int = TENSOR_BYTES,
) -> CurvatureOperator:
    if parameters not in ("all", "matrices"):
        raise ValueError(f"parameters={parameters!r} is not valid: 'all' or 'matrices'")
    chosen = [p for p in model.parameters() if p.requires_grad and (parameters == "all" or p.ndim > 1)]
    _check_parameters(chosen, parameters)
    batches = [(inputs, targets) for inputs, targets in data if len(targets) > 0]
    if not batches:
        raise ValueError("the data hold no examples: a mean loss needs at least one")
    saved = _saved_bytes(model, batches[0][0][:1])
    num_kept = max(1, graph_bytes // (GRAPH_TO_FORWARD_BYTES * max(1, sum(saved))))
    piece_size = (
        min(num_kept, _rows_in_cache(saved, chosen, tensor_bytes)) if chosen[0].device.type == "cpu" else num_kept
    )
    pieces = [piece for batch in batches for piece in _pieces(batch, piece_size)]
    keep = sum(len(targets) for _, targets in pieces) <= num_kept
    return CurvatureOperator(model, loss, pieces, chosen, linearize=linearize, keep=keep)


def _check_parameters(chosen: list[nn.Parameter], which: str) -> None:
    if not chosen:
        raise ValueError(f"the model has no parameters to differentiate (parameters={which!r}, requiring a gradient)")
    kinds = {(parameter.dtype, parameter.device) for parameter in chosen}
    if len(kinds) > 1:
        raise ValueError(f"parameters must share one dtype and device; got {sorted(map(str, kinds))}")
    if chosen[0].dtype not in (torch.float32, torch.float64):
        raise ValueError(f"parameters are {chosen[0].dtype}; second derivatives need float32 or float64")


def _versions(model: nn.Module) -> list[int]:
    """How often each parameter has been changed in place."""
    return [parameter._version for parameter in model.parameters()]  # pyright: ignore[reportPrivateUsage]


def _rows_in_cache(saved: Sequence[int], parameters: Sequence[Tensor], tensor_bytes: int) -> int:
    """Examples of a piece that makes best use of a CPU, by what one example saves."""
    parameter_bytes = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
    return max(FEWEST_EXAMPLES, tensor_bytes // max(1, *saved), parameter_bytes // max(1, sum(saved)))


def _pieces(batch: Batch, size: int) -> Iterator[Batch]:
    """The batch in parts of about the same number of examples, at most `size`."""
    num_pieces = math.ceil(len(batch[1]) / size)
    return zip(batch[0].tensor_split(num_pieces), batch[1].tensor_split(num_pieces), strict=True)


def _saved_bytes(model: nn.Module, inputs: Tensor) -> list[int]:
    """Bytes of each tensor that a forward pass keeps for its backward pass; the model's own are left out."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    saved: dict[int, Tensor] = {}  # holds the tensors, so that no address is used twice

    def count(tensor: Tensor) -> None:
        if (address := tensor.untyped_storage().data_ptr()) not in own:
            saved[address] = tensor

    with evaluating(model), torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda _: inputs):
        outputs = model(inputs)
    return [tensor.numel() * tensor.element_size() for tensor in (*saved.values(), outputs)]


@contextmanager
def evaluating(model: nn.Module) -> Generator[None, None, None]:
    """Evaluation mode within the block; afterwards every submodule is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
