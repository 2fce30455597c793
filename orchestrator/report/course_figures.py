"""The figure of courses or profiles: quantities over the steps of training, or arrays along another, a line for each x.

In panels as in `figures`.
"""

# matplotlib's own types leave **kwargs of nearly every drawing method untyped:
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence

from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from matplotlib.typing import LineStyleType

from orchestrator.report.axis import Axis
from orchestrator.report.courses import Course
from orchestrator.report.curves import Column, Point
from orchestrator.report.drawing import LABEL_CHARACTERS, LEGEND_CHARACTERS, THRESHOLD_COLOUR, style, wrapped
from orchestrator.report.interaction import Spot, Tags, tell, tell_keys
from orchestrator.report.judgement import spread, value
from orchestrator.report.numerals import position, significant
from orchestrator.report.presentation import PALETTE, Courses, Panel, Presentation, Profile, Profiles, Series

# Of the first quantity of a panel, the second, the third.
LINE_STYLES: tuple[LineStyleType, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)))
MARK_STYLE: LineStyleType = (0, (1, 3))
BAND_OPACITY = 0.2
MOST_KEYS = 10
FEW_DECADES = 1e2
DARK_PART = 0.88  # of the colour scale; the rest is too pale for a line on white


def course_figure(
    shown: Courses | Profiles, courses: Sequence[Course], columns: Sequence[Column], presentation: Presentation
) -> Figure:
    """Each panel in each column; of courses, with the mean step of the mark as a thin vertical line."""
    x = presentation.x
    if x is None or not columns:
        raise ValueError("nothing to draw: courses need an x axis, a panel and a trial")
    mark = shown.mark if isinstance(shown, Courses) else None
    xs = sorted({at for column in columns for at in column.xs})
    colours = dict(zip(xs, _colours(x, len(xs)), strict=True))
    with style():
        size = (2.9 + 3.5 * len(columns), 1.0 + 2.0 * len(shown.panels))
        drawing = Figure(figsize=size, layout="constrained")
        rows = drawing.subplots(len(shown.panels), len(columns), sharex=True, sharey="row", squeeze=False)
        for number, (panel, row) in enumerate(zip(shown.panels, rows, strict=True)):
            for column, axes in zip(columns, row, strict=True):
                _draw(axes, panel, [each for each in courses if each.column == column.label], colours, shown, x)
                _draw_mark(axes, mark, column, colours, x)
            _scale_y(row[0], panel, courses)
            row[0].set_ylabel(wrapped(panel.label, LABEL_CHARACTERS))
            keys = [*(_lines(x, colours, mark) if number == 0 else []), *_quantities(panel)]
            if keys:
                handles = [handle for handle, _ in keys]
                legend = row[-1].legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
                tell_keys(legend, [tags for _, tags in keys])
        for column, top, bottom in zip(columns, rows[0], rows[-1], strict=True):
            bottom.set_xlabel("training step" if isinstance(shown, Courses) else wrapped(shown.label, LABEL_CHARACTERS))
            if presentation.columns is not None:
                top.set_title(column.label, fontweight="bold")
        _scale(rows[0][0], shown, [point for course in courses for point in course.points])
        drawing.align_ylabels()
    return drawing


def _colours(x: Axis, count: int) -> Sequence[str]:
    """Of each x: numbers from dark to light, a few names each in a colour of their own."""
    if x.names and count <= len(PALETTE):
        return PALETTE[:count]
    scale = colormaps["viridis"]
    return [to_hex(scale(DARK_PART * i / max(1, count - 1))) for i in range(count)]


