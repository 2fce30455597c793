"""Plan: declared minus completed. Pure; state is derived from the store's records, never kept in memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from measures import compares_pairs
from measures.registry import Component
from orchestrator.study import Study
from workers.measuring import measurement_key
from workers.record import RunRecord, measured_tag
from workers.runtime import Needs
from workers.spec import TrialSpec


class State(StrEnum):
    """What the store says of a trial."""

    PENDING = "pending"  # nothing trained yet
    PARTIAL = "partial"  # interrupted; it has a checkpoint to go on from
    FAILED = "failed"  # raised an exception; the same command tries it again
    DONE = "done"
    DIVERGED = "diverged"  # ended with a loss that is not finite: a result, without a final network to measure
    PRUNED = "pruned"  # stopped early by a search's pruner, whose first steps were among the worse

    @property
    def is_finished(self) -> bool:
        return self in (State.DONE, State.DIVERGED, State.PRUNED)


@dataclass(frozen=True)
class MeasurementTask:
    """One measure to take of one stored checkpoint."""

    trial: TrialSpec
    run_id: str
    step: int
    measure: Component
    needs: Needs = field(default_factory=Needs)


@dataclass(frozen=True)
class Plan:
    """What is left to do of a study: trials to train, checkpoints to measure."""

    states: Mapping[str, State]  # by trial id
    train: tuple[TrialSpec, ...]
    measure: tuple[MeasurementTask, ...]
    measured: int  # measurements that are stored already

    def count(self, state: State) -> int:
        return sum(1 for each in self.states.values() if each is state)


def state_of(record: RunRecord | None) -> State:
    """State of a trial from its run."""
    if record is None:
        return State.PENDING
    if record.status == "FINISHED":
        outcome = record.tags.get("sweep.outcome")
        return State(outcome) if outcome in (State.DIVERGED, State.PRUNED) else State.DONE
    if record.status == "FAILED":
        return State.FAILED
    return State.PARTIAL if record.checkpoints else State.PENDING


def plan(study: Study, records: Mapping[str, RunRecord]) -> Plan:
    """What is left to do, given the stored run of each trial id."""
    states = {trial.trial_id: state_of(records.get(trial.trial_id)) for trial in study.trials}
    trained = [trial for trial in study.trials if states[trial.trial_id].is_finished]
    declared = sum(len(list(_measurements(study, trial, records[trial.trial_id]))) for trial in trained)
    missing = [task for trial in trained for task in missing_measurements(study, trial, records[trial.trial_id])]
    return Plan(
        states=states,
        train=tuple(trial for trial in study.trials if not states[trial.trial_id].is_finished),
        measure=tuple(missing),
        measured=declared - len(missing),
    )


def remaining(todo: Plan, now: Plan) -> Plan:
    """What of a plan is still to be done, in its order, when another launch has worked on the study meanwhile."""
    left = {trial.trial_id for trial in now.train}
    return replace(now, train=tuple(trial for trial in todo.train if trial.trial_id in left))


def plan_line(study: Study, todo: Plan, to_draw: int = 0) -> str:
    """One sentence: what is stored and what is left."""
    stored = ", ".join(f"{todo.count(state)} {state}" for state in State if todo.count(state)) or "none drawn yet"
    search = "" if study.search is None else f"to draw {to_draw}, "
    finished = sum(1 for state in todo.states.values() if state.is_finished)
    unmeasured = len(todo.train) * len(study.measured) + len(todo.measure)
    return (
        f"{study.name}: {len(study.trials)} trials ({stored}); {search}to train {len(todo.train)}, "
        f"to measure at least {unmeasured}, done {finished} trials and {todo.measured} measurements"
    )


def missing_measurements(study: Study, trial: TrialSpec, record: RunRecord) -> list[MeasurementTask]:
    """What is still to be measured of a trial.

    Of one that still trains, or has ended early, the checkpoints that it has stored; it has no final network.
    """
    return [task for task in _measurements(study, trial, record) if not _is_measured(task, record)]


def _measurements(study: Study, trial: TrialSpec, record: RunRecord) -> Iterable[MeasurementTask]:
    is_done = state_of(record) is State.DONE
    for measured in study.measured:
        if not is_done and (measured.at == "final" or compares_pairs(measured.measure)):
            continue
        steps = record.checkpoints if measured.at == "checkpoints" else record.checkpoints[-1:]
        for step in steps:
            yield MeasurementTask(trial, record.run_id, step, measured.measure, measured.needs)


def _is_measured(task: MeasurementTask, record: RunRecord) -> bool:
    return measured_tag(measurement_key(task.measure), task.step) in record.tags
