"""The report's page in a real browser: pointing at a mark tells its number, a legend chooses, nothing is fetched."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.report.axis import Axis
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.curves import curves
from orchestrator.report.judgement import value
from orchestrator.report.presentation import (
    ArrayMap,
    ArrayMaps,
    Courses,
    Map,
    Maps,
    Panel,
    Presentation,
    Profile,
    Profiles,
    Scatter,
    Series,
)
from orchestrator.report.table import Array, Results, Row
from tests.browser import browser_page, keep_screenshot, needs_browser
from tests.orchestrator.report.tidy_tables import PRESENTATION, example, joined, table

pytestmark = [pytest.mark.timeout(300), needs_browser]
EVIL = "<img src=http://x onerror=alert(1)> ' \" & </script>"
HEADER = ReportHeader("study", "question?", "expected", "command")
NAMES = {"narrow": {"model.width": 2}, "wide": {"model.width": 8}}
EVERY_KIND = Presentation(
    x=Axis("model.width", "width", names=NAMES),
    columns=Axis("corruption.fraction", EVIL),
    courses=Courses((Panel("loss", (Series("test/loss", "test"), Series("train/loss", "train"))),)),
    profiles=(Profiles("share", (Profile("accuracy", (Series("a/accuracy", "train"),), along="a/share"),)),),
    array_maps=(ArrayMaps((ArrayMap("surface", "a/surface"),), "t", "s"),),
    scatter=Scatter(Series("test/loss", "test loss"), Series("train/loss", "train loss"), {"all": ("narrow", "wide")}),
    panels=(Panel("loss", (Series("test/loss", "test"), Series("train/loss", "train"))),),
    also=(
        Presentation(
            x=Axis("model.width", "width"),
            columns=Axis("corruption.fraction", "label noise"),
            maps=Maps((Map("test/loss", "test loss"),)),
        ),
    ),
)


def every_kind() -> Results:
    """Two widths, two label noises, two replicates, with a course and arrays of each."""
    values = {"test/loss": [[3.0, 1.0], [3.5, 1.25]], "train/loss": [[2.0, 0.5], [2.5, 0.75]]}
    both = joined(table(values, (2, 8)), table(values, (2, 8), fraction=0.15))
    rows = [
        Row(row.trial_id, step, row.quantity, row.value * 100 / step, None) for row in both.rows for step in (50, 100)
    ]
    named = {"accuracy": [1.0, 0.5, 0.25], "share": [0.0, 0.5, 1.0], "surface": [[1.0, 2.0], [3.0, 4.0]]}
    arrays = [
        Array(one.trial_id, 100, f"a/{name}", np.array(each)) for one in both.trials for name, each in named.items()
    ]
    return Results(both.trials, tuple(rows), tuple(arrays))


def written(results: Results, presentation: Presentation, folder: Path) -> str:
    """The address of a report's page."""
    page = folder / "report.html"
    page.write_bytes(build_report(HEADER, results, presentation).files["report.html"])
    return page.as_uri()


def point_at(page: Any, mark: Any) -> str:
    """What the page tells where a mark is."""
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    return page.locator(".card:visible").inner_text()


def test_every_mark_of_the_figure_tells_its_number(tmp_path: Path) -> None:
    with browser_page() as (page, heard):
        address = written(example(), PRESENTATION, tmp_path)
        page.goto(address)
        lines = page.evaluate("JSON.parse(document.querySelector('figure').dataset.told).lines")
        found = {line["title"]: line for line in lines}
        columns = curves(example(), PRESENTATION)
        for column in columns:
            for panel in PRESENTATION.panels:
                for series in panel.series:
                    line = found[f"{panel.label}: {series.label}\n{column.label}"]
                    assert len(line["spots"]) == len(column.curves[series.quantity].points)
        # By Matplotlib's own markers, which the script does not look at.
        noisy = found["test loss: test\nlabel noise 0.15"]
        marks = page.locator(f"[id=figure-{noisy['id']}] use")
        for mark, point in zip(marks.all(), columns[1].curves["test/loss"].points, strict=True):
            told = point_at(page, mark)
            assert told.startswith("test loss: test\nlabel noise 0.15\n")
            assert f"width {point.x:g}\n{value(point)}" in told and told.endswith(f"n = {point.n}")
        keep_screenshot(page, "report_points", tmp_path)
        page.mouse.move(0, 0)
        assert page.locator(".card:visible").count() == 0
        assert (heard.console, heard.exceptions, heard.requests) == ([], [], [address])


