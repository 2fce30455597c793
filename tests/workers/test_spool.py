"""What waits on disk is stored in order and once, whatever was killed in between."""

import shutil
from pathlib import Path

import pytest

from workers.record import LEASE, Point, Sample, checkpoint_tag
from workers.runtime import Runtime
from workers.spool import Spool
from workers.tracking import RunStore
from workers.trial_run import TrialRun

FILES = {"checkpoints/step-3/state": b"\x00weights", "checkpoints/step-3/manifest.json": b"{}"}
TAGS = {checkpoint_tag(3): "sha", "provenance.dataset_sha256": "data"}


@pytest.fixture
def run_id(store: RunStore) -> str:
    return store.create_run(store.open_study("study", {}), "a trial", "trial", {LEASE: "mine"}, {})


def samples(*steps: int, key: str = "train/loss") -> list[Sample]:
    return [Sample(key, step / 10, step, 1_000 + step) for step in steps]


def filled(folder: Path) -> Spool:
    spool = Spool(folder)
    spool.add_samples(samples(1, 2))
    spool.add_checkpoint(3, FILES, samples(3), TAGS)
    spool.add_samples(samples(4))
    return spool


def test_all_of_it_is_stored_and_nothing_stays(tmp_path: Path, store: RunStore, run_id: str) -> None:
    spool = filled(tmp_path / "spool")
    assert len(spool) == 3
    spool.ship(store, run_id)
    assert store.history(run_id, "train/loss") == [Point(step, step / 10) for step in (1, 2, 3, 4)]
    assert store.get(run_id).checkpoints == (3,)
    assert {path: store.read_file(run_id, path) for path in FILES} == FILES
    assert len(spool) == 0 and not (tmp_path / "spool").exists()


def test_the_same_entries_again_change_nothing(tmp_path: Path, store: RunStore, run_id: str) -> None:
    """A process that dies between the store's answer and the removal of an entry leaves it to be sent again."""
    filled(tmp_path / "one").ship(store, run_id)
    before = store.get(run_id), store.history(run_id, "train/loss")
    filled(tmp_path / "two").ship(store, run_id)
    assert (store.get(run_id), store.history(run_id, "train/loss")) == before


def test_what_another_process_has_stored_meanwhile_is_left_alone(tmp_path: Path, store: RunStore, run_id: str) -> None:
    """The trial went on elsewhere, from an older checkpoint: its points of these steps have other time stamps."""
    store.log(run_id, [Sample("train/loss", step / 10, step, 9_999) for step in (1, 2, 3)])
    store.set_tags(run_id, {checkpoint_tag(3): "of the other process"})
    filled(tmp_path / "spool").ship(store, run_id)
    assert store.history(run_id, "train/loss") == [Point(step, step / 10) for step in (1, 2, 3, 4)]
    assert store.get(run_id).tags[checkpoint_tag(3)] == "of the other process"


def test_a_half_written_entry_does_not_count(tmp_path: Path, store: RunStore, run_id: str) -> None:
    spool = filled(tmp_path / "spool")
    shutil.copytree(tmp_path / "spool" / "000000001", tmp_path / "spool" / "000000003.part")
    (tmp_path / "spool" / "000000003.part" / "0").unlink()
    again = Spool(tmp_path / "spool")
    assert len(again) == len(spool) == 3
    again.add_samples(samples(5))
    again.ship(store, run_id)
    assert store.history(run_id, "train/loss")[-1] == Point(5, 0.5)


def test_what_a_killed_process_left_is_stored_before_its_trial_goes_on(
    store: RunStore, run_id: str, runtime: Runtime
) -> None:
    filled(runtime.cache / "spool" / run_id)
    resumed = TrialRun(store, run_id, "mine", runtime)
    assert resumed.checkpoints == (3,) and resumed.stored_steps["train/loss"] == 4
