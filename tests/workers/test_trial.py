"""A trial from its stored record to its stored result, on a real MLflow store."""

import copy
import dataclasses
import math
import platform
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from measures import Snapshot, layer_activations, linear_cka, measures
from measures.examples import generator
from measures.registry import Component
from tests.workers.memory_session import MemorySession
from workers import patience
from workers.building import build_problem
from workers.checkpoint import TrainingState
from workers.measuring import load_input, measure_checkpoint
from workers.record import LEASE, Point
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import StoreUnreachable, local_store
from workers.tracking import RunStore
from workers.training import train
from workers.trial import TrainingTask, TrialResult, run_pack, run_trial
from workers.trial_run import TrialRun

REGRESSION = TrialSpec(
    dataset=Component("random_features", num_features=20, num_train=30, num_test=10),
    model=Component("linear"),
    loss=Component("half_mean_squared_error"),
    optimizer=Component("sgd"),
    fit=Component("least_squares"),
)


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Runtime:
    """One store for all tests here: each has a run of its own."""
    folder = tmp_path_factory.mktemp("trials")
    shutil.copy(empty_database, folder)
    return Runtime(tracking_uri=local_store(folder), cache=folder / "cache")


def created(spec: TrialSpec, runtime: Runtime) -> tuple[RunStore, str]:
    """A run that waits to be trained, as the driver creates it."""
    store = RunStore(runtime.tracking_uri)
    tags = {"sweep.trial_id": spec.trial_id, LEASE: "mine"}
    return store, store.create_run(store.open_study("study", {}), "a trial", "trial", tags, spec.parameters)


def finished(spec: TrialSpec, runtime: Runtime) -> tuple[RunStore, str, TrialResult]:
    store, run_id = created(spec, runtime)
    result = run_trial(TrainingTask(spec, run_id, "mine"), runtime)
    assert result.error is None and store.get(run_id).status == "FINISHED"
    return store, run_id, result


def test_a_pack_stores_of_each_what_it_stores_alone(small_trial: TrialSpec, surroundings: Runtime) -> None:
    """Three, of which one ends at its threshold and one fails because its run belongs to another launch by now."""
    trials = [
        dataclasses.replace(
            small_trial, init_seed=seed, fit=Component("sgd", epochs=12, batch_size=30, stop_at="running")
        )
        for seed in (11, 12, 13)
    ]
    trials[1] = dataclasses.replace(trials[1], fit=Component("sgd", epochs=5, batch_size=30), order_seed=1)
    runs = [created(trial, surroundings)[1] for trial in trials]
    store = RunStore(surroundings.tracking_uri)
    store.set_tags(runs[2], {LEASE: "theirs"})
    results = run_pack(
        [TrainingTask(trial, run, "mine") for trial, run in zip(trials, runs, strict=True)], surroundings
    )
    assert [result.run_id for result in results] == runs
    assert [result.error is None for result in results] == [True, True, False]
    assert results[2].summary == "taken over by another launch" and not store.get(runs[2]).checkpoints
    for trial, run, result in zip(trials[:2], runs, results, strict=False):
        _, alone, expected = finished(trial, surroundings)
        packed, record = store.get(run), store.get(alone)
        assert result.summary == expected.summary and packed.status == "FINISHED"
        assert {key: (point.value, point.step) for key, point in packed.points.items()} == {
            key: (point.value, point.step) for key, point in record.points.items()
        }
        assert packed.checkpoints == record.checkpoints
        for step in packed.checkpoints:
            ours, theirs = (store.read_state(each, trial.trial_id, step).tensors for each in (run, alone))
            assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_is_stored_is_what_was_trained(small_trial: TrialSpec, surroundings: Runtime) -> None:
    store, run_id, result = finished(small_trial, surroundings)
    session = MemorySession(surroundings.checkpoints.steps(48, 4))
    outcome = train(small_trial, surroundings, session)
    record = store.get(run_id)
    assert record.checkpoints == tuple(sorted(session.states))
    stored = store.read_state(run_id, small_trial.trial_id, 48)
    assert all(torch.equal(tensor, stored.tensors[name]) for name, tensor in session.states[48].tensors.items())
    for key in {key for key, _ in session.points}:
        points = [Point(step, value) for (name, step), value in sorted(session.points.items()) if name == key]
        assert store.history(run_id, key) == points
    assert record.tags["sweep.outcome"] == "trained" and record.tags["sweep.final_step"] == "48" == str(outcome.step)
    assert record.tags["interpolation_threshold"] == record.tags["interpolation_threshold_running"] == "not reached"
    error, loss = session.points["test/error", 48], session.points["test/loss", 48]
    assert result.summary.endswith(f"test/error {error:.4g}, test/loss {loss:.4g}")


