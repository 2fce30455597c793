"""The only file that imports Ray: Tune trains the trials, plain tasks measure the checkpoints.

Tune gets one grid over the list of what is still to do and reuses its processes, so a small trial costs a tenth of a
second and not the seconds of a fresh process. Its own directory is scratch: what was done is what the store says.
A process that dies is tried again, and the trial then finds its own newest checkpoint; an exception of the trial's own
is a result and is not tried again.
"""

import logging
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.exceptions import RayError

from orchestrator.environment import CannotStart, in_ray_job
from orchestrator.plan import MeasurementTask
from workers.measuring import measure_checkpoint
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.trial import TrialResult, run_trial

MAX_DEATHS = 2  # of the process of one trial or measurement, before it counts as failed
IN_FLIGHT_PER_SLOT = 2  # measurements submitted ahead, so that no slot waits for the driver


@dataclass(frozen=True)
class TrainingTask:
    """One trial to train, on a run that exists, under this launch's lease."""

    trial: TrialSpec
    run_id: str
    lease: str


@dataclass(frozen=True)
class Cluster:
    """A running Ray, and how many single-device tasks fit on it at once."""

    num_nodes: int
    num_cpus: int
    num_gpus: int

    @property
    def slots(self) -> int:
        return self.num_gpus or self.num_cpus

    @property
    def device(self) -> str:
        return "cuda" if self.num_gpus else "cpu"

    @property
    def task_resources(self) -> dict[str, float]:
        """One CPU for a task, and one GPU where there are any."""
        return {"CPU": 1.0, "GPU": 1.0} if self.num_gpus else {"CPU": 1.0}


@contextmanager
def connect(address: str | None, num_cpus: int | None = None) -> Generator[Cluster, None, None]:
    """A Ray of our own on this machine if no address is given, else that cluster; CannotStart if it cannot be used."""
    for name in ("ray", "ray.tune"):  # failures are told by the closing table, with their tracebacks in the store
        logging.getLogger(name).setLevel(logging.CRITICAL)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address is None:
            ray.init(address="local", include_dashboard=False, num_cpus=num_cpus, **quiet)
        else:
            ray.init(address=address, runtime_env=_shipped_code(), **quiet)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        place = f"the Ray cluster at {address} (RAY_AUTH_MODE, RAY_AUTH_TOKEN)" if address else "Ray on this machine"
        raise CannotStart(f"cannot use {place}: {str(error).splitlines()[0]}") from None
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        total = ray.cluster_resources()
        yield Cluster(len(nodes), int(total.get("CPU", 0)), int(total.get("GPU", 0)))
    finally:
        ray.shutdown()


def _shipped_code() -> dict[str, Any] | None:
    """This checkout, for the workers of another machine. A job has shipped its working directory already."""
    root = Path(__file__).parents[1]
    if in_ray_job() or not (root / "pyproject.toml").exists():
        return None
    return {"working_dir": str(root)}


def train(
    cluster: Cluster,
    tasks: Sequence[TrainingTask],
    runtime: Runtime,
    on_result: Callable[[TrialSpec, TrialResult], None],
) -> bool:
    """Train all tasks, as many at once as fit; False if it was interrupted. `on_result` hears of each as it ends."""
    listener = _Listener(tasks, on_result)

    def trainable(config: dict[str, Any]) -> dict[str, Any]:
        task = tasks[config["index"]]
        return {"result": run_trial(task.trial, task.run_id, task.lease, runtime)}

    with tempfile.TemporaryDirectory(prefix="gensweep-tune-") as scratch:
        tune.Tuner(
            tune.with_resources(trainable, cluster.task_resources),
            param_space={"index": tune.grid_search(list(range(len(tasks))))},
            tune_config=tune.TuneConfig(
                reuse_actors=True,
                max_concurrent_trials=cluster.slots,
            ),
            run_config=tune.RunConfig(
                storage_path=scratch,
                verbose=0,
                callbacks=[listener],
                failure_config=tune.FailureConfig(max_failures=MAX_DEATHS),
            ),
        ).fit()
    return listener.heard == len(tasks)


class _Listener(tune.Callback):
    """Hears from Tune, in the driver, how each trial ended."""

    def __init__(
        self, tasks: Sequence[TrainingTask] = (), on_result: Callable[[TrialSpec, TrialResult], None] | None = None
    ) -> None:
        self.tasks, self.on_result = tasks, on_result
        self.heard = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune pickles its callbacks into its scratch directory, where nobody reads them.
        return _Listener, ()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.tell(self.tasks[trial.config["index"]], trial.last_result["result"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        task = self.tasks[trial.config["index"]]
        died = f"its process died {MAX_DEATHS + 1} times"
        self.tell(task, TrialResult(task.run_id, "training failed", died))

    def tell(self, task: TrainingTask, result: TrialResult) -> None:
        """Pass one result on."""
        self.heard += 1
        if self.on_result is not None:
            self.on_result(task.trial, result)


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
