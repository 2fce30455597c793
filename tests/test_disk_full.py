"""The disk is full in the middle of trainings: nothing half-written, nothing lost; with room again it goes on."""

import shutil
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from tests.command import ON_ONE_CORE, histories, start, undisturbed_histories, wait_until
from tests.small_disk import SmallDisk, needs_namespaces, small_disk
from workers.record import Point
from workers.spool import ENTRY

pytestmark = [pytest.mark.timeout(600), needs_namespaces]


@pytest.fixture
def disk(tmp_path: Path) -> Generator[SmallDisk, None, None]:
    with small_disk(tmp_path / "disk", megabytes=64) as mounted:
        yield mounted


def study(disk: SmallDisk, cache: Path, output: Path) -> subprocess.Popen[str]:
    return start(cache, [*ON_ONE_CORE, "--folder", str(disk.inside)], output=output, within=disk.within)


def trains(disk: SmallDisk) -> bool:
    """Whether a trial has stored a checkpoint in its middle."""
    return any((disk.outside / "store" / "artifacts").glob("*/*/artifacts/checkpoints/step-000000480/manifest.json"))


def numbers(disk: SmallDisk, copy: Path) -> Mapping[tuple[str, str], list[Point]]:
    """Those that are stored now. SQLite does not find its file under the outer name."""
    shutil.copytree(disk.outside / "store", copy / "store")
    return histories(copy)


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
    assert numbers(disk, tmp_path / "copy") == undisturbed_histories(undisturbed)
    assert not list((cache / "spool").glob("*")), "everything has been sent"


def test_where_nothing_can_be_kept_the_trial_fails_in_one_line_and_goes_on_later(
    disk: SmallDisk, undisturbed: Path, tmp_path: Path
) -> None:
    output, cache = tmp_path / "output", disk.inside / "cache"
    process = study(disk, cache, output)
    wait_until(lambda: trains(disk), process)
    disk.fill()
    wait_until(lambda: "[training 1/2]" in output.read_text(), process)
    disk.make_room()  # the driver waits for it, to store that a trial has failed
    process.wait(timeout=200)
    said = output.read_text()
    assert process.returncode == 1 and "Traceback" not in said, said
    assert f"training failed: no space is left in {cache / 'spool'}" in said, said
    assert not list((disk.outside / "cache").glob("spool/*/*.part")), "nothing is half-written"
    assert not list((disk.outside / "store").rglob(".artifact.uploading.*")), "nothing is half-written"
    process = study(disk, cache, output)
    process.wait(timeout=200)
    assert process.returncode == 0, output.read_text()
    assert numbers(disk, tmp_path / "copy") == undisturbed_histories(undisturbed)
