"""A training small enough to check by hand, for the tests of what is measured during one."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from measures.registry import Component
from workers.losses import losses
from workers.losses.loss import Loss
from workers.models.network import Network
from workers.online import online
from workers.online.online import Online, Step

MSE: Loss = losses.call(Component("half_mean_squared_error"), None)
BCE: Loss = losses.call(Component("half_binary_cross_entropy"), 2)
CROSS_ENTROPY: Loss = losses.call(Component("cross_entropy"), 3)
RATES = [0.1, 0.3, 0.02]


def frozen_identity_network(num_outputs: int = 1, dtype: torch.dtype = torch.float64) -> Network:
    """Loukas et al.'s: a first layer of which only the bias is trained."""
    torch.manual_seed(3)
    first = nn.Linear(5, 5)
    nn.init.eye_(first.weight).requires_grad_(False)
    modules = {
        "input_bias": first,
        "relu": nn.ReLU(),
        "hidden": nn.Sequential(nn.Linear(5, 16), nn.ReLU()),
        "output": nn.Linear(16, num_outputs),
    }
    return Network(nn.Sequential(OrderedDict(modules)).to(dtype), ("hidden",))


class Training:
    """Plain SGD written out, that feeds a measure; every step's batch and rate are functions of its number."""

    def __init__(self, component: Component, loss: Loss = MSE, batch_size: int = 1, **network: Any) -> None:
        self.network = frozen_identity_network(loss.num_outputs, **network)
        self.loss, self.batch_size, self.step = loss, batch_size, 0
        self.dtype = self.network.module.get_parameter("output.weight").dtype
        self.measure: Online = online.call(component, self.network, loss)

    def batch(self) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.step)
        inputs = torch.randn(self.batch_size, 5, generator=generator, dtype=torch.float64).to(self.dtype)
        if self.loss is MSE:
            return inputs, inputs.square().sum(dim=1)
        return inputs, (inputs[:, 0] > 0).long()

    def train_step(self, rate: float | None = None) -> None:
        inputs, targets = self.batch()
        rate = RATES[self.step % len(RATES)] if rate is None else rate
        self.network.module.zero_grad()
        outputs = self.network.module(inputs)
        self.loss.mean(outputs, targets).backward()
        with torch.no_grad():
            for parameter in self.network.module.parameters():
                if parameter.grad is not None:
                    parameter -= rate * parameter.grad
        self.measure.update(Step(rate, outputs.detach(), targets))
        self.step += 1

    def epoch(self, num_steps: int, observe: Callable[["Training"], Any]) -> tuple[dict[str, float], list[Any]]:
        """Summary of an epoch, and what was observed after each of its steps."""
        seen = []
        for _ in range(num_steps):
            self.train_step()
            seen.append(observe(self))
        return self.measure.summarise(), seen
