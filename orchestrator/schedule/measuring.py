"""Measurements are plain Ray tasks, each in isolation."""

from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import RayError

from orchestrator.plan import MeasurementTask
from orchestrator.schedule.cluster import MAX_DEATHS, Cluster
from workers.measuring import measure_checkpoint
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.trial import TrialResult

IN_FLIGHT_PER_SLOT = 2  # measurements submitted ahead, so that no slot waits for the driver


def measure(
    cluster: Cluster,
    tasks: Sequence[MeasurementTask],
    runtime: Runtime,
    on_result: Callable[[TrialSpec, TrialResult], None],
) -> None:
    """Measure all tasks, each in isolation; `on_result` hears of each as it ends."""
    resources = cluster.task_resources
    remote = ray.remote(measure_checkpoint).options(
        num_cpus=resources["CPU"], num_gpus=resources.get("GPU", 0), max_retries=MAX_DEATHS
    )
    waiting = list(reversed(tasks))
    running: dict[Any, MeasurementTask] = {}
    while waiting or running:
        while waiting and len(running) < cluster.slots * IN_FLIGHT_PER_SLOT:
            task = waiting.pop()
            running[remote.remote(task.trial, task.run_id, task.step, task.measure, runtime)] = task
        done, _ = ray.wait(list(running), num_returns=1)
        for reference in done:
            task = running.pop(reference)
            on_result(task.trial, _result(reference, task))


def _result(reference: Any, task: MeasurementTask) -> TrialResult:
    try:
        return ray.get(reference)
    except RayError as error:
        last_line = str(error).strip().splitlines()[-1]
        return TrialResult(task.run_id, f"{task.measure.name} failed", last_line)
