"""MLflow's own pages on a finished study: a real server, a real browser, the addresses that the study prints.

MLflow's saved views and descriptions are undocumented, so here alone it shows whether they still work.
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.browser import PATIENCE, Heard, browser_page, keep_screenshot, needs_browser
from tests.command import records, run
from tests.mlflow_server import MlflowServer
from workers.store_address import local_store
from workers.tracking import RunStore

pytestmark = [pytest.mark.timeout(600), needs_browser]  # of which the first has the study and the server to wait for
N_EFF = "hessian_spectrum/effective_dimensionality_z1"
# What MLflow 3.17 says by itself on any store: without accounts it asks for the current user all the same.
NOISE = re.compile(
    r"AG Grid: since v27\.1, `(getRowNodeId|immutableData)` is deprecated"
    r"|AG Grid: tried to call sizeColumnsToFit\(\) but the grid is coming back with zero width"
    r"|Error: <\w+> attribute \w+: .*(NaN|A negative value)"  # of parallel coordinates, before they have a size
    r"|GL Driver Message"  # where Chromium draws WebGL without a GPU
    r"|ResizeObserver loop completed with undelivered notifications"
    r"|status of 404 .*/ajax-api/2\.0/mlflow/users/current"
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, str]:
    """The folder of a finished study of two widths, two noise levels and two replicates, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    settings = ["--widths", "2", "4", "--replicates", "2", "--epochs", "1", "--cpus", "1"]
    result = run(cache, [*settings, "--folder", str(folder)])
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, result.stdout