def test_a_legend_entry_is_chosen_by_mouse_or_key_and_dims_the_rest(tmp_path: Path) -> None:
    with browser_page() as (page, heard):
        page.goto(written(example(), PRESENTATION, tmp_path))
        keys = page.locator(".key")
        assert [key.get_attribute("aria-label") for key in keys.all()][:3] == ["train", "test", "test"]
        keys.nth(1).click()
        assert keys.nth(1).get_attribute("aria-pressed") == "true"
        told = page.evaluate("JSON.parse(document.querySelector('figure').dataset.told)")
        series = {artist: tags["series"] for artist, tags in told["parts"]}
        dim = page.evaluate("[...document.querySelectorAll('.dim')].map(e => e.id.replace('figure-', ''))")
        assert {artist for artist in series if series[artist] != "test/error test"} == set(dim) & set(series)
        line = next(line for line in told["lines"] if line["title"].startswith("error: test"))
        assert point_at(page, page.locator(f"[id=figure-{line['id']}] use").first).startswith("error: test")
        keep_screenshot(page, "report_chosen", tmp_path)
        keys.nth(1).press("Enter")
        assert page.locator(".dim").count() == 0
        keys.nth(0).press(" ")
        assert page.locator(".dim").count() > 0
        page.get_by_role("button", name="show all of the figure").click()
        assert page.locator(".dim").count() == 0
        assert (heard.console, heard.exceptions) == ([], [])


def test_keys_step_through_the_points_and_the_figure_enlarges_and_comes_back(tmp_path: Path) -> None:
    with browser_page() as (page, heard):
        page.goto(written(example(), PRESENTATION, tmp_path))
        frame, svg = page.locator("figure .scroll"), page.locator("figure svg")
        frame.focus()
        told: list[str] = []
        for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
            page.keyboard.press(key)
            told.append(page.locator(".card:visible").inner_text())
        assert [text.split("\n")[0] for text in told] == ["error: train", "error: train", "error: test"]
        assert ["\nwidth 1\n" in told[0], "\nwidth 2\n" in told[1], "\nwidth 2\n" in told[2]] == [True] * 3
        whole = svg.get_attribute("viewBox")
        box = svg.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.9 * box["height"])
        page.keyboard.down("Control")
        page.mouse.wheel(0, -200)
        page.keyboard.up("Control")
        page.wait_for_function(
            "whole => document.querySelector('figure svg').getAttribute('viewBox') !== whole", arg=whole
        )
        enlarged = svg.get_attribute("viewBox")
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
        page.mouse.up()
        moved = svg.get_attribute("viewBox")
        assert moved != enlarged and moved.split()[2:] == enlarged.split()[2:]
        frame.focus()
        page.keyboard.press("Escape")
        assert [float(n) for n in svg.get_attribute("viewBox").split()] == [float(n) for n in whole.split()]
        assert (heard.console, heard.exceptions) == ([], [])


def test_figures_of_every_kind_tell_and_hostile_names_stay_text(tmp_path: Path) -> None:
    with browser_page() as (page, heard):
        address = written(every_kind(), EVERY_KIND, tmp_path)
        page.goto(address)
        told = page.evaluate(
            "[...document.querySelectorAll('figure[data-told]')].map(figure => JSON.parse(figure.dataset.told))"
        )
        kinds = [(sum(len(line["spots"]) for line in each["lines"]), len(each["cells"])) for each in told]
        # Courses: 2 columns x 2 widths x 2 quantities x 2 steps; profiles x 3 places; maps of arrays; scatter; panels.
        assert kinds == [(16, 0), (12, 0), (0, 4), (4, 0), (8, 0), (0, 1)]
        words: list[str] = []
        for figure in page.locator("figure").all():
            figure.locator(".scroll").focus()
            page.keyboard.press("ArrowRight")
            words.append(figure.locator(".card").inner_text())
        assert all(EVIL in text for text in words[:5])
        assert "step 50\n" in words[0] and "share 0\n" in words[1] and "t 0\ns 0\n1.00" in words[2]
        assert "test loss 3.25 ± 0.25 (3.00 to 3.50), n = 2" in words[3]
        assert words[5] == "test loss\nwidth 2\nlabel noise 0\n3.25 ± 0.25 (3.00 to 3.50)\nn = 2"
        ids = "[...document.querySelectorAll('figure')].map(f => [...f.querySelectorAll('[id]')].map(e => e.id))"
        of_figures = [set(each) for each in page.evaluate(ids)]
        assert sum(map(len, of_figures)) == len(set[str]().union(*of_figures)), "no two figures share an id"
        keep_screenshot(page, "report_kinds", tmp_path)
        assert page.locator("img").count() == 0
        assert (heard.console, heard.exceptions) == ([], [])
        # A picture inside the SVG of an array is in the page itself.
        assert [url for url in heard.requests if not url.startswith("data:")] == [address]


def test_another_script_does_not_run_and_without_scripts_the_figure_is_there(tmp_path: Path) -> None:
    address = written(example(), replace(PRESENTATION, claims=()), tmp_path)
    page_file = tmp_path / "report.html"
    page_file.write_text(page_file.read_text().replace("</body>", "<script>document.title = 'run'</script></body>"))
    with browser_page() as (page, heard):
        page.goto(address)
        assert page.title() == "study"
        assert any("Content Security Policy" in said for said in heard.console)
        assert page.locator(".tools").count() == 1
    with browser_page(scripts=False) as (page, heard):
        page.goto(address)
        assert page.locator("figure svg").bounding_box()["height"] > 300
        assert page.locator(".tools").count() == 0
