"""The figure of a comparison: a row for each quantity, a column for each of the studies', a line for either study."""

# matplotlib's own types leave **kwargs of nearly every drawing method untyped:
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, StrMethodFormatter

from orchestrator.report.comparison import Place, Summary
from orchestrator.report.drawing import LABEL_CHARACTERS, MARKERS, style, wrapped
from orchestrator.report.interaction import Spot, tell, tell_keys
from orchestrator.report.numerals import with_error
from orchestrator.report.presentation import PALETTE

LINES = ("-", "--")
STUDIES = ("first", "second")
LOG_FROM = 30.0  # ratio of the ends of a range from which on it is drawn on a log axis


def comparison_figure(first: Summary, second: Summary) -> Figure:
    """Every quantity that both studies have, over x."""
    places = [place for place in first.curves if place in second.curves]
    rows = list(dict.fromkeys((axis, quantity) for axis, _, quantity in places))
    columns = list(dict.fromkeys(column for _, column, _ in places))
    with style():
        size = (1.4 + 3.5 * len(columns), 1.0 + 2.0 * len(rows))
        drawing = Figure(figsize=size, layout="constrained")
        grid = drawing.subplots(len(rows), len(columns), sharey="row", squeeze=False)
        for (axis, quantity), line in zip(rows, grid, strict=True):
            for column, axes in zip(columns, line, strict=True):
                place = (axis, column, quantity)
                _draw(axes, place, (first, second))
                axes.set_xlabel(axis)
            line[0].set_ylabel(wrapped(quantity, LABEL_CHARACTERS))
        for column, axes in zip(columns, grid[0], strict=True):
            axes.set_title(column, fontweight="bold")
        keys = [
            grid[0][0].plot([], [], color=PALETTE[i], marker=MARKERS[i], linestyle=LINES[i])[0]
            for i in range(len(LINES))
        ]
        legend = drawing.legend(keys, [first.label, second.label], loc="outside lower center", ncols=1)
        tell_keys(legend, [{"study": name} for name in STUDIES])
        drawing.align_ylabels()
    return drawing


def _draw(axes: Axes, where: Place, summaries: Sequence[Summary]) -> None:
    curves = [summary.curves.get(where, {}) for summary in summaries]
    names = list(dict.fromkeys(x for curve in curves for x in curve))
    numbers = _numbers(names)
    at = {name: number for name, number in zip(names, numbers or range(len(names)), strict=True)}
    for place, curve in enumerate(curves):
        points = sorted((at[x], x, value) for x, value in curve.items())
        bars = axes.errorbar(
            [x for x, _, _ in points],
            [value.mean for _, _, value in points],
            yerr=[value.stderr or 0.0 for _, _, value in points],
            color=PALETTE[place],
            marker=MARKERS[place],
            linestyle=LINES[place] if numbers else "none",
            markeredgecolor="white",
            markeredgewidth=0.4,
            elinewidth=1,
        )
        axis, column, quantity = where
        spots = [Spot(x, v.mean, f"{axis} {name}\n{with_error(v.mean, v.stderr)}") for x, name, v in points]
        title = f"{summaries[place].label}\n{quantity}\n{column}"
        tell(bars.get_children(), {"study": STUDIES[place]}, title, spots)
    if not numbers:
        axes.xaxis.set_major_locator(FixedLocator(list(range(len(names)))))
        axes.xaxis.set_major_formatter(FixedFormatter([name.replace(" ", "\n") for name in names]))
    elif _spans_decades(numbers):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.6g}"))
    if _spans_decades([value.mean for curve in curves for value in curve.values()]):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.6g}"))


def _numbers(names: Sequence[str]) -> list[float]:
    """The names as numbers; none if one of them is not."""
    try:
        return [float(name) for name in names]
    except ValueError:
        return []


def _spans_decades(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) >= LOG_FROM * min(values)
