"""RunStore and TrialRun on a real MLflow store."""

import math
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event
from sqlalchemy.orm import Session
from torch import nn

from measures.inputs import Estimate, Measurement
from orchestrator.ending import terminable
from tests.command import ROOT
from workers.checkpoint import MANIFEST_FILE, STATE_FILE, MisfitCheckpoint, TrainingState, checkpoint_folder
from workers.record import LEASE, Point, Sample, checkpoint_tag, measured_tag
from workers.runtime import Runtime
from workers.store_address import StoreError, check_store
from workers.tracking import RunStore
from workers.trial_run import Superseded, TrialRun


@pytest.fixture
def run_id(store: RunStore) -> str:
    experiment = store.open_study("study", {"mlflow.note.content": "why?"})
    tags = {"sweep.trial_id": "t1", LEASE: "mine"}
    return store.create_run(experiment, "width=0002", "trial", tags, {"model": "mlp", "model.width": 2})


@pytest.fixture
def run(store: RunStore, run_id: str, runtime: Runtime) -> TrialRun:
    return TrialRun(store, run_id, "mine", runtime)


def state(step: int) -> TrainingState:
    tensors = {"model.w": torch.arange(3.0) + step, "random.torch": torch.get_rng_state()}
    return TrainingState(step, tensors, {"interpolation_step": None, "optimizer": {}}, "data")


NETWORK = nn.ParameterDict({"w": torch.zeros(3)})


def artifact_path(store: RunStore, run_id: str, name: str) -> Path:
    (found,) = Path(store.uri.removeprefix("sqlite:///")).parent.glob(f"artifacts/*/{run_id}/artifacts/{name}")
    return found


def test_a_created_run_waits_with_its_settings(store: RunStore, run_id: str) -> None:
    record = store.get(run_id)
    assert (record.status, record.name, record.trial_id) == ("RUNNING", "width=0002", "t1")
    assert record.parameters == {"model": "mlp", "model.width": "2"}
    assert record.points == {"hp/model.width": Point(0, 2.0)}
    assert record.checkpoints == ()


def test_a_run_whose_maker_died_is_completed_once(store: RunStore) -> None:
    experiment, settings = store.open_study("study", {}), {"model": "mlp", "model.width": 2}
    run_id = store.create_run(experiment, "width=0002", "trial", {}, {})
    for _ in range(2):
        store.complete_run(store.get(run_id), settings)
    whole = store.get(store.create_run(experiment, "whole", "trial", {}, settings))
    completed = store.get(run_id)
    assert (completed.parameters, completed.points) == (whole.parameters, whole.points)
    assert store.history(run_id, "hp/model.width") == [Point(0, 2.0)]


