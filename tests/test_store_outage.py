"""The MLflow server goes away in the middle of trainings, and comes back: nothing is lost, nothing is there twice."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import run, start
from tests.mlflow_server import MlflowServer
from workers.record import Point
from workers.spool import ENTRY
from workers.store_address import local_store
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(300)
STUDY = ["--widths", "2", "5", "--label-noise", "0.15", "--epochs", "60"]


def histories(uri: str) -> dict[tuple[str, str], list[Point]]:
    """Every point of every metric of every trial of the study."""
    store = RunStore(uri)
    experiment = store.find_study("double_descent")
    runs = [] if experiment is None else store.runs(experiment, "trial")
    return {(run.name, key): store.history(run.run_id, key) for run in runs for key in run.points}


def wait_until(condition: Callable[[], bool], process_is_alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline and process_is_alive(), "what was waited for did not happen"
        os.sched_yield()


def test_what_could_not_be_sent_waits_on_disk_and_is_stored_once(tmp_path: Path, cache: Path) -> None:
    undisturbed = run(cache, [*STUDY, "--folder", str(tmp_path / "undisturbed")])
    assert undisturbed.returncode == 0, undisturbed.stdout + undisturbed.stderr
    server = MlflowServer(local_store(tmp_path / "server" / "store"), tmp_path, cache)
    (tmp_path / "server" / "store").mkdir(parents=True)
    server.start()
    process = start(cache, [*STUDY, "--tracking-uri", server.url, "--folder", str(tmp_path / "results")])
    store = RunStore(server.url)

    def trains() -> bool:
        experiment = store.find_study("double_descent")
        runs = [] if experiment is None else store.runs(experiment, "trial")
        return any(len(run.checkpoints) > 3 for run in runs)

    wait_until(trains, lambda: process.poll() is None)
    server.end(signal.SIGKILL)

    def waits() -> bool:
        return any("checkpoints" in path.read_text() for path in (cache / "spool").glob(f"*/0*/{ENTRY}"))

    wait_until(waits, lambda: process.poll() is None)
    server.start()
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, output + errors
    server.end()
    expected = histories(local_store(tmp_path / "undisturbed" / "store"))
    assert histories(server.store) == expected
    assert not list((cache / "spool").glob("*")), "everything has been sent"
