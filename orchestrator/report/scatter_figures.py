"""The figure of a scatter: one quantity against another, a point for each x, axes for each column."""

# matplotlib's own types leave **kwargs of nearly every drawing method untyped:
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import AtMost
from orchestrator.report.curves import Column, Point
from orchestrator.report.drawing import LABEL_CHARACTERS, LEGEND_CHARACTERS, MARKERS, style, wrapped
from orchestrator.report.interaction import Spot, Tags, tell, tell_keys
from orchestrator.report.judgement import at, spread, value
from orchestrator.report.presentation import Presentation, Scatter, Series

SCALES = ("Blues", "Oranges", "Greens", "Greys")
PALE, DARK = 0.35, 1.0  # parts of a scale; below the first a point is too pale on white
LEGEND_SHADE = 0.6
SIZE = 6.5


def scatter_figure(columns: Sequence[Column], presentation: Presentation) -> Figure:
    """Every column's points; each group has a marker and a hue."""
    scatter, x = presentation.scatter, presentation.x
    if scatter is None or x is None or not columns:
        raise ValueError("nothing to draw: a scatter needs an x axis, two quantities and a trial")
    looks = _looks(x, scatter)
    with style():
        drawing = Figure(figsize=(2.4 + 3.8 * len(columns), 3.6), layout="constrained")
        row = drawing.subplots(1, len(columns), squeeze=False)[0]
        for column, axes in zip(columns, row, strict=True):
            _draw(axes, column, scatter, looks, x)
            axes.set_xlabel(wrapped(scatter.x.label, 2 * LABEL_CHARACTERS))
            if presentation.columns is not None:
                axes.set_title(column.label, fontweight="bold")
        row[0].set_ylabel(wrapped(scatter.y.label, LABEL_CHARACTERS))
        legend = row[-1].legend(handles=_legend(scatter), loc="upper left", bbox_to_anchor=(1.0, 1.0))
        tell_keys(legend, [*({"group": group} for group in scatter.groups), *([{}] if scatter.among else [])])
    return drawing


def _looks(x: Axis, scatter: Scatter) -> Mapping[float, tuple[str, str]]:
    """Colour and marker of each x that is in a group."""
    places = {name: float(i) for i, name in enumerate(x.names)}
    return {
        places[name]: (
            _shade(index, i / max(1, len(names) - 1) if scatter.shades else LEGEND_SHADE),
            MARKERS[index % len(MARKERS)],
        )
        for index, names in enumerate(scatter.groups.values())
        for i, name in enumerate(names)
    }


def _shade(group: int, part: float) -> str:
    return to_hex(colormaps[SCALES[group % len(SCALES)]](PALE + (DARK - PALE) * part))


def _draw(axes: Axes, column: Column, scatter: Scatter, looks: Mapping[float, tuple[str, str]], x: Axis) -> None:
    across = {point.x: point for point in column.curves[scatter.x.quantity].points}
    filled = _filled(column, scatter.among)
    for point in column.curves[scatter.y.quantity].points:
        if point.x in across and point.x in looks:
            colour, marker = looks[point.x]
            bars = axes.errorbar(
                across[point.x].mean,
                point.mean,
                xerr=across[point.x].stderr,
                yerr=point.stderr,
                color=colour,
                marker=marker,
                markersize=SIZE,
                markerfacecolor=colour if point.x in filled else "white",
                elinewidth=0.7,
                linestyle="none",
            )
            pair = (scatter.x, across[point.x]), (scatter.y, point)
            spot = Spot(across[point.x].mean, point.mean, "\n".join(_told(each, of_it) for each, of_it in pair))
            tell(bars.get_children(), _tags(point, x, scatter), f"{at(point, x)}\n{column.label}", [spot])


def _told(series: Series, point: Point) -> str:
    return f"{series.label} {value(point)}{spread(point)}, n = {point.n}"


def _tags(point: Point, x: Axis, scatter: Scatter) -> Tags:
    name = list(x.names)[int(point.x)]
    return {"group": next(group for group, names in scatter.groups.items() if name in names)}


def _filled(column: Column, among: AtMost | None) -> set[float]:
    if among is None:
        return set(column.xs)
    return {point.x for point in column.curves[among.quantity].points if point.mean <= among.level}


def _legend(scatter: Scatter) -> list[Line2D]:
    """A marker for each group, what its shades are, and what is hollow."""
    handles = [
        _key(
            f"{names[0]} to {names[-1]}, pale to dark" if scatter.shades else group,
            MARKERS[i % len(MARKERS)],
            _shade(i, LEGEND_SHADE),
        )
        for i, (group, names) in enumerate(scatter.groups.items())
    ]
    if scatter.among is not None:
        handles.append(_key(f"filled: {scatter.among.label}", "o", "black"))
    return handles


def _key(label: str, marker: str, face: str) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        color=face,
        markersize=SIZE,
        label=wrapped(label, LEGEND_CHARACTERS + 6),
    )
