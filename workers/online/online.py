"""Online: a measure of the training itself, which no stored checkpoint can give afterwards.

The training loop creates it from the network with its initial weights and feeds it every step. What it remembers is a
fixed set of tensors, which the checkpoint holds, so that a run that is cut and resumed measures what the uninterrupted
one does. The sums are in float64: an epoch may have a million steps.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """An optimiser step, seen after it was taken, with the gradients it used still in `.grad`.

    `outputs` (n, num_outputs), detached, and `targets` (n,) are those of the batch, before the step. Of many networks
    at once (`workers.online.of_bias`) all three have a first dimension more.
    """

    learning_rate: float | Tensor
    outputs: Tensor
    targets: Tensor


class Online(Protocol):
    """`state` is all that must survive an interruption: its names and shapes are fixed, its tensors change in place."""

    state: dict[str, Tensor]

    def update(self, step: Step) -> None:
        """Take note of a step, without reading a tensor: that would make every step wait for the device."""
        ...

    def summarise(self) -> dict[str, float]:
        """Numbers of the epoch that has ended, by name; the next epoch starts."""
        ...
