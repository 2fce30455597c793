"""Session: what a fit may ask of the service while it runs. The store implements it; a test can, too."""

from collections.abc import Mapping
from typing import Protocol

from torch import nn

from workers.checkpoint import TrainingState


class Session(Protocol):
    """The record of one trial."""

    def newest_state(self, model: nn.Module, dataset_sha256: str) -> TrainingState | None:
        """The newest stored state that is whole, of this network and of these data; None if there is none.

        MisfitCheckpoint if there are whole ones, but all of another network or of other data. A fit asks for it first,
        but not before it has checked that it can do the problem: a rehearsal ends here.
        """
        ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record step metrics. A point that is already stored is not stored again."""
        ...

    def save(self, state: TrainingState) -> None:
        """Store a checkpoint, after every metric logged before it."""
        ...

    def checkpoint_steps(self, total_steps: int, steps_per_epoch: int) -> frozenset[int]:
        """Steps at which `save` is wanted."""
        ...
