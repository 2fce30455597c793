"""Runtime: everything about a trial's surroundings that must not change a number."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Runtime:
    """Where results go, where prepared data lie, what to compute on, how often to checkpoint."""

    tracking_uri: str
    cache: Path  # prepared data sets of this node
    device: str = "cpu"
    threads: int = 1  # of torch; one per CPU that the trial holds
    checkpoints_per_decade: int = 2
    checkpoint_fraction: float = 0.1  # of the training an interruption may cost

    def on(self, device: str) -> "Runtime":
        """The same surroundings with another device."""
        return replace(self, device=device)


def checkpoint_steps(total_steps: int, per_decade: int, fraction: float) -> frozenset[int]:
    """Steps to checkpoint at: the first, log-spaced ones, one at least every `fraction` of the way, the last."""
    steps = {0, total_steps}
    exponent = 0
    while (step := round(10 ** (exponent / per_decade))) < total_steps:
        steps.add(step)
        exponent += 1
    stride = max(1, round(total_steps * fraction))
    steps.update(range(stride, total_steps, stride))
    return frozenset(steps)
