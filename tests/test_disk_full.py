"""The disk is full in the middle of trainings: nothing half-written, nothing lost; with room again it goes on."""

import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.command import SMALL, start, stored_histories, stored_runs, undisturbed_histories, wait_until
from tests.small_disk import SmallDisk, needs_namespaces, small_disk
from workers.spool import ENTRY
from workers.tracking import RunStore

pytestmark = [pytest.mark.timeout(600), needs_namespaces]


@pytest.fixture
def disk(tmp_path: Path) -> Generator[SmallDisk, None, None]:
    with small_disk(tmp_path / "disk", megabytes=64) as mounted:
        yield mounted


def study(disk: SmallDisk, cache: Path, output: Path) -> subprocess.Popen[str]:
    return start(cache, [*SMALL, "--folder", str(disk.inside)], output=output, within=disk.within)


def trains(disk: SmallDisk) -> bool:
    """Whether a trial has stored a checkpoint in its middle."""
    return any((disk.outside / "store" / "artifacts").glob("*/*/artifacts/checkpoints/step-000000120/manifest.json"))


def store(disk: SmallDisk) -> RunStore:
    return RunStore(f"sqlite:///{disk.outside}/store/mlflow.db")


def test_a_full_store_is_waited_for_while_all_is_kept_on_the_nodes_disk(
    disk: SmallDisk, undisturbed: Path, cache: Path, tmp_path: Path
) -> None:
    process = study(disk, cache, tmp_path / "output")
    wait_until(lambda: trains(disk), process)
    disk.fill()

    def a_checkpoint_waits() -> bool:
        return any("checkpoints" in path.read_text() for path in (cache / "spool").glob(f"*/0*/{ENTRY}"))

    wait_until(a_checkpoint_waits, process)
    disk.make_room()
    process.wait(timeout=200)
    assert process.returncode == 0, (tmp_path / "output").read_text()
    assert stored_histories(store(disk)) == undisturbed_histories(undisturbed)
    assert not list((cache / "spool").glob("*")), "everything has been sent"


def test_where_nothing_can_be_kept_the_trial_fails_in_one_line_and_goes_on_later(
    disk: SmallDisk, undisturbed: Path, tmp_path: Path
) -> None:
    output, cache = tmp_path / "output", disk.inside / "cache"
    process = study(disk, cache, output)
    wait_until(lambda: trains(disk), process)
    disk.fill()
    wait_until(lambda: output.read_text().count("[training ") == 2, process)
    disk.make_room()  # the driver waits for it to store that they failed
    process.wait(timeout=200)
    said = output.read_text()
    assert process.returncode == 1 and "Traceback" not in said, said
    assert f"training failed: no space is left in {cache / 'spool'}" in said, said
    assert not list((disk.outside / "cache").glob("spool/*/*.part")), "nothing is half-written"
    assert not list((disk.outside / "store").rglob(".artifact.uploading.*")), "nothing is half-written"
    assert "FAILED" in {record.status for record in stored_runs(store(disk)).values()}
    process = study(disk, cache, output)
    process.wait(timeout=200)
    assert process.returncode == 0, output.read_text()
    assert stored_histories(store(disk)) == undisturbed_histories(undisturbed)
