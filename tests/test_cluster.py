"""docker/compose.yaml as processes: database, MLflow server with passwords, Ray head, two nodes, a study as a job."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster_processes import Deployment, needs_postgresql
from tests.command import SMALL, run, stored_histories, stored_runs, undisturbed_histories, wait_until
from tests.jobs import clean_checkout, ended, ray, submit
from tests.process import Process
from workers.spool import ENTRY
from workers.tracking import RunStore

pytestmark = [pytest.mark.timeout(900), needs_postgresql]

STUDY = ("python", "sweeps/double_descent.py")
LONG = ("--widths", "3", "7", "--label-noise", "0.15", "--epochs", "20000")  # nobody waits for its end


@dataclass(frozen=True)
class Running:
    """All services of the file, each of them answering; and a study that ran elsewhere, for its numbers."""

    deployment: Deployment
    database: Process
    undisturbed: Path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, undisturbed: Path) -> Iterator[Running]:
    """Taken down in the opposite order. The nodes prepare their data sets themselves."""
    deployment = Deployment(tmp_path_factory.mktemp("cluster"), tmp_path_factory.mktemp("node-cache"))
    with ExitStack() as stack:
        database = stack.enter_context(deployment.postgresql())
        stack.enter_context(deployment.mlflow())
        stack.enter_context(deployment.head())
        for host in ("127.0.0.3", "127.0.0.4"):
            stack.enter_context(deployment.worker(host))
        yield Running(deployment, database, undisturbed)


def opened(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The store, by a person who has its password."""
    for name, value in deployment.mlflow_credentials.items():
        monkeypatch.setenv(name, value)
    return RunStore(deployment.mlflow_address)


def details(cluster: Deployment, job: str) -> dict[str, Any]:
    """What the head says of a job, to its dashboard and to `ray job list`."""
    token = {"Authorization": f"Bearer {cluster.secrets['RAY_AUTH_TOKEN']}"}
    with urllib.request.urlopen(urllib.request.Request(f"{cluster.dashboard}/api/jobs/{job}", headers=token)) as answer:
        return json.load(answer)


def wait_until_it_trains(store: RunStore, job: subprocess.Popen[str]) -> None:
    """Returns when trials are under way, and each has a checkpoint to go on from."""

    def trains() -> bool:
        experiment = store.find_study("double_descent")
        runs = [] if experiment is None else store.runs(experiment, "trial")
        return any(run.status == "RUNNING" for run in runs) and all(run.checkpoints for run in runs)

    wait_until(trains, job)


def stop(cluster: Deployment, store: RunStore, job: subprocess.Popen[str], name: str) -> str:
    """`ray job stop`, and what it leaves behind; what the job has said."""
    code, output = ended(ray(cluster, "job", "stop", name))
    assert code == 0, output
    _, output = ended(job)  # Ray's command ends a stopped job with 0
    assert "interrupted; the same command continues from what is stored" in output, output
    assert [record.status for record in stored_runs(store).values()] == ["KILLED"] * 2
    (study_run,) = stored_runs(store, "sweep").values()
    told = details(cluster, name)
    assert told["status"] == "STOPPED"
    assert told["metadata"] == {"study": "double_descent", "study_run": study_run.run_id}
    assert study_run.tags["sweep.ray_job"] == name
    return output


def restart(cluster: Running, job: subprocess.Popen[str]) -> None:
    """The database goes away until a node has noticed, and comes back."""
    cluster.database.end()
    wait_until(lambda: bool(list((cluster.deployment.cache / "spool").glob(f"*/0*/{ENTRY}"))), job)
    cluster.database.start()


def test_a_study_on_two_nodes_can_be_stopped_loses_its_database_and_is_reproduced(
    cluster: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, checkout = cluster.deployment, clean_checkout(tmp_path / "gensweep")
    store = opened(deployment, monkeypatch)
    for name, state in (("stopped", "2 pending"), ("continued", "2 partial")):
        job = submit(deployment, checkout, *STUDY, *LONG, name=name)
        wait_until_it_trains(store, job)
        assert f"double_descent: 2 trials ({state})" in stop(deployment, store, job, name)

    job = submit(deployment, checkout, *STUDY, *SMALL, name="restarted")
    wait_until_it_trains(store, job)
    restart(cluster, job)
    code, output = ended(job)
    assert code == 0, output
    assert "2 CPU cores for" in output, "a core of each node, none of the head's"
    expected = undisturbed_histories(cluster.undisturbed)
    assert stored_histories(store, {name for name, _ in expected}) == expected

    study_run = details(deployment, "restarted")["metadata"]["study_run"]
    code, output = ended(submit(deployment, checkout, "python", "-m", "sweeps", "reproduce", study_run))
    assert code == 0, output
    assert "reproduced exactly: 2 of 2 trials were recorded to their end" in output, output
    assert not list((deployment.cache / "spool").glob("*")), "everything has been sent"


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
