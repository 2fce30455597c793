"""The figure of panels: a row for each of them, a column for each value of the column axis, one shared x."""

# matplotlib's own types leave **kwargs of nearly every drawing method untyped:
# pyright: reportUnknownMemberType=false

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import CARETUPBASE
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)

from orchestrator.report.axis import Axis
from orchestrator.report.claims import Finding
from orchestrator.report.curves import Column, Curve, Point
from orchestrator.report.drawing import LABEL_CHARACTERS, LEGEND_CHARACTERS, MARKERS, THRESHOLD_COLOUR, style, wrapped
from orchestrator.report.interaction import Spot, Tags, tell, tell_keys
from orchestrator.report.judgement import told
from orchestrator.report.numerals import position
from orchestrator.report.presentation import PALETTE, Panel, Presentation, Series

LOCATED = {"threshold": "interpolation threshold", "turn": "turning point"}  # by the number of a finding
MINIMUM_TICKS = 3
BOUND_SIZE = 9
SIZE, SIZE_STEP = 4.5, 1.6  # of a marker, in points
WIDTH, WIDTH_STEP = 1.3, 1.1  # of a line
MOST_BELOW = 2
BREADTH = 0.4  # of the series beside one another at a name, whose neighbour is 1 away
FEW_DECADES = 1e3
MOST_LABELS = 9
MOST_TICKS = 100  # of a grid; more are a bar, and take Matplotlib longer than all else


def figure(columns: Sequence[Column], presentation: Presentation, findings: Sequence[Finding]) -> Figure:
    """The panels of every column, with the place on x that a finding locates, as the interpolation threshold."""
    x = presentation.x
    if x is None or not presentation.panels or not columns:
        raise ValueError("nothing to draw: a figure needs an x axis, a panel and a trial")
    with style():
        drawing = Figure(figsize=(2.7 + 3.5 * len(columns), 1.1 + 2.0 * len(presentation.panels)), layout="constrained")
        rows = drawing.subplots(len(presentation.panels), len(columns), sharex=True, sharey="row", squeeze=False)
        styles = _styles(presentation.panels)
        for panel, row in zip(presentation.panels, rows, strict=True):
            for column, axes in zip(columns, row, strict=True):
                _draw(axes, x, panel, column, styles)
                _mark(axes, _located(column, findings))
            _label_row(row, x, panel, styles)
            _scale_y(row[0], panel, columns)
        for column, top, bottom in zip(columns, rows[0], rows[-1], strict=True):
            _label_column(top, bottom, column, presentation, _located(column, findings))
        _scale_x(rows[0][0], x, sorted({value for column in columns for value in column.xs}))
        drawing.align_ylabels()
    return drawing


