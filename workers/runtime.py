"""Runtime: everything about a trial's surroundings that must not change a number."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from workers.own_entries import OwnEntries


@dataclass(frozen=True)
class Checkpoints:
    """When to keep the state of a training, beside its start, its end and its interpolation threshold.

    `fraction` bounds what an interruption may cost; the others serve measures along the training.
    """

    per_decade: int = 2  # of steps, log-spaced
    fraction: float = 0.1  # of the training
    every_epochs: int | None = None
    last_epochs: int = 0  # the ends of that many last epochs

    def __post_init__(self) -> None:
        if self.per_decade < 1:
            raise ValueError(f"per_decade={self.per_decade} is not valid: at least 1")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction={self.fraction} is not valid: above 0, at most 1")
        if self.every_epochs is not None and self.every_epochs < 1:
            raise ValueError(f"every_epochs={self.every_epochs} is not valid: at least 1, or None")
        if self.last_epochs < 0:
            raise ValueError(f"last_epochs={self.last_epochs} is not valid: at least 0")

    def steps(self, total_steps: int, steps_per_epoch: int) -> frozenset[int]:
        """Numbers of finished steps after which to keep the state."""
        steps = {0, total_steps}
        exponent = 0
        while (step := round(10 ** (exponent / self.per_decade))) < total_steps:
            steps.add(step)
            exponent += 1
        stride = max(1, round(total_steps * self.fraction))
        steps.update(range(stride, total_steps, stride))
        if self.every_epochs is not None:
            steps.update(range(0, total_steps, self.every_epochs * steps_per_epoch))
        steps.update(total_steps - k * steps_per_epoch for k in range(self.last_epochs))
        return frozenset(step for step in steps if step >= 0)


@dataclass(frozen=True)
class Needs:
    """What one measurement gets of a cluster, and at most.

    `memory_gb` is what it may take beyond its process and its data; Ray starts no more measurements on a node than fit
    there. Without it their number is bounded by CPUs and GPUs alone.
    """

    cpus: float = 1.0
    gpus: float | None = None  # a fraction shares one; None is one GPU where the cluster has any
    memory_gb: float | None = None  # 10**9 bytes
    hours: float = 24.0

    def __post_init__(self) -> None:
        for name in ("cpus", "memory_gb", "hours"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name}={value} is not valid: above 0")
        if self.gpus is not None and not (0 <= self.gpus < 1 or self.gpus in range(1, 1025)):
            raise ValueError(f"gpus={self.gpus} is not valid: a whole number, or a fraction below 1")


@dataclass(frozen=True)
class Runtime:
    """Where results go, where prepared data lie, what to compute on, when to checkpoint."""

    tracking_uri: str
    cache: Path  # prepared data sets of this node
    device: str = "cpu"
    threads: int = 1  # of torch; one per CPU that the trial holds
    flush_seconds: float = 2.0  # for which a trial's metrics wait, so that one request carries many
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    pack: bool = True  # whether trials that can train together do
    own: OwnEntries | None = None  # a user's entries, which every process has to know

    def on(self, device: str) -> "Runtime":
        """The same surroundings with another device."""
        return replace(self, device=device)