@pytest.mark.parametrize(("learning_rate", "loss"), [(1e18, math.inf), (1e20, math.nan)])
def test_a_loss_that_is_not_finite_is_stored_as_diverged(
    learning_rate: float, loss: float, surroundings: Runtime
) -> None:
    optimizer = Component("sgd", learning_rate=learning_rate)
    spec = dataclasses.replace(REGRESSION, optimizer=optimizer, fit=Component("sgd", epochs=6))
    store, run_id, result = finished(spec, surroundings)
    record = store.get(run_id)
    assert record.tags["sweep.outcome"] == "diverged" and record.tags["sweep.final_step"] == "2"
    assert result.summary == "diverged at step 2"
    assert store.history(run_id, "train/running_loss")[-1] == Point(2, math.inf)
    first, *_, last = store.history(run_id, "test/loss")
    assert first.step == 0 and math.isfinite(first.value)
    assert last.step == 2 and last.value == pytest.approx(loss, nan_ok=True)
    assert record.checkpoints == (0, 1)


@pytest.mark.parametrize(("num_features", "threshold"), [(20, "not reached"), (40, "step 1, epoch 1")])
def test_least_squares_is_stored_like_any_fit(num_features: int, threshold: str, surroundings: Runtime) -> None:
    """30 examples: 40 features fit them, 20 do not."""
    dataset = Component("random_features", num_features=num_features, num_train=30, num_test=10)
    spec = dataclasses.replace(REGRESSION, dataset=dataset)
    store, run_id, result = finished(spec, surroundings)
    record, session = store.get(run_id), MemorySession(frozenset())
    train(spec, surroundings, session)
    for (key, step), value in session.points.items():
        assert Point(step, value) in store.history(run_id, key)
    assert record.points["train/loss"].value < store.history(run_id, "train/loss")[0].value
    errors = ", ".join(f"{part}/relative_error {session.points[f'{part}/relative_error', 1]:.4g}" for part in SPLITS)
    assert result.summary == f"{errors}, test/loss {session.points['test/loss', 1]:.4g}"
    assert record.tags["interpolation_threshold"] == threshold
    assert record.tags["interpolation_threshold_running"] == "not reached"
    assert ("interpolation_threshold/step" in record.points) == (threshold != "not reached")
    assert record.checkpoints == (0, 1)
    weights = store.read_state(run_id, spec.trial_id, 1).part("model")["output.weight"]
    assert torch.equal(weights, session.states[1].tensors["model.output.weight"])
    # A second process finds the solution in the store, and adds nothing.
    assert run_trial(TrainingTask(spec, run_id, "mine"), surroundings).summary == result.summary
    assert [point.step for point in store.history(run_id, "train/loss")] == [0, 1]


SPLITS = ("train", "test")


def test_a_snapshot_knows_the_loss_that_was_recorded_for_it(small_trial: TrialSpec, surroundings: Runtime) -> None:
    spec = dataclasses.replace(small_trial, data_seed=5)
    store, run_id, _ = finished(spec, surroundings)
    recorded = {point.step: point.value for point in store.history(run_id, "train/loss")}
    surface = Component("loss_surface", steps_each_way=1)
    for step in store.get(run_id).checkpoints:
        snapshot = load_input(surface, spec, run_id, step, store, surroundings)
        assert isinstance(snapshot, Snapshot)
        assert snapshot.recorded_loss == recorded.get(step)
    assert snapshot.recorded_loss is not None
    found = measures.call(surface, snapshot)
    assert found.values["loss"].value == pytest.approx(snapshot.recorded_loss, rel=1e-5) and found.notes == ()


