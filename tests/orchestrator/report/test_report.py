"""The report: its files, their determinism, and that no text in it can reach the network or run."""

import csv
import hashlib
import io
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orchestrator.report import document
from orchestrator.report.build import Report, ReportHeader, build_report
from orchestrator.report.curves import curves
from orchestrator.report.document import Code, Paragraph, Table, markdown
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results
from tests.orchestrator.report.tidy_tables import PRESENTATION, example, joined, table, trial

GOLDEN = Path(__file__).parent / "golden" / "report.md"
HEADER = ReportHeader(
    study="double_descent",
    question="Does N_eff follow test loss?",
    expected="Peaks at the same width.",
    command="python sweeps/double_descent.py --label-noise 0.15",
    links=("MLflow: mlflow ui --backend-store-uri sqlite:///mlflow.db",),
    provenance=("git 1234abc",),
)
VOID = {"meta"}


class Page(HTMLParser):
    """Tags, references and text of a page; checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def report() -> Report:
    return build_report(HEADER, example(), PRESENTATION)


def lines(report: Report, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(report.files[name].decode())))


def test_markdown_is_the_golden_report(report: Report) -> None:
    assert report.files["report.md"].decode() == GOLDEN.read_text()


def test_every_file_is_there_and_the_same_table_gives_the_same_bytes(report: Report) -> None:
    assert set(report.files) == {
        *("report.md", "report.html", "figure.png", "figure.svg", "figure.csv", "preview.png"),
        *("data.csv", "trials.csv", "summary.csv"),
    }
    assert dict(build_report(HEADER, example(), PRESENTATION).files) == dict(report.files)


def test_page_refers_to_nothing_outside_itself_and_runs_our_script_alone(report: Report) -> None:
    text = report.files["report.html"].decode()
    page = Page(text)
    assert not [reference for reference in page.references if not reference.startswith("#")]
    assert not {"iframe", "object", "embed", "link", "img"} & set(page.tags)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script == Path(document.__file__).with_name("figure.js").read_text()
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in text and "unsafe-eval" not in text
    assert not re.search(r"innerHTML|insertAdjacentHTML|\beval\b|fetch\(|XMLHttpRequest|import\(", script)
    assert "url(http" not in text
    assert "@import" not in text
    assert page.tags.count("svg") == 1


def test_page_shows_names_and_tracebacks_as_they_are(report: Report) -> None:
    assert "training: RuntimeError: <script>alert(1)</script> | *x*" in Page(report.files["report.html"].decode()).text


def test_hostile_text_anywhere_stays_text() -> None:
    evil = '"><script>alert(1)</script><img src=http://x onerror=y>'
    header = ReportHeader(evil, evil, evil, evil, (evil,), (evil,))
    failed = trial(2, state="failed", failure=evil, notes=(evil,))
    results = Results((replace(failed, name=evil, parameters=failed.parameters | {"corruption.fraction": evil}),), ())
    page = Page(build_report(header, results, PRESENTATION).files["report.html"].decode())
    assert page.tags.count("script") == 1 and "img" not in page.tags
    assert (
        "script" not in Page(build_report(header, Results((), ()), Presentation()).files["report.html"].decode()).tags
    )


def test_data_keeps_every_number_in_full(report: Report) -> None:
    stored = {(row.trial_id, row.quantity): row.value for row in example().rows}
    written = {(line["trial_id"], line["quantity"]): float(line["value"]) for line in lines(report, "data.csv")}
    assert written == pytest.approx(stored, rel=0, abs=0, nan_ok=True)
    assert lines(report, "data.csv")[0]["model.width"] == "2"


def test_the_figure_has_its_numbers_beside_it(report: Report) -> None:
    columns = curves(example(), PRESENTATION)
    drawn = [
        (panel.label, series.label, column.label, f"{point.x:g}", point.mean, point.stderr, point.n)
        for panel in PRESENTATION.panels
        for series in panel.series
        for column in columns
        for point in column.curves[series.quantity].points
    ]
    names = ("panel", "series", "column", "x")
    written = [
        (*map(each.get, names), float(each["mean"]), float(each["stderr"]) if each["stderr"] else None, int(each["n"]))
        for each in lines(report, "figure.csv")
    ]
    assert written == drawn
    assert "Numbers: figure.csv." in report.files["report.md"].decode()


def test_cost_tells_devices_where_they_are_known() -> None:
    first, second = trial(2, device="cpu"), trial(3, device="NVIDIA H100", seconds=90.0)
    text = build_report(HEADER, Results((first, second), ()), PRESENTATION).files["report.md"].decode()
    assert "1 min 30 s on NVIDIA H100 (1 trial), 10.0 s on cpu (1 trial)." in text


def test_trials_and_summary_have_a_line_for_each(report: Report) -> None:
    assert [line["state"] for line in lines(report, "trials.csv")] == [one.state for one in example().trials]
    loss = [line for line in lines(report, "summary.csv") if (line["quantity"], line["x"]) == ("test/loss", "47")]
    assert [(line["column"], line["n"]) for line in loss] == [("label noise 0", "2"), ("label noise 0.15", "2")]


def test_a_study_without_axis_has_no_figure_and_says_so() -> None:
    files = build_report(HEADER, example(), Presentation()).files
    assert "figure.svg" not in files
    assert "declares no axis to draw along" in files["report.md"].decode()


def test_a_complete_study_left_nothing_out() -> None:
    results = table(
        {q: [[3.0, 2.0, 1.0]] for q in ("train/error", "test/error", "test/loss", "spectrum/n_eff")}, (2, 3, 4)
    )
    text = build_report(HEADER, results, PRESENTATION).files["report.md"].decode()
    assert "Nothing: every trial is done and every value is finite." in text
    assert "Provisional" not in text
    assert "Each point is one trial." in text


def test_many_failures_are_shortened_and_counted() -> None:
    failed = tuple(trial(width, state="failed", failure="x" * 400) for width in range(1, 31))
    text = build_report(HEADER, joined(Results(failed, ())), PRESENTATION).files["report.md"].decode()
    assert "And 10 trials more: see trials.csv." in text
    assert "x" * 301 not in text


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (Paragraph("a|b <c> *d* N_eff _e_ `f`\nnext"), r"a\|b &lt;c&gt; \*d\* N_eff \_e\_ \`f\` next"),
        (Code("has ``` inside"), "````\nhas ``` inside\n````"),
        (Table(("a", "b"), (("1", "2|3"),), numeric=True), "| a | b |\n| ---: | ---: |\n| 1 | 2\\|3 |"),
    ],
)
def test_markdown_escapes_text(block: Paragraph | Code | Table, expected: str) -> None:
    assert markdown("t", [block]) == f"# t\n\n{expected}\n"


def test_notes_that_differ_only_in_numbers_are_told_once() -> None:
    first = trial(2, notes=("layer hidden1: 61 of 5000 points were dropped",))
    second = trial(3, notes=("layer hidden1: 95 of 5000 points were dropped",))
    text = build_report(HEADER, Results((first, second), ()), PRESENTATION).files["report.md"].decode()
    assert "- 2 trials: layer hidden1: 61 of 5000 points were dropped (the first of them)" in text
    assert "95 of 5000" not in text
