"""Length of the trajectory of the first bias (Loukas, Poiitis & Jegelka, NeurIPS 2021, arXiv 2106.04186, Theorem 1).

The paper's step ||b1(t+1) - b1(t)|| / (α ε), with α the learning rate and ε the loss derivative, is computed as
||∂l/∂b1|| / ε from the gradient: the same number for plain SGD, also at α = 0, free of the rounding of stored weights
and still meaningful with momentum or Adam, where the paper's is not. What the released code plots is not offered: it
takes the reciprocal of the ε of cross-entropy, pairs each step with the ε of the example before, and for the MLP
averages the steps of the repeats before it takes their norm, which no single run can do.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from measures.first_bias import first_bias
from workers.losses.loss import Loss
from workers.models.network import Network
from workers.online.of_bias import OfBias
from workers.online.online import Online, Step
from workers.online.series import Series


def bias_trajectory(network: Network, loss: Loss, *, layer: str | None = None) -> Online:
    """Path length of the first bias, each step divided by learning rate and loss derivative.

    The step is ||∂l/∂b1|| / ε, which for one example a step is ||∂f/∂b1||. Where the first layer is a frozen identity,
    that is the local Lipschitz constant ||∂f/∂x|| at the example; elsewhere it bounds it through the singular values of
    the first weights, as long as the layer shares no weights.

    `sum`, `mean` and `largest` are those of the epoch (the largest from an epoch on is the φ of a steady learner), and
    `total` is the sum of the means so far, as plotted. Steps with ε = 0 are left out and are `skipped`. These five are
    missing for a loss of several outputs, which has no scalar ε. A step of more than one example makes `sum`, `mean`
    and `largest` of its epoch NaN, and `total` from there on; `mean` and `largest` are NaN also where every step of the
    epoch was skipped. The same names with `unnormalised_` are of ||∂l/∂b1||, at any batch size: for plain SGD that is
    ||b1(t+1) - b1(t)|| / α.
    A diverging training makes any of them infinite or NaN. `layer` names another layer than the first with a bias.
    """
    # The slope of a regression is a difference, which rounds alike everywhere; that of a sigmoid takes an exponential.
    is_exact = loss.slope is None or loss.predict is None
    return _BiasTrajectory(first_bias(network.module, layer)[1], loss.slope, is_exact)


class _BiasTrajectory(OfBias):
    def __init__(self, bias: nn.Parameter, slope: Callable[[Tensor, Tensor], Tensor] | None, is_exact: bool) -> None:
        super().__init__(bias)
        self.slope = slope
        self.is_stackable = is_exact
        self.unnormalised, self.normalised = Series(bias.device), Series(bias.device)
        self.state = {f"unnormalised.{name}": tensor for name, tensor in self.unnormalised.state.items()}
        if slope is not None:
            self.state |= {f"normalised.{name}": tensor for name, tensor in self.normalised.state.items()}
            self.state["skipped"] = torch.zeros((), dtype=torch.int64, device=bias.device)

    def update(self, step: Step) -> None:
        length = torch.linalg.vector_norm(self.gradient, dim=-1, dtype=torch.float64)
        self.unnormalised.add(length)
        if self.slope is None:
            return
        if step.outputs.shape[-2] != 1:  # the gradient of a mean says nothing about the slope at any one example
            self.normalised.add(torch.full_like(length, torch.nan))
            return
        slope = self.slope(step.outputs.double(), step.targets)[..., 0]
        skipped = slope == 0
        self.normalised.add((length / slope).masked_fill(skipped, 0), ~skipped)
        self.state["skipped"] += skipped

    def summarise(self) -> dict[str, float]:
        numbers = {f"unnormalised_{name}": number for name, number in self.unnormalised.summarise().items()}
        if self.slope is None:
            return numbers
        skipped = float(self.state["skipped"].item())
        self.state["skipped"].zero_()
        return {**self.normalised.summarise(), "skipped": skipped, **numbers}
