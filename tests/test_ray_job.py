"""`ray job submit` against a real head on the loopback address, from a clean checkout."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster_processes import Deployment
from tests.command import records, run
from tests.jobs import clean_checkout, ended, submit
from workers.store_address import local_store

pytestmark = pytest.mark.timeout(400)

TINY = ("--widths", "2", "3", "--label-noise", "0.15", "--epochs", "2")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Deployment]:
    """A head with a CPU and a token; the drivers bring the store of their choice."""
    deployment = Deployment(tmp_path_factory.mktemp("head"), cache, host="127.0.0.1")
    with deployment.head(num_cpus=1, with_mlflow=False):
        yield deployment


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clean_checkout(tmp_path_factory.mktemp("checkout") / "gensweep")


def study(head: Deployment, checkout: Path, store: Path | None, *arguments: str) -> tuple[int, str]:
    """Exit code and output of the study as a job, with the store in a folder."""
    variables = {} if store is None else {"MLFLOW_TRACKING_URI": local_store(store)}
    return ended(submit(head, checkout, "python", "sweeps/double_descent.py", *arguments, variables=variables))


def test_a_study_runs_as_a_job(head: Deployment, checkout: Path, tmp_path: Path) -> None:
    code, output = study(head, checkout, tmp_path / "store", *TINY)
    assert code == 0, output
    assert "[training 1/2] width=000" in output and "[measuring 4/4] width=000" in output, "progress lines are streamed"
    stored = records(tmp_path)
    assert [record.status for record in stored.values()] == ["FINISHED"] * 2
    assert all(len(record.measured) == 2 for record in stored.values())


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


@pytest.mark.parametrize("credentials", [{}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32}])
def test_a_missing_or_wrong_token_is_one_clear_line(
    head: Deployment, cache: Path, tmp_path: Path, credentials: dict[str, str]
) -> None:
    arguments = [*TINY, "--address", head.ray_address, "--folder", str(tmp_path)]
    result = run(cache, arguments, HOME=str(tmp_path), **credentials)
    assert result.returncode == 2, result.stdout + result.stderr
    assert f"error: cannot use the Ray cluster at {head.ray_address} (RAY_AUTH_MODE" in result.stderr
    assert "Traceback" not in result.stderr
