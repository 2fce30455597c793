"""`ray job submit` against a real head on the loopback address, from a clean checkout."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import ROOT, environment, records, run
from workers.store_address import local_store

pytestmark = pytest.mark.timeout(400)

RAY = Path(sys.executable).with_name("ray")


@dataclass(frozen=True)
class Head:
    """A running Ray head: where it answers, and the environment of those it lets in."""

    address: str
    dashboard: str
    credentials: dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Head]:
    """`ray start --head`, loopback only, two CPUs, with a token; ended by its process group."""
    port, dashboard = free_port(), free_port()
    credentials = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    command = [str(RAY), "start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1", f"--port={port}"]
    command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--disable-usage-stats"]
    log = tmp_path_factory.mktemp("head") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env={**environment(cache), **credentials, **loopback},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            wait_for_dashboard(f"http://127.0.0.1:{dashboard}/api/version", process, log)
            yield Head(f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", credentials)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for_dashboard(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError as error:
            if error.code == 401:  # it answers, and wants a token
                return
        except OSError:
            os.sched_yield()
    raise AssertionError(f"the Ray head did not come up: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clean checkout holds: the files that git knows or would, nothing else."""
    folder = tmp_path_factory.mktemp("checkout") / "gensweep"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def submit(head: Head, checkout: Path, cache: Path, store: Path | None, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `ray job submit ... -- python sweeps/double_descent.py ARGUMENTS`."""
    variables = {"GENSWEEP_CACHE": str(cache), **({} if store is None else {"MLFLOW_TRACKING_URI": local_store(store)})}
    command = [str(RAY), "job", "submit", "--address", head.dashboard, "--working-dir", str(checkout)]
    command += ["--runtime-env-json", json.dumps({"env_vars": variables})]
    surroundings = {name: value for name, value in environment(cache).items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [*command, "--", sys.executable, "sweeps/double_descent.py", *arguments],
        env={**surroundings, **head.credentials},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


SMALL = ("--widths", "2", "3", "--label-noise", "0.15", "--epochs", "2")


def test_a_study_runs_as_a_job(head: Head, checkout: Path, cache: Path, tmp_path: Path) -> None:
    code, output = submit(head, checkout, cache, tmp_path / "store", *SMALL)
    assert code == 0, output
    assert "[training 1/2] width=000" in output and "[measuring 4/4] width=000" in output, "progress lines are streamed"
    stored = records(tmp_path)
    assert [record.status for record in stored.values()] == ["FINISHED"] * 2
    assert all(len(record.measured) == 2 for record in stored.values())


def test_a_failing_job_says_so_by_its_exit_code(head: Head, checkout: Path, cache: Path, tmp_path: Path) -> None:
    code, output = submit(head, checkout, cache, tmp_path / "store", "--widths", "0")
    assert code != 0 and "widths.0=0 is not valid" in output
    code, output = submit(head, checkout, cache, None, *SMALL)
    assert code != 0 and "a Ray job needs MLFLOW_TRACKING_URI" in output


def test_a_driver_may_use_the_cluster_by_its_address(head: Head, cache: Path, tmp_path: Path) -> None:
    arguments = [*SMALL, "--address", head.address, "--folder", str(tmp_path)]
    result = run(cache, arguments, **head.credentials)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [record.status for record in records(tmp_path).values()] == ["FINISHED"] * 2


def test_a_wrong_token_is_one_clear_line(head: Head, cache: Path, tmp_path: Path) -> None:
    arguments = [*SMALL, "--address", head.address, "--folder", str(tmp_path)]
    result = run(cache, arguments, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 32)
    assert result.returncode == 2, result.stdout + result.stderr
    assert f"error: cannot use the Ray cluster at {head.address} (RAY_AUTH_MODE" in result.stderr
    assert "Traceback" not in result.stderr
