"""An axis of names: where they are drawn and how they are written; and the claim that a quantity rises along it."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from orchestrator.report.axis import Axis
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.claim_kinds import Rises
from orchestrator.report.claims import Finding, findings
from orchestrator.report.curves import curves
from orchestrator.report.figures import figure
from orchestrator.report.presentation import Panel, Presentation, Series
from orchestrator.report.table import Results, Row, Trial
from orchestrator.report.views import study_views

NAMES = {name: {"corruption": name} for name in ("none", "shuffled_pixels", "random_labels")}
PRESENTATION = Presentation(
    x=Axis("corruption", "corruption", names=NAMES),
    panels=(Panel("steps", (Series("steps", "exact"),)),),
    claims=(Rises("steps", "steps to fit", published="as listed"),),
)
RISING: Mapping[str, Sequence[float | None]] = {
    "none": (10, 12, 11),
    "shuffled_pixels": (20, 21, 22),
    "random_labels": (50, 60, 55),
}


def results(steps: Mapping[str, Sequence[float | None]]) -> Results:
    """Done trials, one for each replicate; None is a trial without a value."""
    trials = [
        (Trial(f"{name}{i}", name, {"corruption": name, "init_seed": i}, "done", 1.0, "", None, ()), value)
        for name, values in steps.items()
        for i, value in enumerate(values)
    ]
    rows = [Row(trial.trial_id, 9, "steps", value, None) for trial, value in trials if value is not None]
    return Results(tuple(trial for trial, _ in trials), tuple(rows))


def judged(steps: Mapping[str, Sequence[float | None]]) -> Finding:
    (finding,) = findings(curves(results(steps), PRESENTATION), PRESENTATION, np.random.default_rng(0))
    return finding


def test_names_are_drawn_in_their_order_whatever_the_order_of_the_trials() -> None:
    (column,) = curves(results({name: RISING[name] for name in reversed(NAMES)}), PRESENTATION)
    assert [(point.x, point.mean) for point in column.curves["steps"].points] == [(0, 11), (1, 21), (2, 55)]


def test_a_name_that_the_axis_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="no trial has a place among the names of the axis corruption: none, shuf"):
        curves(results({"blur": (1,)}), PRESENTATION)


def test_a_name_may_be_of_some_trials_of_a_parameter_and_the_others_are_not_drawn() -> None:
    def one(identity: str, fraction: float) -> Trial:
        parameters = {"corruption": "random_labels", "corruption.fraction": fraction}
        return Trial(identity, identity, parameters, "done", 1.0, "", None, ())

    names = {"true labels": {"corruption.fraction": 0.0}, "random labels": {"corruption.fraction": 1.0}}
    presentation = replace(PRESENTATION, x=Axis("corruption", "corruption", names=names), claims=())
    trials = (one("all", 1.0), one("half", 0.5), one("none", 0.0))
    rows = tuple(Row(trial.trial_id, 9, "steps", i, None) for i, trial in enumerate(trials))
    (column,) = curves(Results(trials, rows), presentation)
    assert column.trial_ids == ("all", "none")
    assert [(point.x, point.mean) for point in column.curves["steps"].points] == [(0, 2), (1, 0)]
    axes = figure((column,), presentation, ()).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["true\nlabels", "random\nlabels"]


def test_a_number_that_some_trials_do_not_have_leaves_these_out() -> None:
    table = results(RISING)
    presentation = replace(PRESENTATION, x=Axis("corruption.fraction", "fraction"), claims=())
    half = Trial("half", "half", {"corruption": "random_labels", "corruption.fraction": 0.5}, "done", 1.0, "", None, ())
    (column,) = curves(replace(table, trials=(*table.trials, half)), presentation)
    assert (column.xs, column.trial_ids) == ((0.5,), ("half",))


def test_the_ticks_are_the_names_and_no_line_joins_the_points() -> None:
    drawing = figure(curves(results(RISING), PRESENTATION), PRESENTATION, ())
    FigureCanvasAgg(drawing).draw()
    (axes,) = drawing.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["none", "shuffled\npixels", "random\nlabels"]
    legend = axes.get_legend()
    assert legend is not None
    assert {line.get_linestyle() for line in (axes.lines[0], *legend.get_lines())} == {"None"}


def test_points_of_equal_value_stand_side_by_side_at_their_name() -> None:
    panel = Panel("steps", (Series("steps", "exact"), Series("running", "running"), Series("steps", "once more")))
    presentation = replace(PRESENTATION, panels=(panel,), claims=())
    table = results(RISING)
    alike = tuple(replace(row, quantity="running") for row in table.rows)
    drawing = figure(curves(replace(table, rows=(*table.rows, *alike)), presentation), presentation, ())
    places = {round(float(x), 6) for line in drawing.axes[0].lines for x in np.asarray(line.get_xdata(orig=False))}
    assert sorted(places) == [-0.2, 0.0, 0.2, 0.8, 1.0, 1.2, 1.8, 2.0, 2.2]


def test_the_report_writes_names() -> None:
    header = ReportHeader("study", "question", "expected", "command")
    files = build_report(header, results(RISING), PRESENTATION).files
    assert "| all | shuffled_pixels | 21.00 ± 0.58 (20.0 to 22.0) | 3 |" in files["report.md"].decode()
    summary = list(csv.DictReader(io.StringIO(files["summary.csv"].decode())))
    assert [line["x"] for line in summary] == list(NAMES)


def test_the_view_of_the_trials_is_sorted_by_name() -> None:
    views = study_views(PRESENTATION, curves(results(RISING), PRESENTATION), 1)
    assert "params.`corruption`" in views["mlflow.sharedViewState.overview"]


def test_what_rises_from_each_name_to_the_next_holds() -> None:
    finding = judged(RISING)
    assert finding.verdict == "holds"
    assert finding.sentence == (
        "All trials: steps to fit is 11.00 ± 0.58 at corruption none, 21.00 ± 0.58 at corruption shuffled_pixels, "
        "55.0 ± 2.9 at corruption random_labels."
    )


@pytest.mark.parametrize(
    ("changed", "verdict", "words"),
    [
        ({"shuffled_pixels": (2, 3, 4)}, "does not hold", "falls from corruption none to corruption shuffled_pixels"),
        ({"shuffled_pixels": (10, 12, 11)}, "cannot be judged", "none and corruption shuffled_pixels cannot be told"),
        ({"random_labels": (50, None, 55)}, "cannot be judged", "not every trial has a value at 1 of the 3 grid"),
        ({name: values[:1] for name, values in RISING.items()}, "cannot be judged", "cannot be told apart"),
        ({"random_labels": (None,) * 3}, "cannot be judged", "known at 2 of the 3 values of corruption"),
    ],
)
def test_what_falls_is_not_told_apart_or_not_known_does_not(
    changed: Mapping[str, Sequence[float | None]], verdict: str, words: str
) -> None:
    finding = judged({**RISING, **changed})
    assert finding.verdict == verdict
    assert words in finding.sentence
