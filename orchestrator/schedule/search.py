"""Tune draws the trials of a search with Optuna and trains them.

Optuna's own study is in memory and told at the start what the store holds of earlier draws, so nothing of it needs to
be kept. A point whose trial is stored is told at once, and one whose trial is in training just now waits for it.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from ray import tune
from ray.air.constants import TRAINING_ITERATION
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from orchestrator.adaptive import Choice, Domain, Integers, LogUniform, Point, Search, Uniform
from orchestrator.environment import CannotStart
from orchestrator.plan import State, missing_measurements, state_of
from orchestrator.schedule.cluster import Part
from orchestrator.schedule.training import Listener, run_tune, train_one
from orchestrator.search import Draw, objective_values, trial_of
from orchestrator.study import Study
from workers.measuring import measure_checkpoint
from workers.runtime import Runtime
from workers.seeding import named_seed
from workers.spec import TrialSpec
from workers.tracking import RunStore
from workers.trial import TrainingTask, TrialResult
from workers.trial_run import Watch

NAME = "gensweep"
STEP = "step"  # of the optimiser, in what a trial reports while it trains
LONGEST = 10**9  # steps; a trial ends by itself
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
    "nsga2": lambda seed: NSGAIISampler(seed=seed),
}

Claim = Callable[[int, Point], tuple[TrainingTask, bool]]  # of a draw: its task, and whether it has ended already


def draw(
    part: Part,
    study: Study,
    told: Sequence[Draw],
    claim: Claim,
    runtime: Runtime,
    on_result: Callable[[TrialSpec, TrialResult], None],
    meanwhile: Callable[[], None],
) -> None:
    """Draw points and train their trials until there are as many as the search wants.

    A measure that an objective is taken from is taken in the trial's own process, because the next point depends on it.
    """
    search = study.search
    assert search is not None, "asked of a study that searches"
    if search.pruner is not None and part.processes > 1:
        raise CannotStart(f"{search.pruner} is not valid with {part.processes} devices per trial: at most 1")
    watch = None if search.pruner is None else _reporting(search.objectives[0].quantity)

    def trainable(config: dict[str, Any]) -> dict[str, Any]:
        (task,) = config["tasks"]
        ended = TrialResult(task.run_id, "stored already")
        result = ended if config["ended"] else train_one(part, task, runtime, watch)
        return {"results": [result], "values": _values(study, search, task, runtime)}

    left, searcher = search.num_trials - len(told), Drawn(search, told, claim)
    run_tune(part, trainable, searcher, left, Listener(on_result, meanwhile), _scheduler(search))


def _reporting(quantity: str) -> Watch:
    """Tells Tune of every evaluation; Tune ends the thread by SystemExit if the trial is to stop."""

    def watch(step: int, metrics: Mapping[str, float]) -> None:
        if quantity in metrics:
            tune.report({STEP: step, quantity: metrics[quantity]})

    return watch


def _scheduler(search: Search) -> TrialScheduler | None:
    if search.pruner is None:
        return None
    (objective,) = search.objectives
    return ASHAScheduler(
        time_attr=STEP,
        metric=objective.quantity,
        mode=objective.mode,
        grace_period=search.pruner.after_steps,
        reduction_factor=search.pruner.factor,
        max_t=LONGEST,
    )


def _values(study: Study, search: Search, task: TrainingTask, runtime: Runtime) -> tuple[float, ...] | None:
    store = RunStore(runtime.tracking_uri)
    record = store.get(task.run_id)
    if state_of(record) is State.DONE:
        wanted = {objective.quantity.split("/")[0] for objective in search.objectives}
        for missing in missing_measurements(study, task.trial, record):
            if missing.measure.name in wanted:
                measure_checkpoint(task.trial, task.run_id, missing.step, missing.measure, runtime)
        record = store.get(task.run_id)
    return objective_values(search, record)


class Drawn(Searcher):
    """Optuna's search, with a run for every point it draws."""

    def __init__(self, search: Search | None = None, told: Sequence[Draw] = (), claim: Claim | None = None) -> None:
        super().__init__()
        if search is None or claim is None:
            return
        self._search, self._claim, self._number = search, claim, len(told)
        self._optuna = _optuna_search(search, told)
        self._points: dict[str, Point] = {}  # drawn, by the id under which Optuna knows them
        self._waiting: deque[str] = deque()  # of these, the ones whose trial is another's that still trains
        self._training: dict[str, tuple[str, str]] = {}  # Tune's id -> Optuna's and the trial's

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune pickles its searcher into its scratch directory, where nobody reads it.
        return Drawn, ()

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        busy = {trained for _, trained in self._training.values()}
        free = [drawn for drawn in self._waiting if self._identity(drawn) not in busy]
        if free:
            drawn = free[0]
            self._waiting.remove(drawn)
        else:
            drawn, self._points[trial_id] = trial_id, self._optuna.suggest(trial_id) or {}
            if self._identity(drawn) in busy:
                self._waiting.append(drawn)
                return None
        task, ended = self._claim(self._number, self._points[drawn])
        self._number += 1
        self._training[trial_id] = drawn, task.trial.trial_id
        return {"tasks": [task], "ended": ended}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        drawn, _ = self._training.pop(trial_id)
        values = None if result is None else result.get("values")
        if values is None:
            stopped = result is not None and "results" not in result
            self._optuna.on_trial_complete(drawn, None, error=error or not stopped)
        else:
            names = [objective.quantity for objective in self._search.objectives]
            self._optuna.on_trial_complete(drawn, dict(zip(names, values, strict=True)))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """What a trial tells on its way: of one that is then stopped, the last is all that Optuna gets to know."""
        if STEP in result and len(self._search.objectives) == 1:
            self._optuna.on_trial_result(self._training[trial_id][0], {**result, TRAINING_ITERATION: result[STEP]})

    def _identity(self, drawn: str) -> str:
        return trial_of(self._search, self._points[drawn]).trial_id


