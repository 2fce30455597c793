"""Tune trains the trials, those of a pack as one trial of its own.

It asks for the next pack when it has room for it and reuses its processes, so a small one costs a tenth of a second
and not the seconds of a fresh process, and a sweep of ten thousand begins at once. Its own directory is scratch.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, cast

from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from orchestrator.packing import Pack
from orchestrator.schedule.cluster import MAX_DEATHS, Part
from orchestrator.schedule.gangs import train_in_gang
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.trial import TrainingTask, TrialResult, run_pack, run_trial
from workers.trial_run import Watch

# Tune would catch Ctrl-C, snapshot a state that nobody reads, and return as if all were done.
os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"


def train(
    part: Part,
    packs: Sequence[Pack],
    claim: Callable[[TrialSpec], TrainingTask],
    runtime: Runtime,
    on_result: Callable[[TrialSpec, TrialResult], None],
    meanwhile: Callable[[], None],
) -> None:
    """Train all packs of trials, as many at once as fit.

    A trial is claimed when there is room for its pack; `on_result` hears of each when its pack has ended; `meanwhile`
    is called several times a second.
    """

    def trainable(config: dict[str, Any]) -> dict[str, Any]:
        tasks: Sequence[TrainingTask] = config["tasks"]
        return {"results": [train_one(part, tasks[0], runtime)] if len(tasks) == 1 else run_pack(tasks, runtime)}

    run_tune(part, trainable, _Declared(packs, claim), len(packs), Listener(on_result, meanwhile))


def train_one(part: Part, task: TrainingTask, runtime: Runtime, watch: Watch | None = None) -> TrialResult:
    """Train one trial, in the process of its Tune trial or in a gang, which nobody watches."""
    if part.processes > 1:
        return train_in_gang(task, runtime, part)
    return run_trial(task, runtime, watch=watch)


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
    """The declared trials, one pack after the other, as Tune has room for them."""

    def __init__(self, packs: Sequence[Pack] = (), claim: Callable[[TrialSpec], TrainingTask] | None = None) -> None:
        super().__init__()
        self._packs, self._claim = iter(packs), claim

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune pickles its searcher into its scratch directory, where nobody reads it.
        return _Declared, ()

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        pack = next(self._packs, None)
        return None if pack is None or self._claim is None else {"tasks": [self._claim(trial) for trial in pack]}

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
        seconds = trial.last_result.get("time_total_s", 0.0)
        stopped = [
            TrialResult(task.run_id, "stopped by the pruner", seconds=seconds, pruned=True)
            for task in trial.config["tasks"]
        ]
        self.tell(trial, trial.last_result.get("results", stopped))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        died = f"its process died {MAX_DEATHS + 1} times"
        results = [TrialResult(task.run_id, "training failed", died, died=True) for task in trial.config["tasks"]]
        self.tell(trial, results)

    def tell(self, trial: Any, results: Sequence[TrialResult]) -> None:
        """Pass on the result of each of a trial's tasks."""
        if self.on_result is not None:
            for task, result in zip(trial.config["tasks"], results, strict=True):
                self.on_result(task.trial, result)
