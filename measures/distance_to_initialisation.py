"""How far the weights of a network are from where they started, from two checkpoints.

It needs two sets of weights and no data, so it is a function and not a measure of a snapshot. The distance at every
step is an online measure, which uses the same formula.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

Weights = nn.Module | Mapping[str, Tensor]


def distance_to_initialisation(model: Weights, initial: Weights) -> dict[str, float]:
    r"""Euclidean distance of each parameter to its initial value, and of all together under the name "all".

    $\|\theta - \theta_0\|_2$ in float64 (Loukas, Poiitis, Jegelka, arXiv 2106.04186, corollary 3, for the first bias).
    Of two networks their parameters are compared, of two state dicts all floating-point tensors in them: running
    statistics of batch norm too. ValueError where names, shapes or values do not allow it.

    >>> distance_to_initialisation({"w": torch.tensor([3.0, 4.0])}, {"w": torch.zeros(2)})
    {'w': 5.0, 'all': 5.0}
    """
    now, then = _tensors(model), _tensors(initial)
    if now.keys() != then.keys():
        strays = sorted(now.keys() ^ then.keys())
        raise ValueError(f"the two sets of weights do not match: only one of them holds {', '.join(strays)}")
    if not now:
        raise ValueError("there are no floating-point weights to compare")
    distances = {name: _checked_distance(name, now[name], then[name]) for name in now}
    together = torch.linalg.vector_norm(torch.tensor(list(distances.values()), dtype=torch.float64))
    return distances | {"all": float(together)}


def tensor_distance(tensor: Tensor, initial: Tensor) -> Tensor:
    """Euclidean distance of two tensors, in float64."""
    return torch.linalg.vector_norm(tensor.detach().double() - initial)


def _tensors(weights: Weights) -> dict[str, Tensor]:
    named = weights.named_parameters() if isinstance(weights, nn.Module) else weights.items()
    return {name: tensor for name, tensor in named if tensor.is_floating_point()}


def _checked_distance(name: str, tensor: Tensor, initial: Tensor) -> float:
    if tensor.shape != initial.shape:
        raise ValueError(f"{name!r} has shape {tuple(tensor.shape)}, and {tuple(initial.shape)} initially")
    distance = float(tensor_distance(tensor, initial.detach()))
    if not torch.isfinite(torch.tensor(distance)):
        raise ValueError(f"{name!r} holds NaN or infinity")
    return distance