def test_runs_are_found_by_role_over_many_pages(store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.tracking.PAGE", 2)
    experiment = store.find_study("study")
    assert experiment is not None
    others = [store.create_run(experiment, f"r{i}", "trial", {}, {}) for i in range(4)]
    store.create_run(experiment, "sweep", "sweep", {}, {})
    assert [record.run_id for record in store.runs(experiment, "trial")] == [run_id, *others]


def test_an_unknown_study_is_none(store: RunStore) -> None:
    assert store.find_study("nothing") is None


def test_points_wait_for_the_checkpoint_and_precede_it(store: RunStore, run_id: str, run: TrialRun) -> None:
    run.log(1, {"test/loss": 2.5})
    assert store.history(run_id, "test/loss") == []
    run.save(state(1))
    assert store.history(run_id, "test/loss") == [Point(1, 2.5)]
    assert store.get(run_id).checkpoints == (1,)


def test_replayed_points_are_not_stored_twice(store: RunStore, run_id: str, run: TrialRun, runtime: Runtime) -> None:
    run.log(1, {"test/loss": 2.5})
    run.log(2, {"test/loss": 2.25})
    run.flush()
    again = TrialRun(store, run_id, "mine", runtime)
    for step, value in ((1, 2.5), (2, 2.25), (3, 2.0)):
        again.log(step, {"test/loss": value})
    again.flush()
    assert store.history(run_id, "test/loss") == [Point(1, 2.5), Point(2, 2.25), Point(3, 2.0)]


def test_the_same_sample_twice_is_one_point(store: RunStore, run_id: str) -> None:
    sample = Sample("m/x", 0.1 + 0.2, 7, 1_700_000_000_000)
    store.log(run_id, [sample])
    store.log(run_id, [sample])
    assert store.history(run_id, "m/x") == [Point(7, 0.1 + 0.2)]


def test_what_commits_is_stored_after_the_metrics(
    store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's own order within one request: a process that dies in between leaves no commit."""

    def dies(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SqlAlchemyStore, "_log_metrics", dies)
        with pytest.raises(KeyboardInterrupt):
            store.log(run_id, [Sample("m/x", 1.0, 1, 1)], {checkpoint_tag(1): "sha"})
    assert store.get(run_id).checkpoints == ()
    store.log(run_id, [Sample("m/x", 1.0, 1, 1)], {checkpoint_tag(1): "sha"})
    assert store.get(run_id).checkpoints == (1,) and store.get(run_id).points["m/x"] == Point(1, 1.0)


def test_numbers_that_are_not_finite_come_back_as_they_went(store: RunStore, run_id: str, run: TrialRun) -> None:
    run.log(1, {"down": math.inf, "up": -math.inf, "end": math.nan})
    run.log(2, {"down": -math.inf, "up": math.inf})
    run.flush()
    assert store.history(run_id, "down") == [Point(1, math.inf), Point(2, -math.inf)]
    points = store.get(run_id).points
    assert points["up"] == Point(2, math.inf) and math.isnan(points["end"].value)


def test_a_process_of_an_earlier_launch_stops_writing(store: RunStore, run_id: str, run: TrialRun) -> None:
    run.log(1, {"test/loss": 2.5})
    store.set_tags(run_id, {LEASE: "another"})
    with pytest.raises(Superseded, match="taken over by launch 'another'"):
        run.save(state(1))
    assert store.history(run_id, "test/loss") == [] and store.get(run_id).checkpoints == ()


def test_newest_whole_checkpoint_that_fits_wins(store: RunStore, run_id: str, run: TrialRun, runtime: Runtime) -> None:
    for step in (1, 5, 9, 12, 15):
        run.save(state(step))
    run.save(TrainingState(20, {"model.w": torch.zeros(7)}, {}, "data"))
    files = {step: artifact_path(store, run_id, checkpoint_folder(step)) for step in (5, 9, 12, 15)}
    shutil.copytree(files[5], files[15], dirs_exist_ok=True)
    flip_last_bit(files[12] / STATE_FILE)
    (files[9] / MANIFEST_FILE).write_bytes(b"\xff" + (files[9] / MANIFEST_FILE).read_bytes()[1:])
    (files[5] / MANIFEST_FILE).unlink()
    resumed = TrialRun(store, run_id, "mine", runtime).newest_state(NETWORK, "data")
    assert resumed is not None and resumed.step == 1
    assert torch.equal(resumed.tensors["model.w"], torch.arange(3.0) + 1)
    tags = store.get(run_id).tags
    assert tags["damaged.20"].startswith("checkpoints/step-000000020/state.safetensors is of another network: w is")
    assert tags["damaged.15"] == "checkpoints/step-000000015/manifest.json is that of step 5"
    assert tags["damaged.12"].startswith("checkpoints/step-000000012/state.safetensors does not have the SHA-256")
    assert tags["damaged.9"].startswith("checkpoints/step-000000009/manifest.json cannot be read (UnicodeDecodeError")
    assert "no artifact checkpoints/step-000000005/manifest.json" in tags["damaged.5"]
    assert not any("\n" in tag for tag in tags.values())


def flip_last_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_checkpoints_of_another_network_alone_are_an_error(store: RunStore, run_id: str, run: TrialRun) -> None:
    """To begin again would mix the metrics of two networks in one run."""
    run.save(state(1))
    flip_last_bit(artifact_path(store, run_id, checkpoint_folder(1)) / STATE_FILE)
    run.save(TrainingState(2, {"model.w": torch.zeros(3), "model.v": torch.zeros(3)}, {}, "data"))
    with pytest.raises(MisfitCheckpoint, match=r"^checkpoints/step-000000002/.* it has v, which the network has not$"):
        TrialRun(store, run_id, "mine", run.runtime).newest_state(NETWORK, "data")


def test_no_checkpoint_is_none(run: TrialRun) -> None:
    assert run.newest_state(NETWORK, "data") is None


def test_a_measurement_is_committed_once(store: RunStore, run_id: str) -> None:
    values = {"dimension": Estimate(3.5, 0.25), "count": Estimate(7.0), "invalid": Estimate(float("nan"))}
    measured = Measurement(values, {"nodes": np.arange(3)}, ("beware",))
    store.write_measurement(run_id, "spectrum", "spectrum-1234", 20, measured, 1.5)
    record = store.get(run_id)
    assert record.points["spectrum/dimension"] == Point(20, 3.5)
    assert record.points["spectrum/dimension.stderr"] == Point(20, 0.25)
    assert "spectrum/count.stderr" not in record.points
    assert np.isnan(record.points["spectrum/invalid"].value)
    (commit,) = record.measured.values()
    assert (commit.seconds, list(commit.notes)) == (1.5, ["beware"])
    # The process died before the tag: what is stored is committed as it is, and nothing is doubled.
    store.delete_tag(run_id, measured_tag("spectrum-1234", 20))
    store.commit_measurement(run_id, "spectrum", "spectrum-1234", 20)
    assert store.history(run_id, "spectrum/dimension") == [Point(20, 3.5)]
    assert measured_tag("spectrum-1234", 20) in store.get(run_id).tags
    assert {name: array.tolist() for name, array in store.read_arrays(run_id, "spectrum-1234", 20).items()} == {
        "nodes": [0, 1, 2]
    }
    with pytest.raises(FileNotFoundError, match=r"no artifact measurements/spectrum-1234/step-000000021\.npz"):
        store.read_arrays(run_id, "spectrum-1234", 21)


def test_files_come_back_as_they_went(store: RunStore, run_id: str) -> None:
    store.write_file(run_id, "a/b/c.bin", b"\x00\x01")
    store.write_json(run_id, "top.json", {"x": [1, 2]})
    assert store.read_file(run_id, "a/b/c.bin") == b"\x00\x01"
    assert store.read_json(run_id, "top.json") == {"x": [1, 2]}
    assert store.has_file(run_id, "a/b/c.bin") and store.has_file(run_id, "top.json")
    assert not store.has_file(run_id, "a/b/d.bin")
    with pytest.raises(FileNotFoundError, match=r"no artifact nothing\.txt"):
        store.read_file(run_id, "nothing.txt")


@pytest.mark.parametrize("name", ["../run.json", "a/../../b", "/etc/passwd", "a//b", "", "a\\..\\b", "file:b", "a/."])
def test_a_name_that_leads_out_of_the_run_is_refused(store: RunStore, run_id: str, name: str) -> None:
    for ask in (store.read_file, store.has_file, partial(store.write_json, value={})):
        with pytest.raises(ValueError, match=rf"artifact name {re.escape(repr(name))} is not valid"):
            ask(run_id, name)
    with pytest.raises(ValueError, match="is not valid: it must stay below"):
        store.open_study(name, {})


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://127.0.0.1:9", "no MLflow server answers at http://127.0.0.1:9"),
        ("http://me:secret@127.0.0.1:9", "MLFLOW_TRACKING_PASSWORD, and give http://127.0.0.1:9$"),
        ("http://127.0.0.1:port", "no MLflow server answers at http://127.0.0.1:port"),
        ("mlruns", "tracking URI 'mlruns' is not valid"),
        ("file:///tmp/mlruns", "is not valid: use sqlite"),
    ],
)
def test_an_unusable_store_is_refused(uri: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        check_store(uri)


def test_a_store_below_a_file_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="not a writable folder"):
        check_store(f"sqlite:///{tmp_path}/file/store/mlflow.db")
    check_store(f"sqlite:///{tmp_path}/new/mlflow.db")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is not a database, whatever its name says")
    with pytest.raises(StoreError, match="cannot be used"):
        RunStore(f"sqlite:///{tmp_path}/mlflow.db")


