"""The figure of array maps: stored arrays as colours, a row of pictures for each place, a column for each map.

Pictures below one another share their colours, so that they can be compared.
"""

# matplotlib's own types leave **kwargs of nearly every drawing method untyped:
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from orchestrator.report.drawing import LABEL_CHARACTERS, style, wrapped
from orchestrator.report.interaction import Cells, tell_cells
from orchestrator.report.numerals import significant
from orchestrator.report.presentation import PALETTE, ArrayMap, ArrayMaps
from orchestrator.report.shown_arrays import Coordinate, ShownArray

COLOURS = "viridis"
NO_VALUE = "#d9d9d9"
MOST_TICKS = 10
FEW_DECADES = 1e2
POINT_MARKERS = ("o", "^")


def array_figure(maps: ArrayMaps, shown: Sequence[ShownArray]) -> Figure:
    """The maps side by side, one place below the other."""
    places = list(dict.fromkeys(each.place for each in shown))
    with style():
        size = (0.6 + 3.1 * len(maps.maps), 1.2 + 2.8 * max(1, len(places)))
        drawing = Figure(figsize=size, layout="constrained")
        rows = drawing.subplots(max(1, len(places)), len(maps.maps), squeeze=False)
        for number, each in enumerate(maps.maps):
            pictures = [picture for picture in shown if picture.map == each]
            norm = _norm(each, [picture.values for picture in pictures])
            for axes in rows[:, number]:
                axes.grid(False)
                axes.set_facecolor(NO_VALUE)
            for picture in pictures:
                _draw(rows[places.index(picture.place), number], picture, norm, maps)
            title = wrapped(each.label, LABEL_CHARACTERS)
            if norm is None:
                rows[0, number].set_title(f"{title}: no values", fontsize=9)
            else:
                bar = drawing.colorbar(
                    ScalarMappable(norm, COLOURS), ax=rows[:, number].tolist(), location="top", aspect=30, pad=0.02
                )
                bar.set_label(title)
                _plain_numbers(bar.ax.xaxis, norm)
            rows[-1, number].set_xlabel(maps.horizontal)
        for place, row in zip(places, rows, strict=False):
            text = maps.vertical if len(places) == 1 else f"{wrapped(place, LABEL_CHARACTERS)}\n{maps.vertical}"
            row[0].set_ylabel(text)
    return drawing


def _norm(each: ArrayMap, arrays: Sequence[NDArray[np.float64]]) -> Normalize | None:
    """The scale of all pictures of a map; None if there is nothing to show."""
    values = np.concatenate([array[np.isfinite(array)] for array in arrays]) if arrays else np.zeros(0)
    values = values[values > 0] if each.log else values
    if not values.size:
        return None
    low = float(values.min()) if each.least is None else each.least
    high = float(values.max()) if each.most is None else each.most
    return LogNorm(low, high) if each.log else Normalize(low, high)


def _plain_numbers(axis: XAxis, norm: Normalize) -> None:
    """On a logarithmic scale, in the place of powers in mathematical notation, which the house style does not set."""
    if isinstance(norm, LogNorm):
        few_decades = bool(norm.vmax and norm.vmin and norm.vmax <= FEW_DECADES * norm.vmin)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few_decades else (1,), numticks=8))
        axis.set_major_formatter(StrMethodFormatter("{x:.6g}"))
        axis.set_minor_formatter(NullFormatter())


def _draw(axes: Axes, picture: ShownArray, norm: Normalize | None, maps: ArrayMaps) -> None:
    if norm is None:
        return
    values = np.ma.masked_invalid(picture.values)
    values = np.ma.masked_where(values <= 0, values) if picture.map.log else values
    columns, rows = _places(picture.columns), _places(picture.rows)
    image = axes.pcolormesh(columns, rows, values, cmap=COLOURS, norm=norm, shading="nearest", rasterized=True)
    tell_cells(image, f"{picture.map.label}\n{picture.place}", _cells(picture, maps, image))
    if picture.map.levels and values.count():
        levels = [level for level in picture.map.levels if values.min() < level < values.max()]
        if levels:
            axes.contour(columns, rows, values, levels=levels, colors="white", linewidths=1.2)
    _name(axes, picture)
    _mark(axes, picture.points)


def _cells(picture: ShownArray, maps: ArrayMaps, image: QuadMesh) -> Cells:
    """What is told of each cell; of a large array fewer digits than of a point, as there are thousands of them."""
    corners = np.asarray(image.get_coordinates())
    across = [f"{maps.horizontal} {_word(at)}" for at in picture.columns]
    up = [f"{maps.vertical} {_word(at)}" for at in picture.rows]
    numbers = [[significant(value) for value in row] for row in picture.values.tolist()]
    return Cells(corners[0, :, 0].tolist(), corners[:, 0, 1].tolist(), numbers, across, up)


def _word(at: Coordinate) -> str:
    return at if isinstance(at, str) else significant(at)


def _places(coordinates: Sequence[Coordinate]) -> list[float]:
    """Where cells stand: at their coordinates; names, one after another."""
    return [float(at) if isinstance(at, int | float) else float(index) for index, at in enumerate(coordinates)]


def _name(axes: Axes, picture: ShownArray) -> None:
    """Ticks at names, if rows or columns have them."""
    for axis, coordinates in ((axes.xaxis, picture.columns), (axes.yaxis, picture.rows)):
        if any(isinstance(at, str) for at in coordinates):
            every = -(-len(coordinates) // MOST_TICKS)
            axis.set_major_locator(FixedLocator(list(range(0, len(coordinates), every))))
            axis.set_major_formatter(FixedFormatter([str(at) for at in coordinates[::every]]))
    if any(isinstance(at, str) for at in picture.columns):
        axes.tick_params(axis="x", labelrotation=90)


def _mark(axes: Axes, points: NDArray[np.float64]) -> None:
    """Points, each class with a marker and a colour of its own."""
    classes = points[:, 2] if points.shape[1] > 2 else np.zeros(len(points))
    for number, one in enumerate(np.unique(classes)):
        chosen = points[classes == one]
        axes.scatter(
            chosen[:, 0],
            chosen[:, 1],
            s=9,
            marker=POINT_MARKERS[number % len(POINT_MARKERS)],
            color=PALETTE[(number + 1) % len(PALETTE)],
            edgecolors="white",
            linewidths=0.4,
        )
