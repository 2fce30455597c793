"""How the layers of a network respond to an infinitesimal step of its input."""

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from measures.operators import evaluating


def directional_derivatives(
    model: nn.Module, inputs: Tensor, directions: Tensor, layers: Sequence[str]
) -> dict[str, Tensor]:
    """For each layer the derivative of its output along each example's direction, as (examples, features).

    In evaluation mode, by one pass of forward-mode differentiation, at about twice the cost of a forward pass.
    NotImplementedError for an operation for which torch has no forward mode.

    >>> model = nn.Sequential(nn.Linear(2, 1, bias=False))
    >>> model[0].weight.data = torch.tensor([[3.0, 4.0]])
    >>> directional_derivatives(model, torch.zeros(2, 2), torch.eye(2), ["0"])["0"].tolist()
    [[3.0], [4.0]]
    """
    found: dict[str, Tensor] = {}
    modules = dict(model.named_modules())
    handles = [modules[layer].register_forward_hook(_recorder(layer, found)) for layer in layers]
    try:
        with evaluating(model), torch.no_grad(), forward_ad.dual_level():
            with warnings.catch_warnings():
                # The first call makes torch import rules that it compiles in a way it deprecates itself.
                warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", FutureWarning)
                dual = forward_ad.make_dual(inputs.clone(), directions)
            model(dual)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _recorder(layer: str, found: dict[str, Tensor]) -> Callable[[nn.Module, tuple[object, ...], Tensor], None]:
    def record(_module: nn.Module, _inputs: tuple[object, ...], output: Tensor) -> None:
        # A copy: an in-place activation that follows would overwrite output and derivative.
        value, derivative = forward_ad.unpack_dual(output.clone())
        found[layer] = (torch.zeros_like(value) if derivative is None else derivative).flatten(start_dim=1)

    return record