def _draw(
    axes: Axes,
    panel: Panel | Profile,
    courses: Sequence[Course],
    colours: Mapping[float, str],
    shown: Courses | Profiles,
    x: Axis,
) -> None:
    for series, line_style in zip(panel.series, LINE_STYLES, strict=False):
        for course in (each for each in courses if each.quantity == series.quantity):
            colour = colours[course.x]
            xs, means = [point.x for point in course.points], [point.mean for point in course.points]
            artists: list[Artist] = [*axes.plot(xs, means, color=colour, linestyle=line_style)]
            band = [(p.x, p.mean - p.stderr, p.mean + p.stderr) for p in course.points if p.stderr is not None]
            if band:
                steps, lows, highs = zip(*band, strict=True)
                artists.append(axes.fill_between(steps, lows, highs, color=colour, alpha=BAND_OPACITY, linewidth=0))
            spots = [Spot(p.x, p.mean, f"{_at(shown, p.x)}\n{value(p)}{spread(p)}\nn = {p.n}") for p in course.points]
            line = f"{panel.label}: {series.label}\n{x.label} {position(course.x, x.names)}\n{course.column}"
            tell(artists, {**_x_tags(x, course.x), **_quantity_tags(series)}, line, spots)


def _scale_y(axes: Axes, panel: Panel | Profile, courses: Sequence[Course]) -> None:
    """A log axis has plain numbers, and 2 and 5 besides the powers of ten if there are few of these."""
    if not panel.log:
        return
    shown = {series.quantity for series in panel.series}
    means = [point.mean for course in courses if course.quantity in shown for point in course.points if point.mean > 0]
    few_decades = bool(means) and max(means) / min(means) <= FEW_DECADES
    axes.set_yscale("log", nonpositive="mask")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few_decades else (1,)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.6g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _at(shown: Courses | Profiles, place: float) -> str:
    return f"step {place:,.0f}" if isinstance(shown, Courses) else f"{shown.label} {significant(place)}"


def _x_tags(x: Axis, at: float) -> Tags:
    return {"x": position(at, x.names)}


def _quantity_tags(series: Series) -> Tags:
    return {"quantity": series.quantity}


def _draw_mark(axes: Axes, mark: Series | None, column: Column, colours: Mapping[float, str], x: Axis) -> None:
    """Where the mark is, if every replicate has got there."""
    points = () if mark is None else column.curves[mark.quantity].points
    for point in points:
        if not point.at_least and point.n == column.replicates[point.x]:
            line = axes.axvline(point.mean, color=colours[point.x], linestyle=MARK_STYLE, linewidth=1, zorder=1)
            tell([line], _x_tags(x, point.x))


def _lines(x: Axis, colours: Mapping[float, str], mark: Series | None) -> list[tuple[Line2D, Tags]]:
    """What the colours are, and the mark, for a legend, and what each stands for; of many numbers, some."""
    shown = list(colours)[:: math.ceil(len(colours) / MOST_KEYS)]
    names = [position(at, x.names).replace("_", " ") for at in shown]
    labels = names if x.names else [f"{x.label} {name}" for name in names]
    keys = [(_key(label, "-", colours[at]), _x_tags(x, at)) for label, at in zip(labels, shown, strict=True)]
    return keys if mark is None else [*keys, (_key(mark.label, MARK_STYLE, THRESHOLD_COLOUR), {})]


def _quantities(panel: Panel | Profile) -> list[tuple[Line2D, Tags]]:
    """What the line styles are, for a legend, where they tell several quantities apart."""
    if len(panel.series) < 2:
        return []
    lines = zip(panel.series, LINE_STYLES, strict=False)
    return [(_key(series.label, line, "black"), _quantity_tags(series)) for series, line in lines]


def _key(label: str, line: LineStyleType, colour: str) -> Line2D:
    return Line2D([], [], color=colour, linestyle=line, label=wrapped(label, LEGEND_CHARACTERS))


def _scale(axes: Axes, shown: Courses | Profiles, points: Sequence[Point]) -> None:
    places = sorted({point.x for point in points if point.x > 0 or not shown.log})
    if shown.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.6g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif isinstance(shown, Courses):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    if len(places) > 1:
        axes.set_xlim(places[0], None if isinstance(shown, Courses) else places[-1])