def _optuna_search(search: Search, told: Sequence[Draw]) -> OptunaSearch:
    """Optuna behind Tune, told of every earlier draw; its draws depend on how many these are."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {name: _distribution(domain) for name, domain in search.space.items()}
    storage, modes = optuna.storages.InMemoryStorage(), [objective.mode for objective in search.objectives]
    directions = [StudyDirection.MINIMIZE if mode == "min" else StudyDirection.MAXIMIZE for mode in modes]
    known = optuna.create_study(storage=storage, study_name=NAME, directions=directions)
    for each in told:
        known.add_trial(_as_optuna_tells_it(search, each, space))
    quantities = [objective.quantity for objective in search.objectives]
    one = len(quantities) == 1
    return OptunaSearch(
        space=dict(space),
        metric=quantities[0] if one else quantities,
        mode=modes[0] if one else [*modes],
        # The same seed would repeat the first points after an interruption.
        sampler=SAMPLERS[search.sampler](named_seed(search.seed, "search", len(told)) % 2**32),
        study_name=NAME,
        storage=storage,
    )


def _as_optuna_tells_it(search: Search, drawn: Draw, space: dict[str, BaseDistribution]) -> FrozenTrial:
    values, last = objective_values(search, drawn.record), drawn.record.points.get(search.objectives[0].quantity)
    pruned = state_of(drawn.record) is State.PRUNED and last is not None and not math.isnan(last.value)
    return create_trial(
        state=TrialState.PRUNED if pruned else TrialState.FAIL if values is None else TrialState.COMPLETE,
        values=(last.value,) if pruned and last is not None else values,
        params=dict(drawn.point),
        distributions=space,
        intermediate_values={last.step: last.value} if pruned and last is not None else None,
    )


def _distribution(domain: Domain) -> BaseDistribution:
    match domain:
        case Uniform(low, high):
            return FloatDistribution(low, high)
        case LogUniform(low, high):
            return FloatDistribution(low, high, log=True)
        case Integers(low, high, log):
            return IntDistribution(low, high, log=log)
        case Choice(values):
            return CategoricalDistribution(values)
