"""Measurements are plain Ray tasks, each in isolation."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError

from orchestrator.plan import MeasurementTask
from orchestrator.schedule.cluster import MAX_DEATHS, Cluster
from workers.measuring import measure_checkpoint
from workers.runtime import Runtime
from workers.trial import TrialResult

IN_FLIGHT_PER_SLOT = 2  # measurements submitted ahead, so that no slot waits for the driver


class Measurements:
    """Measures what it is given, on whatever the cluster has free; `on_result` hears of each as it ends.

    Ray gives a free core or GPU to the next trial in its process before it gives it to a task, so measurements fill the
    gaps that trainings leave and delay none of them.
    """

    def __init__(
        self, cluster: Cluster, runtime: Runtime, on_result: Callable[[MeasurementTask, TrialResult], None]
    ) -> None:
        self._remote: Any = ray.remote(measure_checkpoint)
        self._cluster, self._runtime, self._on_result = cluster, runtime, on_result
        self._most_running = cluster.slots * IN_FLIGHT_PER_SLOT
        self._waiting: deque[MeasurementTask] = deque()
        self._running: dict[Any, MeasurementTask] = {}

    def add(self, tasks: Iterable[MeasurementTask]) -> None:
        """Measure these too, after those added before."""
        self._waiting.extend(tasks)

    def advance(self, seconds: float | None = 0) -> None:
        """Submit what there is room for, and tell of what has ended within so many seconds; of one, if None."""
        while self._waiting and len(self._running) < self._most_running:
            task = self._waiting.popleft()
            self._running[self._submit(task)] = task
        if not self._running:
            return
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=seconds)
        for reference in done:
            task = self._running.pop(reference)
            self._on_result(task, _result(reference, task))

    def finish(self) -> None:
        """Wait until everything is measured."""
        while self._waiting or self._running:
            self.advance(None)

    def _submit(self, task: MeasurementTask) -> Any:
        resources = self._cluster.measurement_resources(task.needs)
        runtime = replace(self._runtime, threads=max(1, int(resources["CPU"])))
        remote = self._remote.options(
            name=f"{task.measure.name} at step {task.step}",
            num_cpus=resources["CPU"],
            num_gpus=resources.get("GPU", 0),
            memory=resources.get("memory"),
            max_retries=MAX_DEATHS,
        )
        return remote.remote(task.trial, task.run_id, task.step, task.measure, runtime, task.needs)


def _result(reference: Any, task: MeasurementTask) -> TrialResult:
    try:
        return ray.get(reference)
    except RayError as error:  # its process died, again and again
        reason = str(error).strip().splitlines()[-1]
        return TrialResult(task.run_id, f"{task.measure.name} failed", f"its process died: {reason}")