@pytest.mark.parametrize("fit", [Component("least_squares"), Component("sgd", epochs=1)])
def test_the_checkpoint_of_another_network_fails_the_trial_in_one_line(fit: Component, surroundings: Runtime) -> None:
    spec = dataclasses.replace(REGRESSION, fit=fit)
    store, run_id = created(spec, surroundings)
    other = TrainingState(0, {"model.output.weight": torch.zeros(1, 7)}, {}, "data")
    TrialRun(store, run_id, "mine", surroundings).save(other)
    result = run_trial(TrainingTask(spec, run_id, "mine"), surroundings)
    place = "checkpoints/step-000000000/state.safetensors"
    problem = "output.weight is float32 (1, 7) in it and float32 (1, 20) in the network"
    assert result.error is not None and result.error.endswith(f"{place} is of another network: {problem}")
    assert "\n" not in result.error
    record = store.get(run_id)
    assert record.status == "FAILED" and record.tags["failure.training"] == result.error


def test_a_measure_of_pairs_compares_each_checkpoint_with_the_final_network(
    small_trial: TrialSpec, surroundings: Runtime
) -> None:
    store, run_id, _ = finished(small_trial, surroundings)
    checkpoints, measure = store.get(run_id).checkpoints, Component("representation_similarity", method="linear_cka")
    for step in (checkpoints[0], checkpoints[-1]):
        assert measure_checkpoint(small_trial, run_id, step, measure, surroundings).error is None
    history = {point.step: point.value for point in store.history(run_id, "representation_similarity/layer.hidden1")}
    assert history[checkpoints[-1]] == pytest.approx(1.0, abs=1e-12)
    problem = build_problem(small_trial, surroundings)
    modules = []
    for step in (checkpoints[0], checkpoints[-1]):
        modules.append(copy.deepcopy(problem.network.module))
        modules[-1].load_state_dict(store.read_state(run_id, small_trial.trial_id, step).part("model"))
    inputs = problem.test.inputs[torch.randperm(len(problem.test.inputs), generator=generator(0, 0))[:1000]]
    first, last = (layer_activations(module, inputs, ["hidden1"])["hidden1"] for module in modules)
    assert history[checkpoints[0]] == pytest.approx(linear_cka(first, last).value, rel=1e-9)
    assert history[checkpoints[0]] < 0.999


def test_data_that_have_changed_are_neither_trained_on_further_nor_measured(
    surroundings: Runtime, tmp_path: Path
) -> None:
    """The path is the same, and so is the trial; what lies there is another data set."""
    rows = np.random.default_rng(0).standard_normal((40, 5))
    arrays = {"x_train": rows, "y_train": rows[:, 0], "x_test": rows, "y_test": rows[:, 0]}
    np.savez(tmp_path / "rows.npz", **arrays)
    dataset = Component("arrays", path=str(tmp_path / "rows.npz"))
    spec = dataclasses.replace(REGRESSION, dataset=dataset, fit=Component("sgd", epochs=2))
    store, run_id, _ = finished(spec, surroundings)
    before = store.get(run_id).tags["provenance.dataset_sha256"]
    np.savez(tmp_path / "rows.npz", **{**arrays, "x_test": rows + 1})
    measured = measure_checkpoint(spec, run_id, 2, Component("hessian_spectrum"), surroundings)
    resumed = run_trial(TrainingTask(spec, run_id, "mine"), surroundings)
    for result in (measured, resumed):
        assert result.error is not None and f"is of data with SHA-256 {before}; here they have " in result.error
    assert store.get(run_id).tags["provenance.dataset_sha256"] == before


def test_a_store_that_stays_away_fails_the_trial_in_one_line_and_says_where_things_wait(
    small_trial: TrialSpec, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens at port 9 of the loopback address."""
    monkeypatch.setattr(patience, "PATIENCE", 0.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = dataclasses.replace(runtime, tracking_uri="http://127.0.0.1:9")
    result = run_trial(TrainingTask(small_trial, "run", "mine"), away)
    assert result.error is not None and "\n" not in result.error
    assert result.error.startswith("the MLflow store http://127.0.0.1:9 does not answer: ")
    assert result.error.endswith(f"; what it has not taken waits below {runtime.cache} on {platform.node()}")
    with pytest.raises(StoreUnreachable):
        measure_checkpoint(small_trial, "run", 0, Component("norms"), away)
