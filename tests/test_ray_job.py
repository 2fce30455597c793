"""`ray job submit` against a real head on the loopback address, from a clean checkout."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster_processes import Deployment
from tests.command import SMALL, assert_same_numbers, records, run, wait_until
from tests.jobs import clean_checkout, ended, ray, submit
from workers.store_address import local_store, store_exists
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(400)

TINY = ("--widths", "2", "3", "--label-noise", "0.15", "--epochs", "2")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Deployment]:
    """A head with two CPUs and a token; the drivers bring the store of their choice."""
    deployment = Deployment(tmp_path_factory.mktemp("head"), cache, host="127.0.0.1")
    with deployment.head(num_cpus=2, with_mlflow=False):
        yield deployment


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clean_checkout(tmp_path_factory.mktemp("checkout") / "gensweep")


def study(head: Deployment, checkout: Path, store: Path | None, *arguments: str) -> tuple[int, str]:
    """Exit code and output of the study as a job, with the store in a folder."""
    variables = {} if store is None else {"MLFLOW_TRACKING_URI": local_store(store)}
    return ended(submit(head, checkout, "python", "sweeps/double_descent.py", *arguments, variables=variables))


def details(head: Deployment, job: str) -> dict[str, Any]:
    """What the head says of a job, to its dashboard and to `ray job list`."""
    token = {"Authorization": f"Bearer {head.secrets['RAY_AUTH_TOKEN']}"}
    with urllib.request.urlopen(urllib.request.Request(f"{head.dashboard}/api/jobs/{job}", headers=token)) as answer:
        return json.load(answer)


def trains(folder: Path) -> bool:
    """Whether a trial of the study has stored a checkpoint in mid-training."""
    store = local_store(folder / "store")
    if not store_exists(store):
        return False
    experiment = RunStore(store).find_study("double_descent")
    return experiment is not None and any(len(run.checkpoints) > 3 for run in RunStore(store).runs(experiment, "trial"))


def test_a_study_runs_as_a_job(head: Deployment, checkout: Path, tmp_path: Path) -> None:
    code, output = study(head, checkout, tmp_path / "store", *TINY)
    assert code == 0, output
    assert "[training 1/2] width=000" in output and "[measuring 4/4] width=000" in output, "progress lines are streamed"
    stored = records(tmp_path)
    assert [record.status for record in stored.values()] == ["FINISHED"] * 2
    assert all(len(record.measured) == 2 for record in stored.values())


def test_a_stopped_job_keeps_what_it_did_and_the_same_command_goes_on(
    head: Deployment, checkout: Path, undisturbed: Path, tmp_path: Path
) -> None:
    command = ("python", "sweeps/double_descent.py", *SMALL)
    variables = {"MLFLOW_TRACKING_URI": local_store(tmp_path / "store")}
    job = submit(head, checkout, *command, variables=variables, name="stopped")
    wait_until(lambda: trains(tmp_path), job)
    code, output = ended(ray(head, "job", "stop", "stopped"))
    assert code == 0, output
    code, output = ended(job)
    assert code != 0
    assert "interrupted; the same command continues from what is stored" in output
    stored = records(tmp_path)
    assert {record.status for record in stored.values()} == {"KILLED"}
    (study_run,) = records(tmp_path, "sweep").values()
    told = details(head, "stopped")
    assert told["status"] == "STOPPED"
    assert told["metadata"] == {"study": "double_descent", "study_run": study_run.run_id}
    assert study_run.tags["sweep.ray_job"] == "stopped"

    code, output = ended(submit(head, checkout, *command, variables=variables))
    assert code == 0, output
    assert_same_numbers(tmp_path, undisturbed)


def test_a_failing_job_says_so_by_its_exit_code(head: Deployment, checkout: Path, tmp_path: Path) -> None:
    code, output = study(head, checkout, tmp_path / "store", "--widths", "0")
    assert code != 0 and "widths.0=0 is not valid" in output
    code, output = study(head, checkout, None, *TINY)
    assert code != 0 and "a Ray job needs MLFLOW_TRACKING_URI" in output


def test_a_driver_may_use_the_cluster_by_its_address(head: Deployment, cache: Path, tmp_path: Path) -> None:
    arguments = [*TINY, "--address", head.ray_address, "--folder", str(tmp_path)]
    result = run(cache, arguments, **head.ray_credentials)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [record.status for record in records(tmp_path).values()] == ["FINISHED"] * 2


def test_a_wrong_token_is_one_clear_line(head: Deployment, cache: Path, tmp_path: Path) -> None:
    arguments = [*TINY, "--address", head.ray_address, "--folder", str(tmp_path)]
    result = run(cache, arguments, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 32)
    assert result.returncode == 2, result.stdout + result.stderr
    assert f"error: cannot use the Ray cluster at {head.ray_address} (RAY_AUTH_MODE" in result.stderr
    assert "Traceback" not in result.stderr
