"""Ctrl-C and SIGTERM in every phase of a study: an orderly end, and the same command continues."""

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.ending import LINE
from orchestrator.settling import ROLES, RUNNING
from tests.command import ON_ONE_CORE, assert_same_numbers, descendants, has_trained, records, run, start, wait_until
from workers.store_address import local_store
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(600)

SECONDS = 30  # until the process is gone, on a machine that does other things, too


class Interruptions:
    """The command in one folder, again and again, each time ended by a signal."""

    def __init__(self, folder: Path, number: signal.Signals) -> None:
        self.folder, self.number, self.output = folder, number, folder / "output"

    def at(self, cache: Path, phase: Callable[[subprocess.Popen[str]], bool]) -> None:
        """Send the signal as soon as the phase is reached, and see that the end is as it should be."""
        process = start(cache, [*ON_ONE_CORE, "--folder", str(self.folder)], output=self.output)
        wait_until(lambda: phase(process), process)
        # A terminal sends Ctrl-C to the whole process group; SIGTERM goes to the command alone.
        (os.killpg if self.number is signal.SIGINT else os.kill)(process.pid, self.number)
        process.wait(timeout=SECONDS)
        said = self.output.read_text()
        assert process.returncode == 128 + self.number, said
        assert said.count(LINE) == 1 and said.endswith(LINE + "\n") and "Traceback" not in said
        assert not [name for name, status in self.statuses().items() if status == RUNNING], said

    def statuses(self) -> dict[str, str]:
        """Of all runs of the study, once there is one."""
        uri = local_store(self.folder / "store")
        if not (self.folder / "store" / "mlflow.db").exists() or RunStore(uri).find_study("double_descent") is None:
            return {}
        return {name: record.status for role in ROLES for name, record in records(self.folder, role).items()}

    def has_said(self, words: str) -> bool:
        return words in self.output.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
@pytest.mark.usefixtures("made_store")
def test_a_signal_in_any_phase_ends_in_order_and_the_same_command_continues(
    number: signal.Signals, tmp_path: Path, undisturbed: Path, cache: Path
) -> None:
    study = Interruptions(tmp_path, number)
    other_cache = tmp_path / "cache"
    (other_cache / "datasets").mkdir(parents=True)
    with contextlib.ExitStack() as held:  # what another process prepares is waited for
        for prepared in (cache / "datasets").glob("*.lock"):
            lock = held.enter_context((other_cache / "datasets" / prepared.name).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        study.at(other_cache, lambda process: study.has_said("to train 2"))
    assert study.statuses() == {}, "nothing was stored"
    study.at(cache, lambda process: any("raylet" in title for _, title in descendants(process.pid)))
    assert study.statuses() == {}, "nothing was stored"
    study.at(cache, lambda process: has_trained(tmp_path, 120))
    study.at(cache, lambda process: study.has_said("[training 2/2]") or study.has_said("[measuring 1/4]"))
    study.at(cache, lambda process: (tmp_path / "reports" / "double_descent" / "report.html").exists())
    result = run(cache, [*ON_ONE_CORE, "--folder", str(tmp_path)])
    assert result.returncode == 0, result.stdout + result.stderr
    assert_same_numbers(tmp_path, undisturbed)
    assert set(study.statuses().values()) == {"FINISHED"}
    for role in ("sweep", "curve"):
        assert len(records(tmp_path, role)) == 1
