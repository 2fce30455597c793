"""Tune trains the trials.

It gets one grid over the list of what is still to do and reuses its processes, so a small trial costs a tenth of a
second and not the seconds of a fresh process. Its own directory is scratch.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from ray import tune

from orchestrator.schedule.cluster import MAX_DEATHS, Part
from orchestrator.schedule.gangs import TrainingTask, train_in_gang
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.trial import TrialResult, run_trial

# Tune would catch Ctrl-C, snapshot a state that nobody reads, and return as if all were done.
os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"


def train(
    part: Part,
    tasks: Sequence[TrainingTask],
    runtime: Runtime,
    on_result: Callable[[TrialSpec, TrialResult], None],
    meanwhile: Callable[[], None],
) -> None:
    """Train all tasks, as many at once as fit.

    `on_result` hears of each task as it ends; `meanwhile` is called several times a second.
    """
    listener = _Listener(tasks, on_result, meanwhile)

    def trainable(config: dict[str, Any]) -> dict[str, Any]:
        task = tasks[config["index"]]
        if part.processes > 1:
            return {"result": train_in_gang(task, runtime, part)}
        return {"result": run_trial(task.trial, task.run_id, task.lease, runtime)}

    with tempfile.TemporaryDirectory(prefix="gensweep-tune-") as scratch:
        tune.Tuner(
            tune.with_resources(trainable, part.bundles),
            param_space={"index": tune.grid_search(list(range(len(tasks))))},
            tune_config=tune.TuneConfig(
                reuse_actors=True,
                max_concurrent_trials=part.slots,
            ),
            run_config=tune.RunConfig(
                storage_path=scratch,
                verbose=0,
                callbacks=[listener],
                failure_config=tune.FailureConfig(max_failures=MAX_DEATHS),
            ),
        ).fit()


class _Listener(tune.Callback):
    """Hears from Tune, in the driver, how each trial ended."""

    def __init__(
        self,
        tasks: Sequence[TrainingTask] = (),
        on_result: Callable[[TrialSpec, TrialResult], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self.tasks, self.on_result, self.meanwhile = tasks, on_result, meanwhile

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune pickles its callbacks into its scratch directory, where nobody reads them.
        return _Listener, ()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self.meanwhile is not None:
            self.meanwhile()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.tell(self.tasks[trial.config["index"]], trial.last_result["result"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        task = self.tasks[trial.config["index"]]
        died = f"its process died {MAX_DEATHS + 1} times"
        self.tell(task, TrialResult(task.run_id, "training failed", died))

    def tell(self, task: TrainingTask, result: TrialResult) -> None:
        """Pass one result on."""
        if self.on_result is not None:
            self.on_result(task.trial, result)
