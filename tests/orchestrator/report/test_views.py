"""Saved views: the JSON that MLflow's pages read, and the points of the curve runs. (A browser test opens them.)"""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.report.axis import Axis
from orchestrator.report.curve_runs import curve_key, curve_points
from orchestrator.report.curves import curves
from orchestrator.report.presentation import Contender, League, Panel, Presentation, Series, Target
from orchestrator.report.run_colors import column_colors, trial_colors
from orchestrator.report.views import LARGEST_TAG, report_url, same_view, study_views, view_links, view_url
from tests.orchestrator.report.tidy_tables import PRESENTATION, example, table

KEY_OF_MLFLOW = re.compile(r"[A-Za-z0-9_\-. :/]+")


def state_of(tag: str) -> dict[str, Any]:  # JSON
    record = json.loads(tag)
    assert record["createdAt"] == record["updatedAt"] == 123
    return json.loads(record["state"])


def charts(name: str) -> list[dict[str, Any]]:  # JSON
    tags = study_views(PRESENTATION, curves(example(), PRESENTATION), 123)
    return state_of(tags[f"mlflow.sharedViewState.{name}"])["compareRunCharts"]


def test_overview_lists_trials_by_x_with_the_quantities_of_the_panels() -> None:
    state = state_of(study_views(PRESENTATION, curves(example(), PRESENTATION), 123)["mlflow.sharedViewState.overview"])
    assert state["searchFilter"] == "tags.`sweep.role` = 'trial'"
    assert state["orderByKey"] == "metrics.`hp/model.width`"
    assert state["selectedColumns"] == [
        "params.`model.width`",
        "params.`corruption.fraction`",
        *(f"metrics.`{q}`" for q in ("train/error", "test/error", "test/loss", "spectrum/n_eff")),
    ]


def test_overview_has_scatter_parallel_and_contour_charts_with_unique_names() -> None:
    found = charts("overview")
    assert [chart["type"] for chart in found] == ["PARALLEL", *["SCATTER"] * 4, "CONTOUR"]
    assert found[0]["selectedParams"] == ["model.width", "corruption.fraction"]
    assert found[0]["selectedMetrics"] == ["test/error", "test/loss", "spectrum/n_eff"], "of each panel the test set's"
    assert found[1]["xaxis"] == {"key": "model.width", "type": "PARAM"}
    assert found[-1]["zaxis"] == {"key": "test/loss", "type": "METRIC"}
    assert len({chart["uuid"] for chart in found}) == len(found)


def test_curves_has_a_line_chart_for_each_panel_over_log_x() -> None:
    found = charts("curves")
    assert [chart["selectedMetricKeys"] for chart in found] == [
        ["curve/train_error", "curve/test_error"],
        ["curve/test_loss"],
        ["curve/spectrum_n_eff"],
    ]
    assert [(chart["xAxisScaleType"], chart["scaleType"]) for chart in found] == [
        ("log", "linear"),
        ("log", "linear"),
        ("log", "log"),
    ]


def test_one_axis_needs_no_contour_and_no_axis_no_view() -> None:
    single = replace(PRESENTATION, columns=None)
    tag = study_views(single, curves(example(), single), 123)["mlflow.sharedViewState.overview"]
    assert "CONTOUR" not in tag
    assert study_views(Presentation(), (), 123) == {}


def test_curve_points_hold_means_errors_and_extremes_at_step_x() -> None:
    columns = curves(table({"test/loss": [[1.0, 5.0], [3.0, 5.0]]}, (2, 8)), PRESENTATION)
    points = curve_points(columns)["label noise 0"]
    assert points[:4] == [
        ("curve/test_loss", 2.0, 2),
        ("curve/test_loss_stderr", 1.0, 2),
        ("curve/test_loss_min", 1.0, 2),
        ("curve/test_loss_max", 3.0, 2),
    ]
    assert all(KEY_OF_MLFLOW.fullmatch(point.key) and isinstance(point.step, int) for point in points)


def test_x_that_are_no_integers_have_no_curve_runs() -> None:
    presentation = replace(PRESENTATION, x=Axis("corruption.fraction", "label noise"), columns=None)
    columns = curves(table({"test/loss": [[1.0]]}, (2,), fraction=0.5), presentation)
    assert curve_points(columns) == {}
    assert list(study_views(presentation, columns, 123)) == [
        "mlflow.sharedViewState.overview",
        "mlflow.sharedViewState.seeds_averaged",
    ]


