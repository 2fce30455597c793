"""The figure of maps: quantities over two axes, as colours; a cell is the mean over its replicates.

Cells are of equal size and stand at the values of the axes, which label them, so nothing depends on how these are
spaced. Boundaries run along the edges of cells. Contours alone lie between values: where the logarithm of their
quantity, taken as linear from one cell's middle to the next, is that of their level. No cell is filled in.
"""

# matplotlib's own types leave **kwargs of nearly every drawing method untyped:
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import AtMost
from orchestrator.report.curves import Column, Point, place, placed
from orchestrator.report.drawing import LABEL_CHARACTERS, style, wrapped
from orchestrator.report.interaction import Cells, tell_cells
from orchestrator.report.judgement import spread, value
from orchestrator.report.numerals import position
from orchestrator.report.presentation import Contours, Map, Presentation
from orchestrator.report.table import Trial

COLOURS = "viridis"  # uniform to the eye, and for all kinds of colour vision
NO_VALUE = "#d9d9d9"
DIVERGED, UNKNOWN, NOT_POSITIVE = "×", "?", "0"
MOST_TICKS = 12
FEW_DECADES = 1e2
BOUNDARY_STYLES = ("solid", (0, (1, 1)))

Floats = NDArray[np.float64]


def heat_maps(columns: Sequence[Column], presentation: Presentation, trials: Sequence[Trial]) -> Figure:
    """The maps side by side, with their contours and boundaries."""
    maps, x, y = presentation.maps, presentation.x, presentation.columns
    if maps is None or x is None or y is None or not columns:
        raise ValueError("nothing to draw: maps need an x axis, a column axis of numbers and a trial")
    grid = Grid(columns, {x for column in columns for x in column.xs})
    marks = _diverged(placed(trials, presentation), grid, presentation)
    with style():
        shape = len(grid.xs), len(grid.columns)
        drawing = Figure(figsize=(3.9 * len(maps.maps), 1.5 + 3.0 * min(1.4, max(0.6, shape[1] / shape[0]))))
        drawing.set_layout_engine("constrained")
        row = drawing.subplots(1, len(maps.maps), squeeze=False)[0]
        for each, axes in zip(maps.maps, row, strict=True):
            _draw(drawing, axes, each, grid, marks, (x, y))
            for boundary, line in zip(maps.boundaries, BOUNDARY_STYLES, strict=False):
                _draw_boundary(axes, grid.values(boundary.quantity), boundary, line)
            if maps.contours is not None:
                _draw_contours(axes, grid.values(maps.contours.quantity), maps.contours)
            axes.set_xlabel(x.label)
            _ticks(axes, grid)
        row[0].set_ylabel(y.label)
        handles = _legend(maps.contours, maps.boundaries)
        if handles:
            drawing.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=3)
    return drawing


class Grid:
    """The values of both axes in ascending order, and any quantity over them."""

    def __init__(self, columns: Iterable[Column], xs: Iterable[float]) -> None:
        self.columns = sorted(columns, key=_height)
        self.xs = sorted(xs)

    def points(self, quantity: str) -> list[list[Point | None]]:
        """A row for each column, from below; none where there is no value."""
        points = [{point.x: point for point in column.curves[quantity].points} for column in self.columns]
        return [[each.get(x) for x in self.xs] for each in points]

    def values(self, quantity: str) -> Floats:
        """The means, NaN where there is none."""
        return np.array([[p.mean if p else math.nan for p in row] for row in self.points(quantity)])

    @property
    def declared(self) -> NDArray[np.bool_]:
        """Where the study has trials."""
        return np.array([[x in column.replicates for x in self.xs] for column in self.columns])


def _height(column: Column) -> float:
    if column.y is None:
        raise ValueError(f"{column.label!r} has no place on the vertical axis of a map: draw over numbers")
    return column.y


def _diverged(trials: Iterable[Trial], grid: Grid, presentation: Presentation) -> NDArray[np.bool_]:
    """The cells in which a trial has diverged."""
    cells = np.zeros((len(grid.columns), len(grid.xs)), dtype=bool)
    rows = {trial_id: i for i, column in enumerate(grid.columns) for trial_id in column.trial_ids}
    assert presentation.x is not None, "`heat_maps` has checked it"
    for trial in trials:
        if trial.state == "diverged":
            cells[rows[trial.trial_id], grid.xs.index(place(trial, presentation.x))] = True
    return cells


