"""Tune trains the trials.

It asks for the next trial when it has room for it and reuses its processes, so a small trial costs a tenth of a second
and not the seconds of a fresh process, and a sweep of ten thousand begins at once. Its own directory is scratch.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, cast

from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from orchestrator.schedule.cluster import MAX_DEATHS, Part
from orchestrator.schedule.gangs import TrainingTask, train_in_gang
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.trial import TrialResult, run_trial
from workers.trial_run import Watch

# Tune would catch Ctrl-C, snapshot a state that nobody reads, and return as if all were done.
os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"


def train(
    part: Part,
    trials: Sequence[TrialSpec],
    claim: Callable[[TrialSpec], TrainingTask],
    runtime: Runtime,
    on_result: Callable[[TrialSpec, TrialResult], None],
    meanwhile: Callable[[], None],
) -> None:
    """Train all trials, as many at once as fit.

    Each is claimed when there is room for it; `on_result` hears of it as it ends; `meanwhile` is called several times a
    second.
    """

    def trainable(config: dict[str, Any]) -> dict[str, Any]:
        return {"result": train_one(part, config["task"], runtime)}

    run_tune(part, trainable, _Declared(trials, claim), len(trials), Listener(on_result, meanwhile))


def train_one(part: Part, task: TrainingTask, runtime: Runtime, watch: Watch | None = None) -> TrialResult:
    """Train one trial, in the process of its Tune trial or in a gang, which nobody watches."""
    if part.processes > 1:
        return train_in_gang(task, runtime, part)
    return run_trial(task.trial, task.run_id, task.lease, runtime, watch=watch)


def run_tune(
    part: Part,
    trainable: Callable[[dict[str, Any]], dict[str, Any]],
    searcher: Searcher,
    num_trials: int,
    listener: "Listener",
    scheduler: TrialScheduler | None = None,
) -> None:
    """Let Tune run what the searcher suggests, as many at once as fit."""
    # After an interruption the trials' processes still write there, until Ray ends them.
    with tempfile.TemporaryDirectory(prefix="gensweep-tune-", ignore_cleanup_errors=True) as scratch:
        tune.Tuner(
            tune.with_resources(trainable, part.bundles),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=scheduler,
                num_samples=num_trials,
                reuse_actors=True,
                max_concurrent_trials=part.slots,
                trial_dirname_creator=_dirname,
            ),
            run_config=tune.RunConfig(
                storage_path=scratch,
                verbose=0,
                callbacks=[listener],
                failure_config=tune.FailureConfig(max_failures=MAX_DEATHS),
            ),
        ).fit()


def _dirname(trial: Any) -> str:
    """In Tune's scratch directory; by default the name tells all settings."""
    return cast("str", trial.trial_id)


class _Declared(Searcher):
    """The declared trials, one after the other, as Tune has room for them."""

    def __init__(
        self, trials: Sequence[TrialSpec] = (), claim: Callable[[TrialSpec], TrainingTask] | None = None
    ) -> None:
        super().__init__()
        self._trials, self._claim = iter(trials), claim

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune pickles its searcher into its scratch directory, where nobody reads it.
        return _Declared, ()

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        trial = next(self._trials, None)
        return None if trial is None or self._claim is None else {"task": self._claim(trial)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """What is declared does not depend on what comes out."""


class Listener(tune.Callback):
    """Hears from Tune, in the driver, how each trial ended."""

    def __init__(
        self,
        on_result: Callable[[TrialSpec, TrialResult], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self.on_result, self.meanwhile = on_result, meanwhile

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickled as the searcher is.
        return Listener, ()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self.meanwhile is not None:
            self.meanwhile()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        task: TrainingTask = trial.config["task"]
        stopped = TrialResult(
            task.run_id, "stopped by the pruner", seconds=trial.last_result.get("time_total_s", 0.0), pruned=True
        )
        self.tell(task, trial.last_result.get("result", stopped))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        task: TrainingTask = trial.config["task"]
        died = f"its process died {MAX_DEATHS + 1} times"
        self.tell(task, TrialResult(task.run_id, "training failed", died))

    def tell(self, task: TrainingTask, result: TrialResult) -> None:
        """Pass one result on."""
        if self.on_result is not None:
            self.on_result(task.trial, result)
