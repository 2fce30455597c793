"""SGD, Adam and AdamW for a pack: every network with its own numbers, all parameters of all networks in one call.

The formulas are those of torch, whose own optimisers take one learning rate for all the parameters of a call.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workers.fits.dense_pack import DensePack

Optimizer = torch.optim.Optimizer


def optimizer_kind(optimizer: Optimizer) -> tuple[Any, ...] | None:
    """What optimisers have in common that can move one pack; None if this one cannot move any.

    Groups of parameters may differ in their weight decay alone.
    """
    group, *others = [
        {name: value for name, value in each.items() if name not in ("params", "weight_decay")}
        for each in optimizer.param_groups
    ]
    known = type(optimizer) in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)
    if not known or group["maximize"] or group.get("dampening") or group.get("amsgrad"):
        return None
    if any(other != group for other in others):
        return None
    # With one group the decay is a number a network, with more a row: neighbours must not decide which.
    shared = type(optimizer).__name__, len(optimizer.param_groups), group.get("decoupled_weight_decay", False)
    return (*shared, group["nesterov"], group["momentum"] != 0) if "momentum" in group else shared


class PackOptimizer:
    """Moves the networks of a pack as the optimiser of each would.

    What the optimisers remember becomes views of what is remembered here, so that their states are true at all times.
    """

    def __init__(self, optimizers: Sequence[Optimizer], pack: DensePack) -> None:
        self._pack, self._optimizers = pack, optimizers
        self._groups = [optimizer.param_groups[0] for optimizer in optimizers]
        self._decay = self._decays()
        self._step = self._take_over_sgd() if isinstance(optimizers[0], torch.optim.SGD) else self._take_over_adam()

    def step(self, rates: Sequence[float]) -> None:
        """One step of all networks, each at its learning rate."""
        self._step(rates)

    def _decays(self) -> Tensor:
        """Weight decay of each parameter: (networks, 1), or a row each where not all parameters decay alike."""
        if len(self._optimizers[0].param_groups) == 1:
            return self._column([group["weight_decay"] for group in self._groups])
        decays = torch.zeros_like(self._pack.parameters)
        for index, optimizer in enumerate(self._optimizers):
            decay = {
                parameter: group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]
            }
            for parameter, place in self._pack.places(decays, index):
                place.fill_(decay[parameter])
        return decays

    def _column(self, numbers: Sequence[float]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=self._pack.parameters.device).unsqueeze(1)

    def _slot(self, name: str) -> Tensor:
        """What the optimisers remember of each parameter under that name, in rows."""
        rows = torch.zeros_like(self._pack.parameters)
        for index, optimizer in enumerate(self._optimizers):
            for parameter, place in self._pack.places(rows, index):
                if (known := optimizer.state[parameter].get(name)) is not None:
                    place.copy_(known)
                optimizer.state[parameter][name] = place
        return rows

    def _gradients(self) -> Tensor:
        """With the coupled weight decay, whether there is any or not: so the sign of a 0 is no neighbour's matter."""
        return torch.addcmul(self._pack.gradients, self._pack.parameters, self._decay)

    def _take_over_sgd(self) -> Callable[[Sequence[float]], None]:
        parameters, nesterov = self._pack.parameters, self._groups[0]["nesterov"]
        momentum = self._column([group["momentum"] for group in self._groups])
        heavy = self._slot("momentum_buffer") if self._groups[0]["momentum"] else None
        minus_rate = _Kept(self._column)

        def step(rates: Sequence[float]) -> None:
            gradients = self._gradients()
            if heavy is not None:
                heavy.mul_(momentum).add_(gradients)
            direction = gradients if heavy is None else gradients.addcmul_(heavy, momentum) if nesterov else heavy
            parameters.addcmul_(direction, minus_rate([-rate for rate in rates]))

        return step

    def _take_over_adam(self) -> Callable[[Sequence[float]], None]:
        parameters, decoupled = self._pack.parameters, self._groups[0]["decoupled_weight_decay"]
        mean, square, steps = self._slot("exp_avg"), self._slot("exp_avg_sq"), self._steps()
        taken = [int(count) for count in steps[:, 0].tolist()]
        betas = [group["betas"] for group in self._groups]
        first, second = (self._column([beta[i] for beta in betas]) for i in (0, 1))
        rest_of_first, rest_of_second = (self._column([1 - beta[i] for beta in betas]) for i in (0, 1))
        epsilon = self._column([group["eps"] for group in self._groups])
        rate_column = _Kept(self._column)

        def step(rates: Sequence[float]) -> None:
            steps.add_(1)
            for index in range(len(taken)):
                taken[index] += 1
            if decoupled:
                gradients = self._pack.gradients
                parameters.mul_(1 - rate_column(rates) * self._decay)
            else:
                gradients = self._gradients()
            mean.mul_(first).addcmul_(gradients, rest_of_first)
            square.mul_(second).add_(gradients.square().mul_(rest_of_second))
            counted = list(zip(taken, betas, rates, strict=True))
            spread = self._column([1 / math.sqrt(1 - beta[1] ** count) for count, beta, _ in counted])
            minus_rate = self._column([-rate / (1 - beta[0] ** count) for count, beta, rate in counted])
            parameters.addcmul_(mean / square.sqrt().mul_(spread).add_(epsilon), minus_rate)

        return step

    def _steps(self) -> Tensor:
        """Numbers of steps taken, (networks, parameters), for an optimiser remembers its own for every parameter."""
        count = len(list(self._pack.places(self._pack.parameters, 0)))
        steps = torch.zeros(len(self._optimizers), count, device=self._pack.parameters.device)
        for index, optimizer in enumerate(self._optimizers):
            for number, (parameter, _) in enumerate(self._pack.places(self._pack.parameters, index)):
                if (known := optimizer.state[parameter].get("step")) is not None:
                    steps[index, number] = known
                optimizer.state[parameter]["step"] = steps[index, number]
        return steps


class _Kept:
    """A column of numbers that hardly ever change: made anew only when they do."""

    def __init__(self, make: Callable[[Sequence[float]], Tensor]) -> None:
        self._make, self._numbers, self._column = make, list[float](), torch.empty(0)

    def __call__(self, numbers: Sequence[float]) -> Tensor:
        if self._numbers != list(numbers):
            self._numbers, self._column = list(numbers), self._make(numbers)
        return self._column