def log_ticks(xs: Sequence[float]) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) within the data; the data themselves where those are too few."""
    low, high = min(xs), max(xs)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside = [
        tick for decade in decades for tick in (10.0**decade, 2 * 10.0**decade, 5 * 10.0**decade) if low <= tick <= high
    ]
    if len(inside) > MOST_LABELS:
        inside = [tick for tick in inside if math.log10(tick).is_integer()]
    if len(inside) >= MINIMUM_TICKS:
        return inside
    every = math.ceil(len(xs) / 6)
    return list(xs)[::every]


def _styles(panels: Sequence[Panel]) -> Mapping[Series, tuple[str, str]]:
    """Colour and marker of every series, one pair for the whole figure while they last."""
    series = dict.fromkeys(each for panel in panels for each in panel.series)
    return {each: (PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)]) for i, each in enumerate(series)}


def _draw(axes: Axes, x: Axis, panel: Panel, column: Column, styles: Mapping[Series, tuple[str, str]]) -> None:
    drawn = [series for series in panel.series if column.curves[series.quantity].points]
    for series in drawn:
        colour, marker = styles[series]
        below = _below(x, panel, series)
        curve, aside = column.curves[series.quantity], _aside(x, panel, series)
        moved = replace(curve, points=tuple(replace(point, x=point.x + aside) for point in curve.points))
        artists = _draw_curve(axes, moved, [at + aside for at in column.xs], colour, marker, _line(x), below)
        spots = [Spot(point.x + aside, point.mean, told(point, x)) for point in curve.points]
        tell(artists, _tags(series), f"{panel.label}: {series.label}\n{column.label}", spots)
    if not drawn:
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", va="center", color=THRESHOLD_COLOUR)
    hidden = sum(point.mean <= 0 for series in drawn for point in column.curves[series.quantity].points)
    if panel.log and hidden:
        note = f"{hidden} at or below 0: not on a log axis"
        axes.text(0.02, 0.04, note, transform=axes.transAxes, fontsize=7.5, color=THRESHOLD_COLOUR)


def _aside(x: Axis, panel: Panel, series: Series) -> float:
    """How far right of a name a series stands, so that none hides another of the same value; on a scale nowhere."""
    last = len(panel.series) - 1
    return BREADTH * (panel.series.index(series) / last - 0.5) if x.names and last else 0.0


def _below(x: Axis, panel: Panel, series: Series) -> int:
    """How many steps broader a series is drawn than the last, so that none of the same values hides it from below."""
    return 0 if x.names else min(MOST_BELOW, len(panel.series) - 1 - panel.series.index(series))


def _tags(series: Series) -> Tags:
    return {"series": f"{series.quantity} {series.label}"}


def _draw_curve(
    axes: Axes, curve: Curve, xs: Sequence[float], colour: str, marker: str, line: str, below: int
) -> Sequence[Artist]:
    """The points with their error bars; the line, if there is one, breaks where a declared x has no value.

    A point that is only a bound has no error bar, and an arrowhead upon it.
    """
    points = {point.x: point for point in curve.points}
    bars = axes.errorbar(
        xs,
        [points[x].mean if x in points else math.nan for x in xs],
        yerr=[_bar(points.get(x)) for x in xs],
        color=colour,
        marker=marker,
        linestyle=line,
        linewidth=WIDTH + WIDTH_STEP * below,
        markersize=SIZE + SIZE_STEP * below,
        markeredgecolor="white",
        markeredgewidth=0.4,
        elinewidth=1,
    )
    artists = list(bars.get_children())
    if bounds := [point for point in curve.points if point.at_least]:
        artists += axes.plot(
            [point.x for point in bounds],
            [point.mean for point in bounds],
            color=colour,
            linestyle="none",
            marker=CARETUPBASE,
            markersize=BOUND_SIZE,
            clip_on=False,
        )
    return artists


def _line(x: Axis) -> str:
    """Whether a line joins the points: there is nothing between two names."""
    return "none" if x.names else "-"


def _bar(point: Point | None) -> float:
    return math.nan if point is None or point.stderr is None or point.at_least else point.stderr


def _located(column: Column, findings: Sequence[Finding]) -> tuple[str, float] | None:
    """The first place on x that a finding locates in the column, and what it is."""
    located = [
        (words, each.numbers[name])
        for each in findings
        for name, words in LOCATED.items()
        if each.column == column.label and name in each.numbers
    ]
    return located[0] if located else None


def _mark(axes: Axes, located: tuple[str, float] | None) -> None:
    if located is not None:
        axes.axvline(located[1], color=THRESHOLD_COLOUR, linestyle=(0, (4, 2)), linewidth=1, zorder=1)


def _label_row(row: Sequence[Axes], x: Axis, panel: Panel, styles: Mapping[Series, tuple[str, str]]) -> None:
    row[0].set_ylabel(wrapped(panel.label, LABEL_CHARACTERS))
    last = row[-1]
    lines = [_key(last, styles[each], _line(x), _below(x, panel, each)) for each in panel.series]
    labels = [wrapped(each.label, LEGEND_CHARACTERS) for each in panel.series]
    legend = last.legend(lines, labels, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    tell_keys(legend, [_tags(each) for each in panel.series])


def _key(axes: Axes, look: tuple[str, str], line: str, below: int) -> Line2D:
    """What stands for a series in the legend: the same line and marker."""
    (key,) = axes.plot([], [], color=look[0], marker=look[1], linestyle=line)
    key.set(linewidth=WIDTH + WIDTH_STEP * below, markersize=SIZE + SIZE_STEP * below)
    return key


def _label_column(
    top: Axes, bottom: Axes, column: Column, presentation: Presentation, located: tuple[str, float] | None
) -> None:
    x = presentation.x
    assert x is not None  # `figure` has checked it
    bottom.set_xlabel(x.label)
    if presentation.columns is not None:
        top.set_title(column.label, fontweight="bold", pad=18)
    if located is not None:
        words, place = located
        top.annotate(
            f"{words}: {x.label} {position(place, x.names)}",
            xy=(place, 1.0),
            xycoords=top.get_xaxis_transform(),
            xytext=(0, 3),
            textcoords="offset points",
            ha=_side(place, column.xs, x.log),
            fontsize=8,
            color=THRESHOLD_COLOUR,
        )


def _side(x: float, xs: Sequence[float], log: bool) -> Literal["left", "center", "right"]:
    """Keep a label that is centred on x inside the axes: hang it to the inner side near an end."""
    low, high, at = (math.log(value) if log else value for value in (xs[0], xs[-1], x))
    share = 0.5 if high == low else (at - low) / (high - low)
    return "left" if share < 0.35 else "right" if share > 0.65 else "center"


def _scale_y(axes: Axes, panel: Panel, columns: Sequence[Column]) -> None:
    """Scale and ticks of a row; a log axis has plain numbers, and 2 and 5 besides the powers of ten if they fit."""
    means = [point.mean for column in columns for each in panel.series for point in column.curves[each.quantity].points]
    positive = [value for value in means if value > 0]
    if not means or (panel.log and not positive):
        axes.yaxis.set_major_locator(NullLocator())
    elif panel.log:
        axes.set_yscale("log", nonpositive="mask")
        few_decades = max(positive) / min(positive) <= FEW_DECADES
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few_decades else (1,)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.6g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _scale_x(axes: Axes, x: Axis, xs: Sequence[float]) -> None:
    """Scale, limits and ticks of the shared x; minor ticks show where the grid has its points, if they can be told."""
    low, high = xs[0], xs[-1]
    if x.names:
        axes.set_xlim(low - 0.5, high + 0.5)
        axes.xaxis.set_major_locator(FixedLocator(list(xs)))
        axes.xaxis.set_major_formatter(FixedFormatter([re.sub("[ _]", "\n", position(at, x.names)) for at in xs]))
        return
    if x.log:
        margin = (high / low) ** 0.04 if high > low else 2.0
        axes.set_xscale("log")
        axes.set_xlim(low / margin, high * margin)
        axes.xaxis.set_major_locator(FixedLocator(log_ticks(xs)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.6g}"))
    else:
        margin = 0.04 * (high - low) or 0.5
        axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=all(float(value).is_integer() for value in xs)))
    axes.xaxis.set_minor_locator(FixedLocator(list(xs) if len(xs) <= MOST_TICKS else []))
    axes.xaxis.set_minor_formatter(NullFormatter())
