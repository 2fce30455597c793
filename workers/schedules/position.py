"""Position: where in a training an optimiser step lies."""

from typing import NamedTuple


class Position(NamedTuple):
    """The step about to be taken, counted from 0, in a training of `epochs` epochs of `steps_per_epoch` steps."""

    step: int
    steps_per_epoch: int
    epochs: int

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self.step // self.steps_per_epoch
