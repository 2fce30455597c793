"""TrialRun: the session of one trial that is being trained, on the store.

It holds a lease: a tag that the driver sets anew at every launch. A process left over from an earlier launch sees that
the tag has changed and stops, so no point is written twice. Metrics wait a moment in memory, so that one request
carries many, and are always stored before the checkpoint that follows them.
"""

import json
import time
from collections.abc import Mapping

from torch import nn

from workers.checkpoint import (
    MANIFEST_FILE,
    STATE_FILE,
    DamagedCheckpoint,
    MisfitCheckpoint,
    TrainingState,
    checkpoint_folder,
    encode,
    require_fit,
)
from workers.record import RunRecord, Sample, now_ms
from workers.runtime import Runtime
from workers.tracking import RunStore

FLUSH_SECONDS = 2.0
LEASE = "sweep.lease"


class Superseded(RuntimeError):
    """Another launch has taken this trial over; this one must stop writing."""


class TrialRun:
    """Implements `workers.session.Session`; see there."""

    def __init__(self, store: RunStore, run_id: str, lease: str, runtime: Runtime) -> None:
        self.store, self.run_id, self.lease, self.runtime = store, run_id, lease, runtime
        record = self.held_record()
        self.trial_id = record.trial_id
        self.stored_steps = {key: point.step for key, point in record.points.items()}
        self.checkpoints = record.checkpoints
        self.waiting: list[Sample] = []
        self.flushed = time.monotonic()

    def held_record(self) -> RunRecord:
        """The run as stored now; Superseded if its lease is another launch's."""
        record = self.store.get(self.run_id)
        if record.tags.get(LEASE) != self.lease:
            raise Superseded(f"run {self.run_id} was taken over by launch {record.tags.get(LEASE)!r}")
        return record

    def describe(self, provenance: Mapping[str, str]) -> None:
        """Record where the numbers come from; part of no identity."""
        self.store.set_tags(self.run_id, {f"provenance.{key}": value for key, value in provenance.items()})

    def newest_state(self, model: nn.Module, dataset_sha256: str) -> TrainingState | None:
        misfit: MisfitCheckpoint | None = None
        for step in reversed(self.checkpoints):
            try:
                state = self.store.read_state(self.run_id, self.trial_id, step)
                require_fit(state, model, dataset_sha256)
                return state
            except (DamagedCheckpoint, FileNotFoundError, MisfitCheckpoint) as error:
                self.store.set_tags(self.run_id, {f"damaged.{step}": str(error)})
                misfit = error if isinstance(error, MisfitCheckpoint) else misfit
        # The stored metrics are those of another network or other data: to begin again would mix them with this one's.
        if misfit is not None:
            raise misfit
        return None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        now = now_ms()
        self.waiting += [
            Sample(key, value, step, now) for key, value in metrics.items() if step > self.stored_steps.get(key, -1)
        ]
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Store the metrics that wait."""
        self.held_record()
        if self.waiting:
            self.store.log_samples(self.run_id, self.waiting)
        self.waiting.clear()
        self.flushed = time.monotonic()

    def save(self, state: TrainingState) -> None:
        self.flush()
        data, manifest = encode(state, self.trial_id)
        folder = checkpoint_folder(state.step)
        self.store.write_file(self.run_id, f"{folder}/{STATE_FILE}", data)
        self.store.write_file(self.run_id, f"{folder}/{MANIFEST_FILE}", json.dumps(manifest, indent=1).encode())
        committed = {f"checkpoint.{state.step}": manifest["sha256"], "provenance.dataset_sha256": state.dataset_sha256}
        self.store.set_tags(self.run_id, committed)

    def checkpoint_steps(self, total_steps: int, steps_per_epoch: int) -> frozenset[int]:
        return self.runtime.checkpoints.steps(total_steps, steps_per_epoch)
