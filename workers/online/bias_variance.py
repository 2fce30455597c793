"""Variance of the first bias within an epoch (Loukas, Poiitis & Jegelka, NeurIPS 2021, arXiv 2106.04186, Cor. 2)."""

import math

import torch
from torch import nn

from measures.first_bias import first_bias
from workers.losses.loss import Loss
from workers.models.network import Network
from workers.online.of_bias import OfBias
from workers.online.online import Online, Step


def bias_variance(network: Network, _loss: Loss, *, layer: str | None = None) -> Online:
    """Mean squared distance of the first bias from its mean over an epoch.

    `variance` is avg ||b1(t) - avg b1||² over the values after each step of the epoch; `over_squared_rate` is that
    divided by the square of the epoch's mean learning rate, as the paper plots it. The latter is NaN where the rate was
    zero throughout, both where the epoch had no step; a diverging training makes them infinite or NaN. `layer` names
    another layer than the first with a bias.
    """
    return _BiasVariance(first_bias(network.module, layer)[1])


class _BiasVariance(OfBias):
    """Welford's recurrence: the mean, and the sum of the squared distances from it, without storing the values."""

    def __init__(self, bias: nn.Parameter) -> None:
        super().__init__(bias)
        self.state = {
            "mean": torch.zeros_like(bias, dtype=torch.float64),
            "squares": torch.zeros((), dtype=torch.float64, device=bias.device),
            "rates": torch.zeros((), dtype=torch.float64, device=bias.device),
            "count": torch.zeros((), dtype=torch.int64, device=bias.device),
        }

    def update(self, step: Step) -> None:
        value, mean = self.value, self.vector(self.state["mean"])
        self.state["count"] += 1
        before = value - mean
        mean += before / self.state["count"].unsqueeze(-1)
        self.state["squares"] += (before * (value - mean)).sum(dim=-1)
        self.state["rates"] += step.learning_rate

    def summarise(self) -> dict[str, float]:
        count, squares, rates = (self.state[name].item() for name in ("count", "squares", "rates"))
        for tensor in self.state.values():
            tensor.zero_()
        if not count:
            return {"variance": math.nan, "over_squared_rate": math.nan}
        variance, rate = squares / count, rates / count
        return {"variance": variance, "over_squared_rate": variance / rate / rate if rate else math.nan}