def _draw(
    drawing: Figure, axes: Axes, each: Map, grid: Grid, diverged: NDArray[np.bool_], labels: tuple[Axis, Axis]
) -> None:
    values = grid.values(each.quantity)
    shown = np.ma.masked_where(~(values > 0), values) if each.log else np.ma.masked_invalid(values)
    axes.set_facecolor(NO_VALUE)
    axes.grid(False)
    axes.spines[["top", "right"]].set_visible(True)
    extent = (-0.5, len(grid.xs) - 0.5, -0.5, len(grid.columns) - 0.5)
    axes.set_xlim(*extent[:2])
    axes.set_ylim(*extent[2:])
    for (row, column), text in _marks(values, each, grid, diverged).items():
        axes.text(column, row, text, ha="center", va="center", fontsize=8, path_effects=_halo(1.5))
    if shown.count() == 0:
        axes.set_title(wrapped(f"{each.label}: no values", LABEL_CHARACTERS), fontsize=9)
        return
    edges = np.arange(len(grid.xs) + 1) - 0.5, np.arange(len(grid.columns) + 1) - 0.5
    image = axes.pcolormesh(*edges, shown, cmap=COLOURS, norm=_norm(each, float(shown.min()), float(shown.max())))
    names = [f"{labels[0].label} {position(x)}" for x in grid.xs]
    heights = [f"{labels[1].label} {position(_height(column))}" for column in grid.columns]
    texts = _told(grid, each.quantity, diverged)
    tell_cells(image, each.label, Cells(edges[0].tolist(), edges[1].tolist(), texts, names, heights))
    ends = "max" if each.most is not None and shown.max() > each.most else "neither"
    bar = drawing.colorbar(image, ax=axes, location="top", shrink=0.95, aspect=30, pad=0.02, extend=ends)
    bar.set_label(wrapped(each.label, 2 * LABEL_CHARACTERS))
    if each.log:
        few_decades = shown.max() / shown.min() <= FEW_DECADES
        bar.ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few_decades else (1,), numticks=8))
        bar.ax.xaxis.set_major_formatter(StrMethodFormatter("{x:.6g}"))
        bar.ax.xaxis.set_minor_formatter(NullFormatter())


def _told(grid: Grid, quantity: str, diverged: NDArray[np.bool_]) -> Sequence[Sequence[str]]:
    """What is told of each cell; nothing where the study has no trial."""
    points = grid.points(quantity)
    texts = [["" for _ in grid.xs] for _ in grid.columns]
    for i, j in np.argwhere(grid.declared).tolist():
        point = points[i][j]
        number = "no value" if point is None else f"{value(point)}{spread(point)}\nn = {point.n}"
        texts[i][j] = number + ("\na trial diverged" if diverged[i, j] else "")
    return texts


def _norm(each: Map, low: float, high: float) -> Normalize:
    high = high if each.most is None else min(high, max(each.most, low))
    return LogNorm(low, high) if each.log else Normalize(low, high)


def _marks(values: Floats, each: Map, grid: Grid, diverged: NDArray[np.bool_]) -> Mapping[tuple[int, int], str]:
    """A sign on each cell that has no colour, or not that of all its trials, and why."""
    marks: dict[tuple[int, int], str] = {}
    for cell in np.ndindex(values.shape):
        if diverged[cell]:
            marks[cell] = DIVERGED
        elif grid.declared[cell] and math.isnan(values[cell]):
            marks[cell] = UNKNOWN
        elif each.log and values[cell] <= 0:
            marks[cell] = NOT_POSITIVE
    return marks


def _draw_boundary(axes: Axes, values: Floats, boundary: AtMost, line: str | tuple[int, tuple[int, int]]) -> None:
    """The edges between cells where the quantity is at most so much, and cells where it is known to be more."""
    segments = LineCollection(boundary_edges(values, boundary.level), colors="black", linewidths=2, linestyles=[line])
    segments.set_path_effects(_halo(3.5))
    axes.add_collection(segments)


def boundary_edges(values: Floats, level: float) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The edges between cells of at most this level and those above it; none beside a cell without a value."""
    edges: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for row, column in np.ndindex(values.shape):
        for right, up in ((1, 0), (0, 1)):
            if row + up < values.shape[0] and column + right < values.shape[1]:
                pair = values[row, column], values[row + up, column + right]
                if not np.isnan(pair).any() and (pair[0] <= level) != (pair[1] <= level):
                    corner = (column + 0.5, row + 0.5)
                    edges.append((corner, (corner[0] - up, corner[1] - right)))
    return edges


def _draw_contours(axes: Axes, values: Floats, contours: Contours) -> None:
    known = values[np.isfinite(values) & (values > 0)]
    levels = [level for level in contours.levels if known.size and known.min() < level < known.max()]
    if not levels or min(values.shape) < 2:
        return
    heights = np.log(np.ma.masked_where(~(values > 0), values))
    lines = axes.contour(heights, levels=[math.log(level) for level in levels], colors="white", linestyles="dashed")
    lines.set_path_effects(_halo(2.4, "black"))
    for level, pieces in zip(levels, lines.allsegs, strict=True):
        x, y = max((tuple(point) for piece in pieces for point in piece), key=lambda point: point[1])
        text = f"{level:.4g}".replace("e+0", "e")
        effects = _halo(2, "black")
        axes.text(x, y, text, ha="center", va="bottom", fontsize=7, color="white", path_effects=effects)


def _halo(width: float, colour: str = "white") -> list[AbstractPathEffect]:
    """An outline that sets a line or a sign off from any colour below it."""
    return [withStroke(linewidth=width, foreground=colour)]


def _ticks(axes: Axes, grid: Grid) -> None:
    for axis, values in ((axes.xaxis, grid.xs), (axes.yaxis, [_height(column) for column in grid.columns])):
        every = math.ceil(len(values) / MOST_TICKS)
        axis.set_major_locator(FixedLocator(list(range(0, len(values), every))))
        axis.set_major_formatter(FixedFormatter([position(value) for value in values[::every]]))


def _legend(contours: Contours | None, boundaries: Sequence[AtMost]) -> list[Line2D]:
    handles = [
        Line2D([], [], color="black", linewidth=2, linestyle=line, label=boundary.label)
        for boundary, line in zip(boundaries, BOUNDARY_STYLES, strict=False)
    ]
    if contours is not None:
        effects = _halo(2.4, "black")
        handles.append(Line2D([], [], color="white", linestyle="dashed", label=contours.label, path_effects=effects))
    return handles
