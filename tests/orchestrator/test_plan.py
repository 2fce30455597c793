"""Plan: declared minus completed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.registry import Component
from orchestrator.plan import State, missing_measurements, plan, state_of
from orchestrator.study import Measured, Study, run_name
from workers.measuring import measurement_key
from workers.record import RunRecord, measured_tag
from workers.spec import TrialSpec

MEASURES = (Measured(Component("hessian_spectrum")), Measured(Component("intrinsic_dimension"), at="checkpoints"))


def trial(width: int) -> TrialSpec:
    return TrialSpec(
        dataset=Component("mnist1d"),
        model=Component("mlp", width=width),
        optimizer=Component("sgd"),
        fit=Component("sgd"),
    )


def study(*widths: int) -> Study:
    trials = tuple(trial(width) for width in widths)
    return Study(name="s", question="q", expected="e", trials=trials, axes=("model.width",), measured=MEASURES)


def record(spec: TrialSpec, status: str, checkpoints: tuple[int, ...] = (), **tags: str) -> RunRecord:
    stored = {f"checkpoint.{step}": "sha" for step in checkpoints}
    return RunRecord(
        f"run-{spec.trial_id}", "name", status, {}, {"sweep.trial_id": spec.trial_id, **stored, **tags}, {}
    )


@pytest.mark.parametrize(
    ("stored", "state"),
    [
        (None, State.PENDING),
        (record(trial(1), "SCHEDULED"), State.PENDING),
        (record(trial(1), "RUNNING"), State.PENDING),
        (record(trial(1), "RUNNING", (0, 10)), State.PARTIAL),
        (record(trial(1), "KILLED", (0,)), State.PARTIAL),
        (record(trial(1), "FAILED", (0,)), State.FAILED),
        (record(trial(1), "FINISHED", (0, 20)), State.DONE),
        (record(trial(1), "FINISHED", (0,), **{"sweep.outcome": "diverged"}), State.DIVERGED),
    ],
)
def test_state_is_what_the_store_says(stored: RunRecord | None, state: State) -> None:
    assert state_of(stored) is state


@given(st.dictionaries(st.integers(1, 12), st.sampled_from(["FINISHED", "FAILED", "RUNNING", "KILLED"])))
def test_what_is_finished_is_never_trained_again(statuses: dict[int, str]) -> None:
    declared = study(*range(1, 13))
    records = {trial(w).trial_id: record(trial(w), status, (0, 5)) for w, status in statuses.items()}
    todo = plan(declared, records)
    finished = {trial(w).trial_id for w, status in statuses.items() if status == "FINISHED"}
    assert {t.trial_id for t in todo.train} == {t.trial_id for t in declared.trials} - finished
    assert len(todo.train) + len(finished) == len(declared.trials)
    assert {task.trial.trial_id for task in todo.measure} == finished


def test_measurements_left_are_those_without_a_commit() -> None:
    declared = study(1)
    spectrum, dimension = (measurement_key(m.measure) for m in MEASURES)
    commit = json.dumps({"seconds": 1.0, "notes": []})
    tags = {measured_tag(dimension, 0): commit, measured_tag(dimension, 20): commit}
    todo = plan(declared, {trial(1).trial_id: record(trial(1), "FINISHED", (0, 5, 20), **tags)})
    assert [(task.measure.name, task.step) for task in todo.measure] == [
        ("hessian_spectrum", 20),
        ("intrinsic_dimension", 5),
    ]
    assert todo.measured == 2
    assert measured_tag(spectrum, 20) not in tags


def test_another_setting_of_a_measure_is_another_measurement() -> None:
    assert measurement_key(Component("hessian_spectrum")) != measurement_key(Component("hessian_spectrum", seed=1))


@pytest.mark.parametrize("outcome", ["diverged", "pruned"])
def test_a_trial_that_ended_early_is_measured_at_its_checkpoints_alone(outcome: str) -> None:
    records = {trial(1).trial_id: record(trial(1), "FINISHED", (0, 5), **{"sweep.outcome": outcome})}
    todo = plan(study(1), records)
    assert todo.train == ()
    assert [(task.measure.name, task.step) for task in todo.measure] == [
        ("intrinsic_dimension", 0),
        ("intrinsic_dimension", 5),
    ]


def test_of_a_trial_that_trains_what_is_stored_can_be_measured() -> None:
    training = record(trial(1), "RUNNING", (0, 5))
    found = missing_measurements(study(1), trial(1), training)
    assert [(task.measure.name, task.step) for task in found] == [
        ("intrinsic_dimension", 0),
        ("intrinsic_dimension", 5),
    ]
    assert plan(study(1), {trial(1).trial_id: training}).measure == (), "it is trained first"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: study(), "declares no trials"),
        (lambda: study(3, 3), "declares the trial 'width=0003 seed=0' twice"),
        (lambda: study(0), "width=0 is not valid"),
        (lambda: Measured(Component("hesian_spectrum")), "unknown measure 'hesian_spectrum'; known: "),
        (lambda: Measured(Component("hessian_spectrum"), at="never"), "at='never' is not valid"),
        (
            lambda: Measured(Component("representation_similarity")),
            "representation_similarity compares with the final network: measure it at 'checkpoints'",
        ),
        (
            lambda: Study(name="s", question="q", expected="e", trials=(trial(1),), axes=("model.widht",)),
            "unknown axis 'model.widht'; parameters: dataset, ",
        ),
        (
            lambda: Study(name="s", question="q", expected="e", trials=(trial(1),), axes=(), measured=MEASURES[:1] * 2),
            "declares a measure twice: hessian_spectrum, hessian_spectrum",
        ),
    ],
)
def test_a_bad_study_is_refused_where_it_is_declared(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]


def test_run_names_sort_and_read_well() -> None:
    names = [run_name(trial(width), ("model.width",)) for width in (300, 2, 47)]
    assert sorted(names) == ["width=0002 seed=0", "width=0047 seed=0", "width=0300 seed=0"]
