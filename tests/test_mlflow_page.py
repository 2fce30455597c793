"""The saved views open MLflow's own page on the study's charts: a real server, a real browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import records, run
from tests.mlflow_server import MlflowServer
from workers.store_address import local_store
from workers.tracking import RunStore

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
    """The address of an MLflow server on the study's store."""
    server = MlflowServer(local_store(finished / "store"), tmp_path_factory.mktemp("server"), cache)
    server.start()
    yield server.url
    server.end()


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
