"""`gensweep doctor` on what real crashes leave."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.diagnosis import QUIET_SECONDS
from orchestrator.examination import examination
from orchestrator.launch import Settings
from tests.command import GENSWEEP, ON_ONE_CORE, assert_same_numbers, has_trained, records, run, start, wait_until
from workers.leftovers import State
from workers.record import Point, Sample, checkpoint_tag
from workers.runtime import Runtime
from workers.spool import Spool
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(600)


def doctor(cache: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run(cache, ["doctor", "--folder", str(folder), *options], GENSWEEP)


def lines(result: subprocess.CompletedProcess[str], state: str) -> list[str]:
    return [line.removeprefix(state).strip() for line in result.stdout.splitlines() if line.startswith(state)]


def made_long_ago(path: Path) -> None:
    """As the clock would show it after a while."""
    then = time.time() - 2 * QUIET_SECONDS
    os.utime(path, (then, then))


@pytest.mark.usefixtures("made_store")
def test_a_killed_driver_leaves_runs_that_the_doctor_ends_and_the_study_goes_on(
    tmp_path: Path, undisturbed: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENSWEEP_CACHE", str(cache))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def repairs(*, dry_run: bool = False) -> list[str]:
        found = list(examination(Settings(folder=tmp_path), dry_run))
        assert not [each for each in found if each.state is State.PERSON], found
        return [each.text for each in found if each.state in (State.REPAIRED, State.FOUND)]

    def active() -> set[str]:
        return {record.run_id for record in records(tmp_path).values() if record.status == "RUNNING"}

    def in_training() -> subprocess.Popen[str]:
        process = start(cache, [*ON_ONE_CORE, "--folder", str(tmp_path)])
        wait_until(lambda: has_trained(tmp_path, 120) and bool(active()), process)
        return process

    process = in_training()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    left = active()
    assert left and {text.split()[1] for text in repairs(dry_run=True) if text.startswith("run ")} == left
    assert active() == left
    assert len(repairs()) >= len(left) and active() == set()
    assert repairs() == []
    process = in_training()
    assert repairs() == [], "a launch that lives is left alone"
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert_same_numbers(tmp_path, undisturbed)


@pytest.fixture
def run_id(store: RunStore) -> str:
    """A trial that was cut, of a study that nobody carries out."""
    run_id = store.create_run(store.open_study("study", {}), "a trial", "trial", {"sweep.study": "study"}, {})
    store.write_file(run_id, "checkpoints/step-000000010/state.safetensors", b"committed")
    store.set_tags(run_id, {checkpoint_tag(10): "sha"})
    store.write_file(run_id, "checkpoints/step-000000020/state.safetensors", b"no tag names it")
    return run_id


def test_every_kind_of_leftover_is_repaired_and_nothing_committed_is_touched(
    store: RunStore, run_id: str, runtime: Runtime, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "cache" / "spool" / run_id)
    spool.add_samples([Sample("train/loss", 0.5, 7, 1_000)])
    spool.add_checkpoint(
        30, {"checkpoints/step-000000030/state.safetensors": b"waiting"}, [], {checkpoint_tag(30): "sha"}
    )
    half = tmp_path / "cache" / "spool" / run_id / "000000002.part"
    half.mkdir()
    unfinished = tmp_path / "cache" / "datasets" / ".mnist1d-0123-abc"
    unfinished.mkdir(parents=True)
    (artifacts,) = (tmp_path / "store" / "artifacts").glob("study/*/artifacts")
    upload = artifacts / ".artifact.uploading.x7"
    upload.write_bytes(b"half")
    report = tmp_path / "reports" / "study" / ".report.html.77.part"
    report.parent.mkdir(parents=True)
    report.write_bytes(b"half")
    uncommitted = artifacts / "checkpoints" / "step-000000020"
    for path in (upload, report, uncommitted / "state.safetensors"):
        made_long_ago(path)

    def there() -> list[bool]:
        return [path.exists() for path in (half, unfinished, upload, report, uncommitted)]

    shown = doctor(tmp_path / "cache", tmp_path, "--dry-run")
    assert shown.returncode == 0 and len(lines(shown, "would repair")) == 7, shown.stdout + shown.stderr
    assert there() == [True] * 5 and store.get(run_id).status == "RUNNING" and len(spool) == 2
    done = doctor(tmp_path / "cache", tmp_path)
    assert done.returncode == 0 and len(lines(done, "repaired")) == 7, done.stdout + done.stderr
    assert there() == [False] * 5
    record = store.get(run_id)
    assert (record.status, record.checkpoints) == ("KILLED", (10, 30))
    assert store.history(run_id, "train/loss") == [Point(7, 0.5)]
    assert store.read_file(run_id, "checkpoints/step-000000010/state.safetensors") == b"committed"
    assert store.read_file(run_id, "checkpoints/step-000000030/state.safetensors") == b"waiting"
    assert not (tmp_path / "cache" / "spool" / run_id).exists()


def test_what_only_a_person_can_decide_gives_exit_code_1(store: RunStore, run_id: str, tmp_path: Path) -> None:
    stranger = tmp_path / "store" / "artifacts" / "study" / ("0" * 32) / "artifacts" / "weights"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"of a run that the database has lost")
    other = Spool(tmp_path / "cache" / "spool" / ("1" * 32))
    other.add_samples([Sample("train/loss", 0.5, 7, 1_000)])
    found = doctor(tmp_path / "cache", tmp_path)
    assert found.returncode == 1, found.stdout + found.stderr
    (person,) = lines(found, "needs you")
    assert str(stranger.parents[1]) in person and stranger.exists()
    assert any(f"{'1' * 32}: of a run that this store does not have" in line for line in lines(found, "left alone"))
    assert len(other) == 1


def test_a_store_that_does_not_answer_and_a_folder_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = doctor(tmp_path, tmp_path / "file", "--tracking-uri", "http://127.0.0.1:9")
    assert found.returncode == 1 and "Traceback" not in found.stderr
    folder, store = lines(found, "needs you")
    assert f"folder {tmp_path / 'file'}: cannot be written" in folder
    assert "no MLflow server answers at http://127.0.0.1:9" in store


def test_nothing_at_all_is_well(tmp_path: Path) -> None:
    found = doctor(tmp_path, tmp_path)
    assert found.returncode == 0 and "not made yet" in found.stdout
    assert list(tmp_path.iterdir()) == []
