"""Named views of a study in MLflow's own pages, as the experiment tags that MLflow keeps them in.

The format of these tags is internal to MLflow and undocumented: this is the only module that knows it, and no result
depends on it. MLflow draws curves over steps, so a curve run per column stores the means with step = x. Steps are
integers: a study whose x are not has no curve runs and no view of them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from orchestrator.axis import Axis
from orchestrator.claim_kinds import Peak
from orchestrator.curves import Column, Point
from orchestrator.presentation import PALETTE, Panel, Presentation

OVERVIEW, CURVES = "overview", "curves"
TAG_PREFIX = "mlflow.sharedViewState."
LARGEST_TAG = 20_000  # characters
RUNS_IN_A_CHART = 100

Json = Mapping[str, object]


class CurvePoint(NamedTuple):
    """One metric of a curve run: the value of a quantity at step = x."""

    key: str
    value: float
    step: int


def study_views(presentation: Presentation, columns: Sequence[Column], timestamp_ms: int) -> Mapping[str, str]:
    """Experiment tags of the views `overview` (the trials) and `curves` (the means over x); none without an x axis."""
    if presentation.x is None:
        return {}
    tags = {TAG_PREFIX + OVERVIEW: _tag("Overview", _overview(presentation, presentation.x), timestamp_ms)}
    if _steps_are_integers(columns):
        tags[TAG_PREFIX + CURVES] = _tag("Curves", _curves(presentation, presentation.x.log), timestamp_ms)
    return tags


def curve_points(columns: Sequence[Column]) -> Mapping[str, Sequence[CurvePoint]]:
    """What the curve run of each column stores: mean, and where known standard error and extremes, with step = x.

    No bounds: a chart could not tell them from means.
    """
    if not _steps_are_integers(columns):
        return {}
    return {
        column.label: [
            point
            for quantity, curve in column.curves.items()
            for each in curve.points
            if not each.at_least
            for point in _metrics(curve_key(quantity), each)
        ]
        for column in columns
    }


def curve_key(quantity: str) -> str:
    """The metric of a curve run that holds the mean of a quantity."""
    return f"curve/{quantity.replace('/', '_')}"


def column_colors(columns: Sequence[Column]) -> Mapping[str, str]:
    """A colour for the runs of each column, safe for all kinds of colour vision while there are seven or fewer."""
    return {column.label: PALETTE[index % len(PALETTE)] for index, column in enumerate(columns)}


def view_url(base: str, experiment_id: str, key: str) -> str:
    """The address that opens a view of an experiment, as charts and not as a table.

    Without `/runs`, MLflow redirects to its last page of the experiment and drops the query.
    """
    experiment, view = quote(experiment_id, safe=""), quote(key, safe="")
    query = f"viewStateShareKey={view}&compareRunsMode=CHART&workflowType=machine_learning"
    return f"{base.rstrip('/')}/#/experiments/{experiment}/runs?{query}"


def _steps_are_integers(columns: Sequence[Column]) -> bool:
    return bool(columns) and all(float(x).is_integer() for column in columns for x in column.xs)


def _metrics(key: str, point: Point) -> list[CurvePoint]:
    step = int(point.x)
    metrics = [CurvePoint(key, point.mean, step)]
    if point.stderr is not None:
        metrics.append(CurvePoint(f"{key}_stderr", point.stderr, step))
    if point.n > 1:
        metrics += [CurvePoint(f"{key}_min", point.low, step), CurvePoint(f"{key}_max", point.high, step)]
    return metrics


def _overview(presentation: Presentation, x: Axis) -> Json:
    """Scatter charts of every drawn quantity over x, parallel coordinates, and a contour where there are two axes."""
    axes = [axis.parameter for axis in (presentation.x, presentation.columns) if axis is not None]
    drawn = list(dict.fromkeys(series.quantity for panel in presentation.shown for series in panel.series))
    charts = [
        _chart(f"scatter-{index}", "SCATTER", xaxis=_axis(axes[0], "PARAM"), yaxis=_axis(quantity, "METRIC"))
        for index, quantity in enumerate(drawn)
    ]
    if drawn:
        main = [panel.series[0].quantity for panel in presentation.shown if panel.series]  # more axes are unreadable
        charts.append(_chart("parallel", "PARALLEL", selectedParams=axes, selectedMetrics=main, showAllRuns=True))
    if len(axes) > 1 and drawn:
        first, second = (_axis(axis, "PARAM") for axis in axes)
        charts.append(
            _chart("contour", "CONTOUR", xaxis=first, yaxis=second, zaxis=_axis(_main_quantity(presentation), "METRIC"))
        )
    selected = [*(f"params.`{axis}`" for axis in axes), *(f"metrics.`{quantity}`" for quantity in drawn)]
    return _state("trial", charts, selected, order_by=_order(x))


def _order(x: Axis) -> str:
    """By what the trials are sorted: numbers as numbers."""
    return f"params.`{x.parameter}`" if x.names else f"metrics.`hp/{x.parameter}`"


def _main_quantity(presentation: Presentation) -> str:
    """What the contour shows: the quantity of the first claimed peak, else the first one drawn."""
    peaks = [claim.quantity for claim in presentation.claims if isinstance(claim, Peak)]
    return [*peaks, *(series.quantity for panel in presentation.shown for series in panel.series)][0]


def _curves(presentation: Presentation, log: bool) -> Json:
    """A line chart over step = x for each panel; each column is one run and so one line of a quantity."""
    charts = [_line(f"line-{index}", panel, log) for index, panel in enumerate(presentation.shown)]
    return _state("curve", charts, selected=[], order_by="attributes.`run_name`")


def _line(name: str, panel: Panel, log: bool) -> Json:
    keys = [curve_key(series.quantity) for series in panel.series]
    return _chart(
        name,
        "LINE",
        metricKey=keys[0] if keys else "",
        selectedMetricKeys=keys,
        xAxisKey="step",
        selectedXAxisMetricKey="",
        xAxisScaleType="log" if log else "linear",
        scaleType="log" if panel.log else "linear",
        useGlobalXaxisKey=False,
        yAxisKey="metric",
        range={},
        lineSmoothness=0,
    )


def _chart(name: str, kind: str, **settings: object) -> Json:
    return {
        "uuid": name,
        "type": kind,
        "isGenerated": False,
        "deleted": False,
        "metricSectionId": "study",
        "runsCountToCompare": RUNS_IN_A_CHART,
        **settings,
    }


def _axis(key: str, kind: str) -> Json:
    return {"key": key, "type": kind}


def _state(role: str, charts: Sequence[Json], selected: Sequence[str], order_by: str) -> Json:
    return {
        "searchFilter": f"tags.`sweep.role` = '{role}'",
        "orderByKey": order_by,
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "runsHiddenMode": "SHOW_ALL",
        "groupBy": None,
        "selectedColumns": selected,
        "isAccordionReordered": True,
        "compareRunCharts": charts,
        "compareRunSections": [
            {
                "uuid": "study",
                "name": "Study",
                "display": True,
                "isReordered": True,
                "deleted": False,
                "isGenerated": False,
            }
        ],
    }


def _tag(name: str, state: Json, timestamp_ms: int) -> str:
    text = json.dumps({"name": name, "createdAt": timestamp_ms, "updatedAt": timestamp_ms, "state": json.dumps(state)})
    if len(text) > LARGEST_TAG:
        raise ValueError(f"view {name!r} has {len(text)} characters, MLflow keeps {LARGEST_TAG}: draw fewer quantities")
    return text
