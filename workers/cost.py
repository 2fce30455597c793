"""What a trial will cost, estimated from what is known before it starts.

Good enough to begin with the longest, and to say of a study whether it takes an hour or a month.
"""

import math
from dataclasses import dataclass

from measures.registry import Component

FORWARD_AND_BACKWARD = 3  # times the operations of a forward pass


@dataclass(frozen=True)
class Rate:
    """What a device sustains when it trains: operations per second, and seconds that a step takes beside them."""

    flops_per_second: float
    seconds_per_step: float


CPU_CORE = Rate(5e10, 5e-4)  # one core of a 2024 server CPU, as measured on small networks
GPU = Rate(1e13, 1e-3)  # assumed: half of what a data-centre GPU of 2020 does in float32, and PyTorch's own launches


@dataclass(frozen=True)
class Cost:
    """Of one training: its steps, its floating-point operations, and the bytes of one of its checkpoints."""

    steps: int
    steps_per_epoch: int
    flops: float
    state_bytes: int

    def seconds(self, rate: Rate) -> float:
        """How long it takes on one device.

        >>> Cost(steps=100, steps_per_epoch=10, flops=1e9, state_bytes=0).seconds(CPU_CORE)
        0.07
        """
        return self.steps * rate.seconds_per_step + self.flops / rate.flops_per_second


def estimated_cost(fit: Component, num_train: int, flops_per_example: float, state_bytes: int) -> Cost:
    """From the floating-point operations of one example's forward pass.

    A fit that has no `epochs` or `batch_size` counts as one pass over the training set, all at once; one that may stop
    early, as if it did not.

    >>> cost = estimated_cost(Component("sgd", epochs=10, batch_size=100), 1000, 1e6, 0)
    >>> cost.steps, cost.flops
    (100, 30000000000.0)
    """
    settings = dict(fit.settings)
    epochs, batch_size = settings.get("epochs", 1), settings.get("batch_size", num_train)
    steps_per_epoch = math.ceil(num_train / batch_size)
    flops = FORWARD_AND_BACKWARD * epochs * num_train * flops_per_example
    return Cost(epochs * steps_per_epoch, steps_per_epoch, flops, state_bytes)
