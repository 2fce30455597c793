"""TrialRun: the session of one trial that is being trained, on the store.

It holds a lease: a tag that the driver sets anew at every launch. A process left over from an earlier launch sees that
the tag has changed and stops, so no point is written twice. Metrics wait a moment in memory, so that one request
carries many, and are always stored before the checkpoint that follows them. While the store does not answer the
training goes on, and everything waits on this node's disk.
"""

import json
import time
from collections.abc import Callable, Mapping

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
from workers.record import RunRecord, Sample, checkpoint_tag, now_ms
from workers.runtime import Runtime
from workers.spool import Spool
from workers.store_address import StoreUnreachable
from workers.tracking import RunStore

RETRY_SECONDS = 5.0  # between two attempts to reach a store that did not answer


Watch = Callable[[int, Mapping[str, float]], None]  # hears of every step's metrics, and may end the training


class Superseded(RuntimeError):
    """Another launch has taken this trial over; this one must stop writing."""


class TrialRun:
    """Implements `workers.session.Session`; see there."""

    def __init__(self, store: RunStore, run_id: str, lease: str, runtime: Runtime, watch: Watch | None = None) -> None:
        self.store, self.run_id, self.lease, self.runtime = store, run_id, lease, runtime
        self.watch = watch
        self.spool = Spool(runtime.cache / "spool" / run_id)
        self.drain()  # what an earlier process of this trial could not send
        record = self.held_record()
        self.trial_id = record.trial_id
        self.stored_steps = {key: point.step for key, point in record.points.items()}
        self.checkpoints = record.checkpoints
        self.waiting: list[Sample] = []
        self.failed = -RETRY_SECONDS  # when the store last did not answer
        self.flushed = time.monotonic()

    def held_record(self) -> RunRecord:
        """The run as stored now; Superseded if its lease is another launch's."""
        record = self.store.get(self.run_id)
        if record.lease != self.lease:
            raise Superseded(f"run {self.run_id} was taken over by launch {record.lease!r}")
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
        # Whoever watches may end the training and its process: all that it is judged by is stored before.
        if self.watch is not None or time.monotonic() - self.flushed > self.runtime.flush_seconds:
            self.flush()
        if self.watch is not None:
            self.watch(step, metrics)

    def flush(self) -> None:
        """Store the metrics that wait."""
        samples = self._taken()

        def send() -> None:
            self.held_record()
            if samples:
                self.store.log(self.run_id, samples)

        if not self._sent(send) and samples:
            self.spool.add_samples(samples)

    def _taken(self) -> list[Sample]:
        """The metrics that wait, which no longer do."""
        samples, self.waiting = self.waiting, []
        self.flushed = time.monotonic()
        return samples

    def save(self, state: TrainingState) -> None:
        samples = self._taken()
        data, manifest = encode(state, self.trial_id)
        folder = checkpoint_folder(state.step)
        files = {f"{folder}/{STATE_FILE}": data, f"{folder}/{MANIFEST_FILE}": json.dumps(manifest, indent=1).encode()}
        tags = {checkpoint_tag(state.step): manifest["sha256"], "provenance.dataset_sha256": state.dataset_sha256}

        def send() -> None:
            self.held_record()
            for path, content in files.items():
                self.store.write_file(self.run_id, path, content)
            self.store.log(self.run_id, samples, tags)

        if not self._sent(send):
            self.spool.add_checkpoint(state.step, files, samples, tags)

    def drain(self) -> None:
        """Wait until the store has taken everything; StoreUnreachable once its patience ends, and all is kept."""
        if len(self.spool):
            self.held_record()
            self.spool.ship(self.store, self.run_id)

    def _sent(self, send: Callable[[], None]) -> bool:
        """Whether the store has taken it; not if it does not answer, or others wait before this."""
        if len(self.spool) and time.monotonic() - self.failed < RETRY_SECONDS:
            return False
        try:
            with self.store.impatient():
                self.drain()
                send()
        except StoreUnreachable:
            self.failed = time.monotonic()
            return False
        return True

    def checkpoint_steps(self, total_steps: int, steps_per_epoch: int) -> frozenset[int]:
        return self.runtime.checkpoints.steps(total_steps, steps_per_epoch)
