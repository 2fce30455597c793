"""The MLflow server goes away in the middle of trainings, and comes back: nothing is lost, nothing is there twice."""

import signal
from pathlib import Path

import pytest

from tests.command import ON_ONE_CORE, assert_same_numbers, start, wait_until
from tests.mlflow_server import MlflowServer
from workers.spool import ENTRY
from workers.store_address import local_store
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(300)


def test_what_could_not_be_sent_waits_on_disk_and_is_stored_once(
    tmp_path: Path, undisturbed: Path, cache: Path
) -> None:
    (tmp_path / "store").mkdir()
    server = MlflowServer(local_store(tmp_path / "store"), tmp_path, cache)
    server.start()
    process = start(cache, [*ON_ONE_CORE, "--tracking-uri", server.url, "--folder", str(tmp_path / "results")])
    store = RunStore(server.url)

    def trains() -> bool:
        experiment = store.find_study("double_descent")
        runs = [] if experiment is None else store.runs(experiment, "trial")
        return any(len(run.checkpoints) > 3 for run in runs)

    wait_until(trains, process)
    server.end(signal.SIGKILL)

    def a_checkpoint_waits() -> bool:
        return any("checkpoints" in path.read_text() for path in (cache / "spool").glob(f"*/0*/{ENTRY}"))

    wait_until(a_checkpoint_waits, process)
    server.start()
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, output + errors
    server.end()
    assert_same_numbers(tmp_path, undisturbed)
    assert not list((cache / "spool").glob("*")), "everything has been sent"
