"""What a page tells of a figure where a reader points: the numbers behind what is drawn, and what belongs together.

Whoever draws an artist says with it what is to be told (`tell`, `tell_cells`, `tell_keys`); `interactive` then knows
where in the SVG it all lies, and says so as JSON, which one script (figure.js) reads for figures of every kind. The
picture itself stays Matplotlib's: nothing is drawn twice, and without the script the page is as it was.
"""

# matplotlib's own types leave **kwargs of nearly every drawing method untyped:
# pyright: reportUnknownMemberType=false

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from orchestrator.report.drawing import render

TOLD = "told"  # the attribute of an artist
POINTS_PER_INCH = 72  # the unit of length of Matplotlib's SVG
OUTSIDE = 1.0  # points by which a marker may lie beyond its axes

Tags = Mapping[str, str]  # by what a reader tells artists apart, as `{"series": "test"}`


@dataclass(frozen=True)
class Spot:
    """What is told at a place, which is given in the coordinates of its axes."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Cells:
    """What is told of each cell of a grid: nothing where its text is empty.

    Its columns and rows have edges, and names, which are told above the text of a cell.
    """

    x_edges: Sequence[float]
    y_edges: Sequence[float]
    texts: Sequence[Sequence[str]]
    columns: Sequence[str]
    rows: Sequence[str]


@dataclass(frozen=True)
class Told:
    """All that is told of an artist.

    `key` is the text of the legend's entry that it belongs to, by which a reader chooses what has its tags.
    """

    tags: Tags = field(default_factory=dict[str, str])
    title: str = ""
    spots: tuple[Spot, ...] = ()
    cells: Cells | None = None
    key: Artist | None = None


def tell(artists: Iterable[Artist], tags: Tags, title: str = "", spots: Sequence[Spot] = ()) -> None:
    """These artists, drawn for one line, have these tags; at its points this is told, below the title."""
    for place, artist in enumerate(artists):
        setattr(artist, TOLD, Told(tags, title, tuple(spots) if place == 0 else ()))


def tell_cells(artist: Artist, title: str, cells: Cells) -> None:
    """Of the cells of this artist this is told."""
    setattr(artist, TOLD, Told(title=title, cells=cells))


def tell_keys(legend: Legend, tags: Sequence[Tags]) -> None:
    """The entries of the legend, in their order, stand for what has these tags; one without tags for nothing."""
    for handle, text, each in zip(legend.legend_handles, legend.get_texts(), tags, strict=True):
        for artist in (handle, text):
            if artist is not None and each:
                setattr(artist, TOLD, Told(each, text.get_text().replace("\n", " "), key=text))


def interactive(drawing: Figure) -> tuple[bytes, str]:
    """The figure as SVG, and what is told of it as JSON; the same figure gives the same bytes."""
    artists = [artist for artist in drawing.findobj(lambda artist: hasattr(artist, TOLD)) if artist.get_visible()]
    for number, artist in enumerate(artists):
        artist.set_gid(f"part-{number}")
    svg = render(drawing, "svg")  # first: only what has been drawn has its place
    parts, lines, cells = list[object](), list[object](), list[object]()
    keys: dict[int, tuple[list[str], Told]] = {}
    for artist in artists:
        each: Told = getattr(artist, TOLD)
        if each.key is not None:
            keys.setdefault(id(each.key), ([], each))[0].append(str(artist.get_gid()))
            continue
        if each.tags:
            parts.append([artist.get_gid(), dict(each.tags)])
        if each.spots:
            spots = _places(drawing, artist, each.spots)
            lines.append({"id": artist.get_gid(), "tags": dict(each.tags), "title": each.title, "spots": spots})
        if each.cells is not None:
            cells.append({"title": each.title, **_grid(drawing, artist, each.cells)})
    entries = [[ids, dict(key.tags), key.title] for ids, key in keys.values()]
    told = {"parts": parts, "lines": lines, "cells": cells, "keys": entries}
    return svg, json.dumps(told, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _places(drawing: Figure, artist: Artist, spots: Sequence[Spot]) -> list[list[object]]:
    """Where the spots lie in the SVG; none that is cut off at the axes."""
    axes = _axes(artist)
    box, scale = axes.bbox, POINTS_PER_INCH / drawing.dpi
    found: list[list[object]] = []
    for spot in spots:
        x, y = _place(drawing, axes, spot.x, spot.y)
        left, right, low, high = (edge * scale for edge in (box.x0, box.x1, box.y0, box.y1))
        height = float(drawing.get_figheight()) * POINTS_PER_INCH
        if left - OUTSIDE <= x <= right + OUTSIDE and height - high - OUTSIDE <= y <= height - low + OUTSIDE:
            found.append([round(x, 2), round(y, 2), spot.text])
    return found


def _grid(drawing: Figure, artist: Artist, cells: Cells) -> Mapping[str, object]:
    axes = _axes(artist)
    xs = [round(_place(drawing, axes, x, cells.y_edges[0])[0], 2) for x in cells.x_edges]
    ys = [round(_place(drawing, axes, cells.x_edges[0], y)[1], 2) for y in cells.y_edges]
    texts = [list(row) for row in cells.texts]
    return {"xs": xs, "ys": ys, "texts": texts, "columns": list(cells.columns), "rows": list(cells.rows)}


def _place(drawing: Figure, axes: Axes, x: float, y: float) -> tuple[float, float]:
    """A place of the axes in the SVG, whose origin is above; NaN if it has none, as 0 on a log axis."""
    with np.errstate(all="ignore"):
        across, up = (float(each) for each in axes.transData.transform((x, y)))
    scale = POINTS_PER_INCH / drawing.dpi
    if not (math.isfinite(across) and math.isfinite(up)):
        return math.nan, math.nan
    return across * scale, float(drawing.get_figheight()) * POINTS_PER_INCH - up * scale


def _axes(artist: Artist) -> Axes:
    axes = artist.axes
    assert isinstance(axes, Axes), "only what is drawn in axes is told of"
    return axes
