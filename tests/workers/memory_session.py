"""A session in memory, which can end the training by force."""

import json
from collections.abc import Mapping

from torch import nn

from workers.checkpoint import TrainingState, decode, encode, require_fit


class Cut(Exception):
    """The process dies here."""


class MemorySession:
    """A session in memory; `cut_at` ends the training by force at that step, after what was logged and saved."""

    def __init__(self, wanted: frozenset[int], start: TrainingState | None = None, cut_at: int | None = None) -> None:
        self.wanted, self.start, self.cut_at = wanted, start, cut_at
        self.points: dict[tuple[str, int], float] = {}
        self.states: dict[int, TrainingState] = {}

    def newest_state(self, model: nn.Module, dataset_sha256: str) -> TrainingState | None:
        if self.start is not None:
            require_fit(self.start, model, dataset_sha256)
        return self.start

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.points |= {(key, step): value for key, value in metrics.items()}

    def save(self, state: TrainingState) -> None:
        # Through the bytes, as a stored one goes; this also detaches it from the live tensors.
        data, manifest = encode(state, "trial")
        self.states[state.step] = decode(data, json.dumps(manifest), "trial")
        if self.cut_at is not None and state.step >= self.cut_at:
            raise Cut

    def checkpoint_steps(self, total_steps: int, steps_per_epoch: int) -> frozenset[int]:
        return self.wanted | {total_steps}
