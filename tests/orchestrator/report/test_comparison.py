"""Two studies beside each other: which points differ, in the file, in the figure, on the page."""

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.publish import publish
from orchestrator.report.axis import Axis
from orchestrator.report.comparison import HEADER, Summary, Value, compared, read_summary, shared
from orchestrator.report.comparison_figure import comparison_figure
from orchestrator.report.drawing import render
from orchestrator.report.presentation import Panel, Presentation, Series
from sweeps.__main__ import gensweep
from tests.orchestrator.test_publish import STUDY, TRIALS
from workers.record import RunRecord, Sample
from workers.tracking import RunStore

PLACE = ("width", "all trials", "test/error")


def summary(values: dict[str, Value], column: str = "all trials", label: str = "first") -> Summary:
    return Summary(label, {("width", column, "test/error"): values})


def test_a_summary_is_read_as_it_was_written_without_its_bounds() -> None:
    lines = [
        HEADER,
        ("width", "all trials", "test/error", "2", "0.5", "0.01", "3", "0.4", "0.6", "False"),
        ("width", "all trials", "test/error", "4", "0.25", "", "1", "0.25", "0.25", "False"),
        ("width", "all trials", "steps", "2", "1200.0", "", "1", "1200.0", "1200.0", "True"),
    ]
    data = "\n".join(",".join(line) for line in lines).encode()
    assert read_summary("first", data) == summary({"2": Value(0.5, 0.01), "4": Value(0.25, None)})
    with pytest.raises(ValueError, match=r"^the columns of summary\.csv are not axis, column, .*: another version"):
        read_summary("first", b"column,quantity\n")


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (Value(0.5, 0.03), Value(0.5, None), "identical"),
        (Value(0.5, 0.03), Value(0.59, 0.04), "within noise"),
        (Value(0.5, 0.03), Value(0.61, 0.04), "different"),
        (Value(0.61, 0.03), Value(0.5, 0.04), "different"),
        (Value(0.5, None), Value(0.9, 0.04), "no error known"),
        (Value(0.5, 0.0), Value(0.5000001, 0.0), "different"),
    ],
)
def test_a_point_differs_beyond_twice_the_combined_error(first: Value, second: Value, outcome: str) -> None:
    (pair,) = compared(summary({"2": first}), summary({"2": second, "9": second}))
    assert pair.outcome == outcome and pair.place == PLACE and pair.x == "2"


def test_single_columns_are_compared_whatever_they_are_called() -> None:
    one, two = Value(0.5, None), Value(0.6, None)
    first, other = summary({"2": one}, "label noise 0"), summary({"2": two}, "label noise 0.15", "second")
    alike = shared(first, other)
    assert alike is not None and alike.label == "second"
    assert [pair.second for pair in compared(first, alike)] == [two]
    both = Summary("both", {**first.curves, ("width", "label noise 0.3", "test/error"): {"2": one}})
    assert shared(both, other) is None
    assert shared(first, Summary("third", {("depth", "label noise 0", "test/error"): {"2": one}})) is None


@pytest.mark.parametrize("xs", [("2", "4", "300"), ("true labels", "random labels")])
def test_the_figure_has_both_studies_in_every_panel_and_the_same_bytes_again(xs: tuple[str, ...]) -> None:
    first, second = (
        Summary(
            label,
            {
                ("width", column, quantity): {x: Value(1.0 + i, 0.1) for i, x in enumerate(xs)}
                for column in ("noise 0", "noise 0.15")
                for quantity in ("test/error", "test/loss")
            },
        )
        for label in ("one", "two")
    )
    drawn = comparison_figure(first, second)
    assert len(drawn.axes) == 4 and all(len(axes.containers) == 2 for axes in drawn.axes)
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["one", "two"]
    assert [axes.get_title() for axes in drawn.axes[:2]] == ["noise 0", "noise 0.15"]
    assert drawn.axes[0].get_xscale() == ("log" if "300" in xs else "linear")
    assert render(drawn, "png") == render(comparison_figure(first, second), "png")


def published(store: RunStore, folder: Path, name: str, errors: Sequence[Sequence[float]]) -> str:
    """The run of a study of three replicates for each width, whose report is published."""
    trials = [replace(trial, init_seed=seed) for trial in TRIALS for seed in range(3)]
    shown = Presentation(x=Axis("model.width", "width"), panels=(Panel("error", (Series("test/error", "test"),)),))
    study = replace(STUDY, name=name, trials=tuple(trials), presentation=shown)
    experiment = store.open_study(name, {})
    for trial, error in zip(trials, (each for width in errors for each in width), strict=True):
        tags = {"sweep.trial_id": trial.trial_id, "sweep.outcome": "trained"}
        run_id = store.create_run(experiment, trial.trial_id, "trial", tags, trial.parameters)
        store.log(run_id, [Sample("test/error", error, 1, 1)])
        store.set_status(run_id, "FINISHED")
    publish(study, records(store, experiment), store, "lease", folder, f"gensweep run {name}", None)
    (run,) = store.runs(experiment, "sweep")
    return run.run_id


def records(store: RunStore, experiment: str) -> dict[str, RunRecord]:
    return {run.trial_id: run for run in store.runs(experiment, "trial")}


def test_the_command_shows_two_stored_studies(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    first = published(store, tmp_path, "first", [(0.50, 0.51, 0.52), (0.30, 0.31, 0.32)])
    second = published(store, tmp_path, "second", [(0.51, 0.52, 0.50), (0.20, 0.21, 0.22)])
    options = ["--tracking-uri", store.uri, "--folder", str(tmp_path)]
    assert gensweep()(["compare", first, second, *options]) == 0
    said = capsys.readouterr().out
    assert re.search(r"test/error +│ 2 +│ 1 +│ 0 +│ 1 +│ 0", said), said
    place = tmp_path / "reports" / f"{first[:8]}-{second[:8]}"
    assert str(place / "comparison.html") in said
    rows = list(csv.DictReader((place / "comparison.csv").read_text().splitlines()))
    assert [(row["x"], row["outcome"]) for row in rows] == [("2", "identical"), ("4", "different")]
    text = (place / "comparison.md").read_text()
    assert "0.3100 ± 0.0058" in text and "-0.1000 ± 0.0082" in text and "| 1 | 0 | 1 | 0 | 0.045 |" in text
    html = (place / "comparison.html").read_text()
    assert "<svg" in html and "study first" in html and "study second" in html
    assert not list(place.glob("*.part"))
    before = {file.name: file.read_bytes() for file in place.iterdir()}
    assert gensweep()(["compare", first, second, *options]) == 0
    assert {file.name: file.read_bytes() for file in place.iterdir()} == before


def test_what_cannot_be_compared_is_refused_in_one_line(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = published(store, tmp_path, "first", [(0.5, 0.5, 0.5), (0.3, 0.3, 0.3)])
    options = ["--tracking-uri", store.uri, "--folder", str(tmp_path)]
    trial = next(iter(store.runs(store.find_study("first") or "", "trial"))).run_id
    for run_id in (trial, "nothing"):
        assert gensweep()(["compare", first, run_id, *options]) == 2
        assert f"error: run '{run_id}' of {store.uri} has no report: name a study's own run" in capsys.readouterr().err
    missing = f"sqlite:///{tmp_path / 'none.db'}"
    assert gensweep()(["compare", first, first, "--tracking-uri", missing, "--folder", str(tmp_path)]) == 2
    assert f"error: there is no store at {missing}" in capsys.readouterr().err
