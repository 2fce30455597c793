"""The clock is set back by an hour between an interruption and what continues it: nothing depends on what it shows."""

import os
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.command import SMALL, assert_same_numbers, has_trained, records, run, start, wait_until

COMPILER = shutil.which("cc")
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        COMPILER is None and "GENSWEEP_REQUIRE_COMPILER" not in os.environ,
        reason="there is no C compiler, for a library that changes a process's clock",
    ),
]


@pytest.fixture
def an_hour_earlier(tmp_path: Path) -> dict[str, str]:
    """Environment of a process, and of all it starts, for which it is an hour earlier."""
    library = tmp_path / "earlier_clock.so"
    source = Path(__file__).with_name("earlier_clock.c")
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    # Ray takes the library away from the processes of trials, unless it is told not to.
    return {"LD_PRELOAD": str(library), "CLOCK_SET_BACK": "3600", "RAY_LD_PRELOAD_ON_WORKERS": "1"}


def times(folder: Path) -> list[tuple[str, int, int]]:
    """Run, step and time stamp (ms) of every stored training loss."""
    with sqlite3.connect(folder / "store" / "mlflow.db") as database:
        question = (
            "SELECT run_uuid, step, timestamp FROM metrics WHERE key = 'train/running_loss' ORDER BY run_uuid, step"
        )
        found = database.execute(question).fetchall()
    database.close()
    return found


def test_a_clock_that_is_set_back_changes_nothing(
    tmp_path: Path, undisturbed: Path, cache: Path, an_hour_earlier: dict[str, str]
) -> None:
    process = start(cache, [*SMALL, "--folder", str(tmp_path)])
    wait_until(lambda: has_trained(tmp_path, 120), process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = times(tmp_path)
    result = run(cache, [*SMALL, "--folder", str(tmp_path)], **an_hour_earlier)
    assert result.returncode == 0, result.stdout + result.stderr
    added = sorted(set(times(tmp_path)) - set(before))
    assert added and max(at for _, _, at in added) < min(at for _, _, at in before), "the clock was not set back"
    assert_same_numbers(tmp_path, undisturbed)
    expected = records(undisturbed)  # among others: a test may have added a width
    for name, record in records(tmp_path).items():
        assert (record.points, record.checkpoints) == (expected[name].points, expected[name].checkpoints)
    again = run(cache, [*SMALL, "--folder", str(tmp_path)])
    assert again.returncode == 0 and "to train 0" in again.stdout and "\n[" not in again.stdout
