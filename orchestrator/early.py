"""Early measurements: of the checkpoints of trials that still train.

The store is asked for one trial in training at a time, now and then, which costs it the same however many train at
once, and is the same for a trial in one process and for one in a gang.
"""

import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from orchestrator.plan import MeasurementTask, missing_measurements
from orchestrator.study import Study
from workers.measuring import measurement_stage
from workers.spec import TrialSpec
from workers.store_address import StoreUnreachable
from workers.tracking import RunStore

SECONDS_BETWEEN_LOOKS = 1.0


class Early:
    """Finds what can be measured already, each measurement once."""

    def __init__(self, store: RunStore, study: Study) -> None:
        self._store, self._study = store, study
        self._training: deque[tuple[TrialSpec, str]] = deque()
        self._given: set[tuple[str, str]] = set()
        self._looked = time.monotonic()

    def began(self, trial: TrialSpec, run_id: str) -> None:
        """A trial trains."""
        if any(measured.at == "checkpoints" for measured in self._study.measured):
            self._training.append((trial, run_id))

    def ended(self, trial: TrialSpec, run_id: str) -> None:
        """A trial does not train any more: it is no longer looked at."""
        with suppress(ValueError):
            self._training.remove((trial, run_id))

    def found(self) -> list[MeasurementTask]:
        """What the trial whose turn it is has stored since; nothing if the last look was a moment ago."""
        if not self._training or time.monotonic() - self._looked < SECONDS_BETWEEN_LOOKS:
            return []
        self._training.rotate(1)
        trial, run_id = self._training[0]
        found: list[MeasurementTask] = []
        with suppress(StoreUnreachable), self._store.impatient():  # then the next look finds it
            found = self.new(missing_measurements(self._study, trial, self._store.get(run_id)))
        self._looked = time.monotonic()
        return found

    def new(self, tasks: Iterable[MeasurementTask]) -> list[MeasurementTask]:
        """Those that were not given before."""
        keyed = {(task.run_id, measurement_stage(task.measure, task.step)): task for task in tasks}
        new = {key: task for key, task in keyed.items() if key not in self._given}
        self._given |= new.keys()
        return list(new.values())