@pytest.fixture(scope="module")
def server(finished: tuple[Path, str], cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server on the study's store."""
    server = MlflowServer(local_store(finished[0] / "store"), tmp_path_factory.mktemp("server"), cache)
    server.start()
    yield server.url
    server.end()


@pytest.fixture(scope="module")
def opened(server: str) -> Iterator[tuple[Any, Heard]]:
    """One page for all tests: a browser takes seconds to start, and MLflow's scripts to load."""
    with browser_page(1600, 1400) as (page, heard):
        yield page, heard


@pytest.fixture
def page(opened: tuple[Any, Heard]) -> Iterator[Any]:
    """That page; what it has said in the meantime is of MLflow's own making."""
    page, heard = opened
    heard.console.clear()
    yield page
    assert [said for said in heard.console if not NOISE.search(said)] == []
    assert heard.exceptions == []


def printed(output: str, name: str, server: str) -> str:
    """The address of this name that the study has printed, at the server that runs here."""
    (address,) = re.findall(rf"(?:then open|or) (\S+) \({name}\)", output)
    return address.replace("http://127.0.0.1:5000", server)


def visible(page: Any, text: str) -> None:
    page.get_by_text(text, exact=False).first.wait_for(state="attached", timeout=PATIENCE)


@pytest.mark.parametrize(
    ("view", "expected", "charts"),
    [
        ("curves", ["curve/test_loss", "label noise 0", "label noise 0.15"], 4),
        ("seeds averaged", ["Group by: model.width", "Group: model.width", "test/loss"], 4),
    ],
)
def test_a_printed_address_opens_a_view_on_its_charts(
    server: str, finished: tuple[Path, str], page: Any, tmp_path: Path, view: str, expected: list[str], charts: int
) -> None:
    page.goto(printed(finished[1], view, server))
    for text in expected:
        visible(page, text)
    page.wait_for_function(f"document.querySelectorAll('.js-plotly-plot').length >= {charts}", timeout=PATIENCE)
    keep_screenshot(page, f"mlflow_{view.replace(' ', '_')}", tmp_path)


def test_the_overview_has_parallel_coordinates_of_width_noise_error_and_effective_dimensionality(
    server: str, finished: tuple[Path, str], page: Any, tmp_path: Path
) -> None:
    page.goto(printed(finished[1], "overview", server))
    for text in ("Parallel Coordinates", "test/loss", "model.width", N_EFF):
        visible(page, text)
    labels = "[...document.querySelectorAll('.parcoords .dimension')].map(each => each.textContent)"
    page.wait_for_function(f"{labels}.length >= 4", timeout=PATIENCE)
    shown = " ".join(page.evaluate(labels))
    for name in ("model.width", "corruption.fraction", "test/error", "test/loss", N_EFF):
        assert name in shown
    page.locator(".parcoords canvas").first.wait_for(state="attached", timeout=PATIENCE)
    page.locator(".js-plotly-plot").first.wait_for(timeout=PATIENCE)
    keep_screenshot(page, "mlflow_overview", tmp_path)


def test_the_table_lists_the_trials_by_name_with_their_settings(
    server: str, finished: tuple[Path, str], page: Any, tmp_path: Path
) -> None:
    page.goto(printed(finished[1], "overview", server).replace("&compareRunsMode=CHART", ""))
    for text in ("width=0002 fraction=0.0 seed=0", "width=0004 fraction=0.15 seed=1", "model.width", "test/error"):
        visible(page, text)
    keep_screenshot(page, "mlflow_runs", tmp_path)


def test_the_description_shows_question_and_key_figure(
    server: str, finished: tuple[Path, str], page: Any, tmp_path: Path
) -> None:
    page.goto(printed(finished[1], "report", server).split("/artifacts/")[0] + "?workflowType=machine_learning")
    visible(page, "Does effective dimensionality follow test loss through double descent?")
    page.get_by_text("Show more").click()
    figure = page.locator("img[src^=get-artifact]")
    figure.wait_for(timeout=PATIENCE)
    page.wait_for_function("document.querySelector('img[src^=get-artifact]').naturalWidth >= 600", timeout=PATIENCE)
    visible(page, "N_eff (z = 1) follows test loss")
    keep_screenshot(page, "mlflow_description", tmp_path)
    page.goto(f"{server}/#/experiments")
    page.goto(printed(finished[1], "overview", server))
    page.wait_for_function("document.querySelector('img[src^=get-artifact]')?.naturalWidth >= 600", timeout=PATIENCE)


def test_the_report_opens_in_its_run_and_is_interactive_there(
    server: str, finished: tuple[Path, str], page: Any, tmp_path: Path
) -> None:
    page.goto(printed(finished[1], "report", server))
    report = page.frame_locator("iframe")
    report.locator(".tools").first.wait_for(timeout=PATIENCE)
    report.locator("figure .scroll").first.focus()
    report.locator("figure .scroll").first.press("ArrowRight")
    assert report.locator(".card").first.inner_text().startswith("error: train\nlabel noise 0\nwidth 2\n")
    keep_screenshot(page, "mlflow_report", tmp_path)


def test_runs_compare_by_width_noise_error_and_effective_dimensionality(
    server: str, finished: tuple[Path, str], page: Any, tmp_path: Path
) -> None:
    trials = records(finished[0])
    runs = json.dumps([record.run_id for record in trials.values()])
    experiment = RunStore(local_store(finished[0] / "store")).find_study("double_descent")
    chosen = f"runs={quote(runs)}&experiments={quote(json.dumps([experiment]))}"
    page.goto(f"{server}/#/compare-runs?{chosen}&workflowType=machine_learning")
    page.locator(".js-plotly-plot g.parcoords").first.wait_for(timeout=PATIENCE)
    metrics = page.get_by_role("combobox").nth(1)  # of the page's choice are the parameters that differ, and a metric
    for name in ("test/error", N_EFF):
        metrics.click()
        metrics.fill(name)
        page.get_by_role("option", name=name, exact=True).wait_for(state="attached", timeout=PATIENCE)
        metrics.press("Enter")
    plot = page.locator(".js-plotly-plot").first
    for name in ("model.width", "corruption.fraction", "test/error", N_EFF):
        plot.get_by_text(name, exact=True).first.wait_for(timeout=PATIENCE)
    keep_screenshot(page, "mlflow_compare", tmp_path)


def test_the_page_of_the_finished_report_tells_the_numbers_of_its_table(
    finished: tuple[Path, str], opened: tuple[Any, Heard], page: Any, tmp_path: Path
) -> None:
    folder, heard = finished[0] / "reports" / "double_descent", opened[1]
    drawn = csv.DictReader((folder / "figure.csv").read_text().splitlines())
    place = ("test/loss", "label noise 0.15", "4")
    (wanted,) = [each for each in drawn if (each["quantity"], each["column"], each["x"]) == place]
    heard.requests.clear()
    page.goto((folder / "report.html").as_uri())
    told = page.evaluate("JSON.parse(document.querySelector('figure').dataset.told).lines")
    line = next(each for each in told if each["title"] == "test loss: test\nlabel noise 0.15")
    mark = page.locator(f"[id=figure-{line['id']}] use").nth(1)
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    words = page.locator(".card:visible").inner_text().split("\n")
    assert words[:3] == ["test loss: test", "label noise 0.15", "width 4"]
    assert float(words[3].split(" ")[0]) == pytest.approx(float(wanted["mean"]), rel=1e-2)
    assert words[4] == f"n = {wanted['n']}" == "n = 2"
    keep_screenshot(page, "report", tmp_path)
    assert heard.requests == [(folder / "report.html").as_uri()]
    page.locator(".key").nth(2).click()
    assert page.locator(".dim").count() > 0


def test_curve_runs_hold_one_point_for_each_width_and_trials_have_their_colour(finished: tuple[Path, str]) -> None:
    store = RunStore(local_store(finished[0] / "store"))
    curves = records(finished[0], "curve")
    assert len(curves) == 2
    for record in curves.values():
        assert [point.step for point in store.history(record.run_id, "curve/test_loss")] == [2, 4]
    of_trials = {
        (record.parameters["corruption.fraction"], record.tags["mlflow.runColor"])
        for record in records(finished[0]).values()
    }
    assert {color for _, color in of_trials} == {record.tags["mlflow.runColor"] for record in curves.values()}
    assert len(of_trials) == 2
