"""docker/compose.yaml as processes: database, MLflow server with passwords, Ray head, two nodes, a study as a job."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster_processes import Deployment, needs_postgresql
from tests.command import SMALL, run, stored_histories, stored_runs, undisturbed_histories, wait_until
from tests.jobs import clean_checkout, ended, submit
from tests.process import Process
from workers.spool import ENTRY
from workers.tracking import RunStore

pytestmark = [pytest.mark.timeout(600), needs_postgresql]


@dataclass(frozen=True)
class Running:
    """All services of the file, each of them answering."""

    deployment: Deployment
    database: Process


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Taken down in the opposite order. The nodes prepare their data sets themselves."""
    deployment = Deployment(tmp_path_factory.mktemp("cluster"), tmp_path_factory.mktemp("node-cache"))
    with ExitStack() as stack:
        database = stack.enter_context(deployment.postgresql())
        stack.enter_context(deployment.mlflow())
        stack.enter_context(deployment.head())
        for host in ("127.0.0.3", "127.0.0.4"):
            stack.enter_context(deployment.worker(host))
        yield Running(deployment, database)


def opened(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The store, by a person who has its password."""
    for name, value in deployment.mlflow_credentials.items():
        monkeypatch.setenv(name, value)
    return RunStore(deployment.mlflow_address)


def test_a_restart_of_the_database_changes_no_number_and_two_nodes_reproduce_them(
    cluster: Running, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, checkout = cluster.deployment, clean_checkout(tmp_path / "gensweep")
    store = opened(deployment, monkeypatch)
    job = submit(deployment, checkout, "python", "sweeps/double_descent.py", *SMALL)

    def trains() -> bool:
        experiment = store.find_study("double_descent")
        runs = [] if experiment is None else store.runs(experiment, "trial")
        return any(len(record.checkpoints) > 3 for record in runs)

    wait_until(trains, job)
    cluster.database.end()
    wait_until(lambda: bool(list((deployment.cache / "spool").glob(f"*/0*/{ENTRY}"))), job)
    cluster.database.start()
    code, output = ended(job)
    assert code == 0, output
    assert "2 CPU cores for" in output, "a core of each node, none of the head's"
    assert stored_histories(store) == undisturbed_histories(undisturbed)
    assert not list((deployment.cache / "spool").glob("*")), "everything has been sent"

    (study_run,) = (record.run_id for record in stored_runs(store, "sweep").values())
    code, output = ended(submit(deployment, checkout, "python", "-m", "sweeps", "reproduce", study_run))
    assert code == 0, output
    assert "reproduced" in output and "identical" in output, output
    print(output)


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        ({}, "asks for a user and a password (401)"),
        (
            {"MLFLOW_TRACKING_USERNAME": "gensweep", "MLFLOW_TRACKING_PASSWORD": "guessed-wrongly"},
            "does not know 'gensweep' by this password (401)",
        ),
    ],
)
def test_an_mlflow_server_that_lets_nobody_in_is_told_in_one_line(
    cluster: Running, cache: Path, tmp_path: Path, credentials: dict[str, str], message: str
) -> None:
    address = cluster.deployment.mlflow_address
    arguments = [*SMALL, "--tracking-uri", address, "--folder", str(tmp_path)]
    result = run(cache, arguments, HOME=str(tmp_path), **credentials)
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stderr == (
        f"error: the MLflow server at {address} {message}; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD\n"
    )
