"""Courses: means over the steps that all replicates have, read from the store only where they are drawn."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from measures.registry import Component
from orchestrator.publish import publish
from orchestrator.report.axis import Axis
from orchestrator.report.build import Report, ReportHeader, build_report
from orchestrator.report.course_figures import course_figure
from orchestrator.report.courses import courses
from orchestrator.report.curves import curves
from orchestrator.report.presentation import PALETTE, Courses, Panel, Presentation, Series
from orchestrator.report.table import Results, Row, Trial
from orchestrator.results import quantities_over_steps, results
from orchestrator.study import Study
from workers.record import Point, RunRecord, Sample
from workers.spec import TrialSpec
from workers.tracking import RunStore

NAMES = {name: {"corruption": name} for name in ("none", "random_labels")}
LOSS = Panel("train loss", (Series("train/loss", "train"),))
PRESENTATION = Presentation(
    x=Axis("corruption", "corruption", names=NAMES),
    courses=Courses((LOSS,), mark=Series("fitted", "first fitted")),
)
HEADER = ReportHeader("study", "question", "expected", "command")


def table(
    histories: dict[tuple[str, int], dict[int, float]], fitted: dict[tuple[str, int], Row] | None = None
) -> Results:
    """A done trial for each corruption and replicate, with the losses at its steps."""
    trials = [
        Trial(f"{name}{i}", name, {"corruption": name, "init_seed": i}, "done", 1.0, "", None, ())
        for name, i in histories
    ]
    rows = [
        Row(trial.trial_id, step, "train/loss", value, None)
        for trial, steps in zip(trials, histories.values(), strict=True)
        for step, value in steps.items()
    ]
    return Results(tuple(trials), (*rows, *(fitted or {}).values()))


def drawn(results: Results, presentation: Presentation = PRESENTATION) -> Figure:
    columns = curves(results, presentation)
    column_of = {trial_id: column.label for column in columns for trial_id in column.trial_ids}
    assert presentation.courses is not None
    lines = courses(results, presentation, column_of)
    drawing = course_figure(presentation.courses, lines, columns, presentation)
    FigureCanvasAgg(drawing).draw()
    return drawing


TWO = {
    ("none", 0): {0: 2.0, 8: 1.0, 16: 0.5},
    ("none", 1): {0: 4.0, 8: 3.0, 12: 1.0},
    ("random_labels", 0): {0: 2.0, 8: 2.0},
}


def test_a_line_is_the_mean_at_the_steps_that_all_its_replicates_have() -> None:
    every = courses(table(TWO), PRESENTATION, dict.fromkeys(("none0", "none1", "random_labels0"), "all trials"))
    none, random_labels = every
    assert [(p.x, p.mean, p.stderr, p.n) for p in none.points] == [(0, 3, 1, 2), (8, 2, 1, 2)]
    assert [(p.x, p.mean, p.stderr, p.n) for p in random_labels.points] == [(0, 2, None, 1), (8, 2, None, 1)]


def test_trials_that_are_not_done_and_values_that_are_not_finite_are_in_no_line() -> None:
    results = table({("none", 0): {0: 2.0, 8: float("nan"), 16: 1.0}, ("none", 1): {0: 9.0, 8: 9.0, 16: 9.0}})
    results = replace(results, trials=(results.trials[0], replace(results.trials[1], state="diverged")))
    (line,) = courses(results, PRESENTATION, dict.fromkeys(("none0", "none1"), "all trials"))
    assert [(p.x, p.mean) for p in line.points] == [(0, 2), (16, 1)]


def test_lines_have_colours_of_their_own_a_band_and_a_mark_where_every_replicate_got_there() -> None:
    fitted = {
        ("none", 0): Row("none0", 0, "fitted", 10, None),
        ("none", 1): Row("none1", 0, "fitted", 14, None),
        ("random_labels", 0): Row("random_labels0", 0, "fitted", 8, None, at_least=True),
    }
    drawing = drawn(table(TWO, fitted))
    (axes,) = drawing.axes
    lines = {to_hex(line.get_color()).upper(): line for line in axes.lines if len(line.get_xydata()) > 0}
    assert PALETTE[0] in lines and PALETTE[1] in lines
    marks = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() != "-"]
    assert marks == [12], "not of random labels, which were not fitted"
    assert len(axes.collections) == 1, "a band where there are two replicates"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["none", "random labels", "first fitted"]
    assert legend.get_window_extent().x0 >= axes.get_window_extent().x1 - 1
    assert legend.get_window_extent().x1 <= drawing.bbox.x1 + 1


def test_numbers_along_the_lines_go_from_dark_to_light_and_quantities_have_line_styles() -> None:
    results = Results(
        tuple(Trial(f"{w}", "", {"width": w}, "done", 1, "", None, ()) for w in range(9)),
        tuple(
            Row(f"{w}", step, quantity, 1 / (1 + w + step), None)
            for w in range(9)
            for step in (0, 1, 10)
            for quantity in ("train/loss", "test/loss")
        ),
    )
    panel = Panel("loss", (Series("train/loss", "train"), Series("test/loss", "test")), log=True)
    (axes,) = drawn(results, Presentation(x=Axis("width", "width"), courses=Courses((panel,), log=True))).axes
    assert len({line.get_color() for line in axes.lines}) == 9
    assert len({line.get_linestyle() for line in axes.lines}) == 2
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert {0.1, 0.2, 0.5} <= {round(float(tick), 6) for tick in axes.get_yticks()}
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][-3:] == ["width 8", "train", "test"]


def report() -> Report:
    return build_report(HEADER, table(TWO), PRESENTATION)


def test_the_report_has_the_figure_and_its_numbers_and_the_same_bytes_again() -> None:
    files = report().files
    assert {"figure.png", "figure.svg", "figure.csv"} <= set(files)
    lines = list(csv.DictReader(io.StringIO(files["figure.csv"].decode())))
    assert [(each["x"], each["step"], each["mean"], each["stderr"]) for each in lines] == [
        ("none", "0", "3.0", "1.0"),
        ("none", "8", "2.0", "1.0"),
        ("random_labels", "0", "2.0", ""),
        ("random_labels", "8", "2.0", ""),
    ]
    assert "it ends where the first of them does" in files["report.md"].decode()
    assert dict(report().files) == dict(files)


def test_courses_without_an_axis_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw: courses need an x axis, a panel and a trial"):
        course_figure(Courses((LOSS,)), (), (), Presentation())


@pytest.mark.parametrize("series", [(), ((LOSS.series * 4),)])
def test_more_lines_than_can_be_told_apart_are_refused(series: tuple[tuple[Series, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"courses of \[.*\] quantities in their panels cannot be drawn"):
        Courses(tuple(Panel("loss", each) for each in series))


TRIAL = TrialSpec(
    dataset=Component("mnist1d", num_examples=50),
    model=Component("mlp", width=2),
    optimizer=Component("sgd"),
    fit=Component("sgd", epochs=1),
)


def study(presentation: Presentation) -> Study:
    return Study(
        name="s", question="?", expected="!", trials=(TRIAL,), axes=("model.width",), presentation=presentation
    )


def test_the_store_is_asked_once_for_each_drawn_quantity_that_a_run_has_and_never_otherwise() -> None:
    record = RunRecord("run", "name", "FINISHED", {}, {}, {"train/loss": Point(8, 1.0), "test/loss": Point(8, 2.0)})
    asked: list[tuple[str, str]] = []

    def history(run_id: str, key: str) -> list[Point]:
        asked.append((run_id, key))
        return [Point(0, 3.0), Point(8, 1.0)]

    x = Axis("model.width", "width")
    drawn = Panel("loss", (Series("train/loss", "train"), Series("not/stored", "nothing")))
    over_steps = study(Presentation(also=(Presentation(x=x, courses=Courses((drawn,))),)))
    assert quantities_over_steps(over_steps.presentation) == {"train/loss", "not/stored"}
    rows = results(over_steps, {TRIAL.trial_id: record}, history).rows
    assert [(row.quantity, row.step, row.value) for row in rows] == [
        ("test/loss", 8, 2.0),
        ("train/loss", 0, 3.0),
        ("train/loss", 8, 1.0),
    ]
    assert asked == [("run", "train/loss")]
    without = study(Presentation(x=x, panels=(drawn,)))
    assert len(results(without, {TRIAL.trial_id: record}, history).rows) == 2
    assert asked == [("run", "train/loss")]


def test_a_measure_over_steps_keeps_its_standard_errors() -> None:
    stored = {"m/x": [Point(0, 1.0), Point(8, 2.0)], "m/x.stderr": [Point(8, 0.5)]}
    record = RunRecord("run", "name", "FINISHED", {}, {}, {key: points[-1] for key, points in stored.items()})
    shown = study(Presentation(x=Axis("model.width", "w"), courses=Courses((Panel("x", (Series("m/x", "x"),)),))))
    rows = results(shown, {TRIAL.trial_id: record}, lambda _, key: stored[key]).rows
    assert [(row.step, row.value, row.stderr) for row in rows] == [(0, 1.0, None), (8, 2.0, 0.5)]


def test_a_published_report_draws_what_the_store_holds_of_every_step(store: RunStore, tmp_path: Path) -> None:
    shown = study(Presentation(x=Axis("model.width", "width"), courses=Courses((LOSS,))))
    experiment = store.open_study("s", {})
    run_id = store.create_run(experiment, "run", "trial", {"sweep.trial_id": TRIAL.trial_id}, TRIAL.parameters)
    store.log(run_id, [Sample("train/loss", 1 / (1 + step), step, 1) for step in (0, 1, 3)])
    store.set_status(run_id, "FINISHED")
    records = {run.trial_id: run for run in store.runs(experiment, "trial")}
    place = publish(shown, records, store, "lease", tmp_path, "gensweep run s", None).report
    lines = list(csv.DictReader(io.StringIO((place / "figure.csv").read_text())))
    assert [(each["step"], each["mean"]) for each in lines] == [("0", "1.0"), ("1", "0.5"), ("3", "0.25")]
