"""The saved views open MLflow's own page on the study's charts: a real server, a real browser."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import environment, records, run
from workers.tracking import RunStore, local_store

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        CHROMIUM is None and "GENSWEEP_REQUIRE_BROWSER" not in os.environ,
        reason="needs Debian's chromium; CI installs it",
    ),
]
# Without these flags the browser calls home, which a test machine does not answer.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The folder of a finished study of three widths and two noise levels."""
    folder = tmp_path_factory.mktemp("finished")
    result = run(cache, ["--widths", "2", "4", "8", "--epochs", "2", "--folder", str(folder)])
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def server(finished: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server on the study's store, on the loopback address, ended by its process group."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--backend-store-uri", local_store(finished / "store")],
            env={**environment(cache), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=output,
            stderr=output,
            cwd=log.parent,
            start_new_session=True,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            os.sched_yield()
    raise AssertionError(f"the MLflow server did not come up: {log.read_text()[-2000:]}")


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("curves", ["curve/test_loss", "label noise 0", "label noise 0.15"]),
        ("overview", ["hessian_spectrum/effective_dimensionality_z1", "test/loss", "model.width"]),
    ],
)
def test_a_saved_view_opens_on_the_charts(
    server: str, finished: Path, tmp_path: Path, view: str, expected: list[str]
) -> None:
    from playwright.sync_api import sync_playwright

    from orchestrator.views import view_url

    assert CHROMIUM is not None
    experiment = RunStore(local_store(finished / "store")).find_study("double_descent")
    assert experiment is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1600, "height": 1400})
        page.goto(view_url(server, experiment, view))
        for text in expected:
            page.get_by_text(text, exact=False).first.wait_for(state="attached", timeout=60_000)
        page.locator(".js-plotly-plot").first.wait_for(timeout=60_000)
        page.screenshot(path=os.environ.get("GENSWEEP_SCREENSHOTS", str(tmp_path)) + f"/mlflow_{view}.png")
        browser.close()


def test_curve_runs_hold_one_point_for_each_width(finished: Path) -> None:
    store = RunStore(local_store(finished / "store"))
    curves = records(finished, "curve")
    assert len(curves) == 2
    for record in curves.values():
        assert [point.step for point in store.history(record.run_id, "curve/test_loss")] == [2, 4, 8]
