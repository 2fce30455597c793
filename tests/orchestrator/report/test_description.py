"""The description of a study in MLflow: figure, links, verdicts, none of it too long or more than text."""

from dataclasses import replace

import numpy as np

from orchestrator.report.build import Report, ReportHeader
from orchestrator.report.claims import Finding, findings
from orchestrator.report.curves import curves
from orchestrator.report.description import LONGEST, description
from tests.orchestrator.report.tidy_tables import PRESENTATION, example

HEADER = ReportHeader("study", "Does <b>x</b> follow | y?", "yes", "command")
LINKS = {"seeds averaged": "#/experiments/1/runs?viewStateShareKey=seeds_averaged"}


def judged() -> tuple[Finding, ...]:
    return tuple(findings(curves(example(), PRESENTATION), PRESENTATION, np.random.default_rng(0)))


def test_it_begins_with_question_figure_and_links_and_ends_with_the_verdicts() -> None:
    report = Report({"preview.png": b"", "figure.png": b""}, judged())
    question, figure, links, expected, table = description(HEADER, report, "run 1", LINKS).split("\n\n")
    assert question == "Does &lt;b&gt;x&lt;/b&gt; follow \\| y?"
    assert figure == "![key figure](get-artifact?path=report%2Fpreview.png&run_uuid=run%201)"
    assert links == "Open: [seeds averaged](#/experiments/1/runs?viewStateShareKey=seeds_averaged)"
    assert expected == "Expected: yes"
    assert table.startswith("| claim | verdict | published | ours |") and table.count("\n") == 1 + len(judged())


def test_a_study_without_a_figure_has_none() -> None:
    assert description(HEADER, Report({}, ()), "r", {}) == "Does &lt;b&gt;x&lt;/b&gt; follow \\| y?\n\nExpected: yes"


def test_verdicts_beyond_what_mlflow_keeps_are_counted() -> None:
    many = tuple(replace(each, sentence="long " * 100) for each in judged() * 5)
    text = description(HEADER, Report({}, many), "r", LINKS)
    shown = text.count("\n| ") - 2  # without header and rule
    assert len(text) <= LONGEST
    assert f"And {len(many) - shown} more, in the report of this study's run." in text
    assert len(description(replace(HEADER, question="?" * 9000), Report({}, ()), "r", {})) == LONGEST
