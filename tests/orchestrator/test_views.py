"""Saved views: the JSON that MLflow's pages read, and the points of the curve runs. (A browser test opens them.)"""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.axis import Axis
from orchestrator.curves import curves
from orchestrator.presentation import Panel, Presentation, Series
from orchestrator.views import LARGEST_TAG, column_colors, curve_key, curve_points, study_views, view_url
from tests.orchestrator.tidy_tables import PRESENTATION, example, table

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
    assert [chart["type"] for chart in found] == ["SCATTER"] * 4 + ["PARALLEL", "CONTOUR"]
    assert found[0]["xaxis"] == {"key": "model.width", "type": "PARAM"}
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
    assert list(study_views(presentation, columns, 123)) == ["mlflow.sharedViewState.overview"]


def test_colours_tell_columns_apart() -> None:
    assert column_colors(curves(example(), PRESENTATION)) == {"label noise 0": "#0072B2", "label noise 0.15": "#D55E00"}


def test_view_url_opens_the_charts() -> None:
    assert view_url("http://127.0.0.1:5000/", "7", "overview") == (
        "http://127.0.0.1:5000/#/experiments/7/runs"
        "?viewStateShareKey=overview&compareRunsMode=CHART&workflowType=machine_learning"
    )


def test_a_view_that_mlflow_would_not_keep_is_refused() -> None:
    series = tuple(Series(f"measure/{'long' * 20}_{index}", str(index)) for index in range(60))
    presentation = replace(PRESENTATION, panels=(Panel("many", series),))
    with pytest.raises(ValueError, match=rf"view 'Overview' has \d+ characters, MLflow keeps {LARGEST_TAG}"):
        study_views(presentation, curves(example(), presentation), 123)


def test_curve_keys_are_keys_that_mlflow_admits() -> None:
    assert curve_key("hessian_spectrum/effective_dimensionality_z1") == (
        "curve/hessian_spectrum_effective_dimensionality_z1"
    )
