"""Network: a module together with the names of its hidden representations."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Network:
    """`layers` names the submodules whose outputs are the hidden representations, in forward order."""

    module: nn.Module
    layers: tuple[str, ...]

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())