def test_the_averages_are_over_runs_alike_in_all_axes() -> None:
    tag = study_views(PRESENTATION, (), 123, ("model.width", "corruption.fraction", "model.depth"))
    assert state_of(tag["mlflow.sharedViewState.seeds_averaged"])["groupBy"] == {
        "aggregateFunction": "average",
        "groupByKeys": [
            {"mode": "param", "groupByData": name} for name in ("model.width", "corruption.fraction", "model.depth")
        ],
    }
    assert state_of(tag["mlflow.sharedViewState.overview"])["groupBy"] is None


def test_a_league_is_viewed_as_its_contenders_against_its_target_over_its_axes() -> None:
    league = League(
        axes=(Axis("model.width", "width"),),
        contenders=(Contender("norms/l2", "norm"), Contender("margins/least", "margin", -1)),
        targets=(Target("gap", "test/loss", "train/loss"),),
    )
    tags = study_views(Presentation(league=league), (), 123, ("model.width", "model.depth"))
    state = state_of(tags["mlflow.sharedViewState.overview"])
    parallel, first, second = state["compareRunCharts"]
    assert (parallel["selectedParams"], parallel["selectedMetrics"]) == (["model.width"], ["test/loss", "train/loss"])
    assert [(each["xaxis"]["key"], each["yaxis"]["key"]) for each in (first, second)] == [
        ("norms/l2", "test/loss"),
        ("margins/least", "test/loss"),
    ]
    assert list(view_links("", "7", tags)) == ["overview", "seeds averaged"], "and no link to curves, which it has not"


def test_a_search_is_viewed_as_its_objectives_over_what_is_drawn() -> None:
    tags = study_views(Presentation(), (), 123, ("optimizer.learning_rate",), ("test/error", "spectrum/n_eff"))
    assert list(view_links("", "7", tags)) == ["overview"]
    _, *scatters = state_of(tags["mlflow.sharedViewState.overview"])["compareRunCharts"]
    assert [(each["xaxis"]["key"], each["yaxis"]["key"]) for each in scatters] == [
        ("optimizer.learning_rate", "test/error"),
        ("optimizer.learning_rate", "spectrum/n_eff"),
        ("test/error", "spectrum/n_eff"),
    ]


def test_views_that_differ_in_time_alone_are_the_same() -> None:
    early, late = (study_views(PRESENTATION, (), time)["mlflow.sharedViewState.overview"] for time in (1, 2))
    other = study_views(PRESENTATION, (), 1)["mlflow.sharedViewState.seeds_averaged"]
    assert (same_view(early, late), same_view(early, other), same_view(None, late)) == (True, False, False)


def test_trials_have_the_colour_of_their_column_or_of_their_corruption() -> None:
    results = example()
    by_column = trial_colors(results.trials, curves(results, PRESENTATION))
    assert (by_column["0.0-2-0"], by_column["0.15-2-1"]) == ("#0072B2", "#D55E00")
    without_columns = trial_colors(results.trials, curves(results, replace(PRESENTATION, columns=None)))
    assert without_columns == by_column == trial_colors(results.trials, ())


def test_colours_tell_columns_apart() -> None:
    assert column_colors(curves(example(), PRESENTATION)) == {"label noise 0": "#0072B2", "label noise 0.15": "#D55E00"}


def test_view_url_opens_the_charts() -> None:
    assert view_url("http://127.0.0.1:5000/", "7", "overview") == (
        "http://127.0.0.1:5000/#/experiments/7/runs"
        "?viewStateShareKey=overview&compareRunsMode=CHART&workflowType=machine_learning"
    )


def test_the_report_is_opened_on_the_page_of_its_run() -> None:
    address = "#/experiments/7/runs/abc/artifacts/report/report.html?workflowType=machine_learning"
    assert report_url("http://host:5000/", "7", "abc") == f"http://host:5000/{address}"
    assert report_url("", "7", "abc") == address, "relative to the server"


def test_a_view_that_mlflow_would_not_keep_is_refused() -> None:
    series = tuple(Series(f"measure/{'long' * 20}_{index}", str(index)) for index in range(200))
    presentation = replace(PRESENTATION, panels=(Panel("many", series),))
    with pytest.raises(ValueError, match=rf"view 'Overview' has \d+ characters, MLflow keeps {LARGEST_TAG}"):
        study_views(presentation, curves(example(), presentation), 123)


def test_curve_keys_are_keys_that_mlflow_admits() -> None:
    assert curve_key("hessian_spectrum/effective_dimensionality_z1") == (
        "curve/hessian_spectrum_effective_dimensionality_z1"
    )