def test_many_processes_may_open_a_fresh_store_at_once(tmp_path: Path) -> None:
    program = "import sys; from workers.tracking import RunStore; RunStore(sys.argv[1])"
    command = [sys.executable, "-c", program, f"sqlite:///{tmp_path}/store/mlflow.db"]
    started = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors


def test_the_local_store_is_a_plain_database(store: RunStore, run_id: str) -> None:
    with sqlite3.connect(store.uri.removeprefix("sqlite:///")) as database:
        assert database.execute("select status from runs where run_uuid = ?", (run_id,)).fetchone() == ("RUNNING",)


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_request_waits_for_its_end(
    store: RunStore, run_id: str, moment: str, number: signal.Signals
) -> None:
    experiment = store.find_study("study")
    assert experiment is not None
    sent: list[Session] = []

    def interrupt(session: Session) -> None:
        if not sent:
            sent.append(session)
            signal.raise_signal(number)

    event.listen(Session, moment, interrupt)
    try:
        with terminable(), pytest.raises(KeyboardInterrupt):
            store.create_run(experiment, "interrupted", "trial", {}, {"model": "mlp"})
    finally:
        event.remove(Session, moment, interrupt)
    made = {run.name: run for run in store.runs(experiment, "trial")}
    assert made["interrupted"].parameters == {}, "the request after it was not begun"
    with store.impatient():
        store.set_status(run_id, "KILLED")
    assert store.get(run_id).status == "KILLED"
