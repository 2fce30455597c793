"""Named views of a study in MLflow's own pages, as the experiment tags that MLflow keeps them in.

The format of these tags is internal to MLflow and undocumented: this is the only module that knows it, and no result
depends on it. A study without an x, as a league or a search,
is shown by its parameters and by the quantities that it ranks or seeks.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from urllib.parse import quote

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Peak
from orchestrator.report.curve_runs import curve_key, steps_are_integers
from orchestrator.report.curves import Column
from orchestrator.report.presentation import League, Panel, Presentation

CURVES, OVERVIEW, AVERAGED = "curves", "overview", "seeds_averaged"
NAMES = {CURVES: "Curves", OVERVIEW: "Overview", AVERAGED: "Seeds averaged"}
TAG_PREFIX = "mlflow.sharedViewState."
LARGEST_TAG = 20_000  # characters
RUNS_IN_A_CHART = 100
MOST_SCATTERS = 12
USUAL = ("test/error", "test/loss")  # of a study that says of no quantity that it is to be shown

Json = Mapping[str, object]


@dataclass(frozen=True)
class Shown:
    """What the views of trials show: the parameters in which they differ, and the quantities that are looked at.

    `main` are those of the parallel coordinates, `scatters` the pairs that are drawn against each other.
    """

    parameters: tuple[str, ...]
    quantities: tuple[str, ...]
    main: tuple[str, ...]
    scatters: tuple[tuple[Json, Json], ...]


def study_views(
    presentation: Presentation,
    columns: Sequence[Column],
    timestamp_ms: int,
    axes: Sequence[str] = (),
    objectives: Sequence[str] = (),
) -> Mapping[str, str]:
    """Experiment tags of the views of a study whose trials differ in these axes and which seeks these objectives.

    `overview` shows the trials, `seeds_averaged` the means over those alike but for their seeds, `curves` the means
    over x.
    """
    shown = _shown(presentation, axes, objectives)
    if not shown.parameters:
        return {}
    order = _order(presentation.x, shown.parameters[0])
    states = {OVERVIEW: _trials(presentation, shown, order, averaged=False)}
    if not objectives:  # of points that were drawn none is alike to another
        states[AVERAGED] = _trials(presentation, shown, order, averaged=True)
    if presentation.x is not None and steps_are_integers(columns):
        states[CURVES] = _curves(presentation, presentation.x.log)
    return {TAG_PREFIX + key: _tag(NAMES[key], state, timestamp_ms) for key, state in states.items()}


def view_links(base: str, experiment_id: str, tags: Mapping[str, str]) -> Mapping[str, str]:
    """The address of each view that the study has, by its name; first the one that tells most."""
    keys = [key for key in NAMES if TAG_PREFIX + key in tags]
    return {NAMES[key].lower(): view_url(base, experiment_id, key) for key in keys}


def view_url(base: str, experiment_id: str, key: str) -> str:
    """The address that opens a view of an experiment, as charts and not as a table; without a base, relative to it.

    Without `/runs`, MLflow redirects to its last page of the experiment and drops the query.
    """
    experiment, view = quote(experiment_id, safe=""), quote(key, safe="")
    query = f"viewStateShareKey={view}&compareRunsMode=CHART&workflowType=machine_learning"
    return _at(base, f"#/experiments/{experiment}/runs?{query}")


def _shown(presentation: Presentation, axes: Sequence[str], objectives: Sequence[str]) -> Shown:
    """By the figure of the study; without one by its league, or by its axes and what it seeks."""
    if presentation.league is not None:
        return _shown_of_league(presentation.league)
    if presentation.x is None:
        quantities = tuple(objectives) or USUAL
        pairs = [(_parameter(axis), _metric(quantity)) for quantity, axis in product(quantities, axes)]
        pairs += [(_metric(quantities[0]), _metric(other)) for other in quantities[1:]]
        return Shown(tuple(axes), quantities, quantities, tuple(pairs[:MOST_SCATTERS]))
    places = [axis.parameter for axis in (presentation.x, presentation.columns) if axis is not None]
    panels = [panel for panel in presentation.shown if panel.series]
    drawn = tuple(dict.fromkeys(series.quantity for panel in panels for series in panel.series))
    main = tuple(dict.fromkeys(_of_test(panel) for panel in panels))  # more axes are unreadable
    scatters = tuple((_parameter(places[0]), _metric(quantity)) for quantity in drawn[:MOST_SCATTERS])
    return Shown(tuple(dict.fromkeys([*places, *axes])), drawn, main, scatters)


def _shown_of_league(league: League) -> Shown:
    """The contenders against the first target, as far as that is one quantity, else against the first part of it."""
    targets = [name for target in league.targets for name in (target.quantity, target.minus) if name]
    contenders = [contender.quantity for contender in league.contenders]
    scatters = tuple((_metric(name), _metric(targets[0])) for name in contenders[:MOST_SCATTERS])
    parameters = tuple(axis.parameter for axis in league.axes)
    main = tuple(dict.fromkeys(targets))
    return Shown(parameters, tuple(dict.fromkeys([*targets, *contenders])), main, scatters)


def _of_test(panel: Panel) -> str:
    """The quantity that stands for a panel: its first one of the test set, else its first one."""
    quantities = [series.quantity for series in panel.series]
    return next((name for name in quantities if name.startswith("test/")), quantities[0])


def _trials(presentation: Presentation, shown: Shown, order: str, averaged: bool) -> Json:
    """Scatter charts, parallel coordinates, and a contour where a figure has two axes of numbers."""
    charts = [
        _chart(f"scatter-{index}", "SCATTER", xaxis=across, yaxis=up)
        for index, (across, up) in enumerate(shown.scatters)
    ]
    if shown.main:
        settings = {"selectedParams": shown.parameters, "selectedMetrics": shown.main, "showAllRuns": True}
        charts.insert(0, _chart("parallel", "PARALLEL", **settings))
    axes = [axis for axis in (presentation.x, presentation.columns) if axis is not None and not axis.names]
    if len(axes) > 1 and shown.quantities:
        first, second = (_parameter(axis.parameter) for axis in axes)
        charts.append(
            _chart("contour", "CONTOUR", xaxis=first, yaxis=second, zaxis=_metric(_main_quantity(presentation)))
        )
    selected = [f"params.`{name}`" for name in shown.parameters] + [f"metrics.`{name}`" for name in shown.quantities]
    keys = [{"mode": "param", "groupByData": name} for name in shown.parameters]
    group_by = {"aggregateFunction": "average", "groupByKeys": keys} if averaged else None
    return _state("trial", charts, selected, order, group_by)


def _order(x: Axis | None, parameter: str) -> str:
    """By what the trials are sorted: numbers as numbers."""
    return f"params.`{parameter}`" if x is not None and x.names else f"metrics.`hp/{parameter}`"


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


def _parameter(key: str) -> Json:
    return {"key": key, "type": "PARAM"}


def _metric(key: str) -> Json:
    return {"key": key, "type": "METRIC"}


def _state(
    role: str, charts: Sequence[Json], selected: Sequence[str], order_by: str, group_by: Json | None = None
) -> Json:
    return {
        "searchFilter": f"tags.`sweep.role` = '{role}'",
        "orderByKey": order_by,
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "runsHiddenMode": "SHOW_ALL",
        "groupBy": group_by,
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


def same_view(first: str | None, second: str) -> bool:
    """Whether two tags differ in nothing but when they were written."""
    return first is not None and json.loads(first)["state"] == json.loads(second)["state"]


def report_url(base: str, experiment_id: str, run_id: str) -> str:
    """The address that opens the report on the page of the study's own run."""
    run = f"#/experiments/{quote(experiment_id, safe='')}/runs/{quote(run_id, safe='')}"
    return _at(base, f"{run}/artifacts/report/report.html?workflowType=machine_learning")


def _at(base: str, page: str) -> str:
    return f"{base.rstrip('/')}/{page}" if base else page


def _tag(name: str, state: Json, timestamp_ms: int) -> str:
    text = json.dumps({"name": name, "createdAt": timestamp_ms, "updatedAt": timestamp_ms, "state": json.dumps(state)})
    if len(text) > LARGEST_TAG:
        raise ValueError(f"view {name!r} has {len(text)} characters, MLflow keeps {LARGEST_TAG}: draw fewer quantities")
    return text
