"""Online measures of one bias, which can be taken of all networks of a pack in one go."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from workers.online.online import Step


class OfBias(ABC):
    """What the online measures of a bias have in common.

    `state` and `bias` are of one network, the bias of any shape; of many at once once they are `stacked`: then every
    tensor has a first dimension more, one entry for each network, and biases are vectors, filled up with zeros.
    """

    state: dict[str, Tensor]
    is_stackable = True  # whether a step's arithmetic is the same, bit for bit, for one network and for many

    def __init__(self, bias: nn.Parameter) -> None:
        self.bias = bias
        self.is_stacked = False

    def vector(self, tensor: Tensor) -> Tensor:
        """The tensor as (features,) or (networks, features)."""
        return tensor if self.is_stacked else tensor.view(-1)

    @abstractmethod
    def update(self, step: Step) -> None:
        """As of every online measure."""

    @property
    def value(self) -> Tensor:
        """The bias as it is now, in float64."""
        return self.vector(self.bias.detach()).double()

    @property
    def gradient(self) -> Tensor:
        """The gradient that the last step used."""
        if self.bias.grad is None:
            raise ValueError("the bias has no gradient: its layer takes no part in the loss; name another `layer`")
        return self.vector(self.bias.grad)


def stacked(each: Sequence[OfBias], of_all: Callable[[nn.Parameter], nn.Parameter]) -> OfBias:
    """One measure that updates the states of all of these, which become views of its own.

    `of_all` gives, for the bias of the first, that of all networks, (networks, features), with its gradient.
    """
    first = each[0]
    bias = of_all(first.bias)
    replaced: dict[int, object] = {id(first.bias): bias}
    for name, tensor in first.state.items():
        shape = (len(each), *([bias.shape[1]] if tensor.ndim else []))
        whole = torch.zeros(shape, dtype=tensor.dtype, device=tensor.device)
        for index, member in enumerate(each):
            own = member.state[name]
            place = whole[index][: len(own)] if own.ndim else whole[index]
            place.copy_(own)
            own.data = place  # wherever the measure refers to it
        replaced[id(tensor)] = whole
    together = copy.deepcopy(first, replaced)
    together.is_stacked = True
    return together
