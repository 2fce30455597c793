"""Distance to the initial weights (Loukas, Poiitis & Jegelka, NeurIPS 2021, arXiv 2106.04186, Cor. 3)."""

import torch
from torch import nn

from measures.distance_to_initialisation import tensor_distance
from measures.first_bias import first_bias
from workers.losses.loss import Loss
from workers.models.network import Network
from workers.online.of_bias import OfBias
from workers.online.online import Online, Step
from workers.online.series import Series


def distance_to_initialisation(
    network: Network, _loss: Loss, *, layer: str | None = None, all_parameters: bool = False
) -> Online:
    """Distance of the first bias to its initial value and, if asked for, of all parameters to theirs.

    `mean` and `largest` are of ||b1(t) - b1(0)|| after each step of the epoch (NaN if it had none), `last` after the
    last one. `all_parameters` adds the distance of all trainable parameters together at the end of the epoch, which
    costs no time at a step but another copy of them in memory and in every checkpoint. A diverging training makes any
    of them infinite or NaN. `layer` names another layer than the first with a bias.
    """
    trainable = {name: each for name, each in network.module.named_parameters() if each.requires_grad}
    return _Distance(first_bias(network.module, layer)[1], trainable if all_parameters else {})


class _Distance(OfBias):
    def __init__(self, bias: nn.Parameter, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__(bias)
        self.parameters = parameters
        self.is_stackable = not parameters
        self.series = Series(bias.device)
        self.state = {
            **self.series.state,
            "initial_bias": bias.detach().clone(),
            **{f"initial.{name}": parameter.detach().clone() for name, parameter in parameters.items()},
        }

    def update(self, step: Step) -> None:
        initial = self.vector(self.state["initial_bias"])
        self.series.add(torch.linalg.vector_norm(self.value - initial, dim=-1))

    def summarise(self) -> dict[str, float]:
        epoch = self.series.summarise()
        numbers = {"mean": epoch["mean"], "largest": epoch["largest"]}
        numbers["last"] = tensor_distance(self.bias, self.state["initial_bias"]).item()
        if self.parameters:
            each = [
                tensor_distance(parameter, self.state[f"initial.{name}"]) for name, parameter in self.parameters.items()
            ]
            numbers["all_parameters"] = torch.linalg.vector_norm(torch.stack(each)).item()
        return numbers
