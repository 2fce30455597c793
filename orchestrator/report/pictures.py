"""Pictures: the figures of every part of a report, as files, each with its description and caption."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.report.figure_files import arrays_csv, courses_csv, groups_csv, maps_csv, panels_csv, scatter_csv
from orchestrator.report.parts import Part
from orchestrator.report.presentation import ArrayMaps
from orchestrator.report.shown_arrays import ShownArray
from orchestrator.report.table import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PREVIEW_PIXELS = (900, 900)


@dataclass(frozen=True)
class Drawing:
    """A figure in both formats, in words, how to read it, what is told of its parts, and its numbers."""

    png: bytes
    svg: bytes
    description: str
    caption: str
    told: str
    csv: bytes


def drawings(parts: Sequence[Part], results: Results) -> Iterator[Drawing]:
    """Of each part that has something to draw: its courses, its maps, its panels."""
    from orchestrator.report.drawing import render  # here: they load Matplotlib, which most commands do without
    from orchestrator.report.interaction import interactive

    for part in parts:
        for figure, description, caption, csv in _figures(part, results):
            svg, told = interactive(figure)
            yield Drawing(render(figure, "png"), svg, description, caption, told, csv)


def preview(png: bytes) -> bytes:
    """A small version, for pages that show a picture as large as it is."""
    from PIL import Image

    image, file = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    image.thumbnail(PREVIEW_PIXELS)
    image.save(file, "png")
    return file.getvalue()


def _figures(part: Part, results: Results) -> "Iterator[tuple[Figure, str, str, bytes]]":
    from orchestrator.report.array_figures import array_figure
    from orchestrator.report.course_figures import course_figure
    from orchestrator.report.figures import figure
    from orchestrator.report.heat_maps import heat_maps
    from orchestrator.report.scatter_figures import scatter_figure

    presentation, columns = part.presentation, part.columns
    if not columns:
        return
    if presentation.courses is not None:
        labels = [panel.label for panel in presentation.courses.panels]
        drawn = course_figure(presentation.courses, part.courses, columns, presentation)
        words = f"{', '.join(labels)}, over training steps, by {part.x_label}"
        yield drawn, words, _course_caption(part), courses_csv(part, presentation.courses, part.courses)
    for shown, lines in zip(presentation.profiles, part.profiles, strict=True):
        labels = [panel.label for panel in shown.panels]
        drawn = course_figure(shown, lines, columns, presentation)
        words = f"{', '.join(labels)}, along {shown.label}, by {part.x_label}"
        yield drawn, words, _profile_caption(part), courses_csv(part, shown, lines)
    for maps, arrays in zip(presentation.array_maps, part.array_maps, strict=True):
        labels = [each.label for each in maps.maps]
        words = f"{', '.join(labels)}, by {part.x_label}"
        yield array_figure(maps, arrays), words, _array_caption(part, maps, arrays), arrays_csv(part, maps, arrays)
    yield from _group_figures(part)
    if presentation.maps is not None:
        labels = [each.label for each in presentation.maps.maps]
        drawn = heat_maps(columns, presentation, results.trials)
        yield drawn, f"{', '.join(labels)}, over {_axes(part)}", _map_caption(part), maps_csv(part)
    if presentation.scatter is not None:
        labels = [presentation.scatter.y.label, presentation.scatter.x.label]
        drawn = scatter_figure(columns, presentation)
        yield drawn, " against ".join(labels), _scatter_caption(part), scatter_csv(part)
    if presentation.panels:
        labels = [panel.label for panel in presentation.panels]
        drawn = figure(columns, presentation, part.findings)
        yield drawn, f"{', '.join(labels)}, over {_axes(part)}", _caption(part), panels_csv(part)


def _group_figures(part: Part) -> "Iterator[tuple[Figure, str, str, bytes]]":
    from orchestrator.report.group_figure import group_figure

    groups = part.presentation.groups
    if groups is not None and any(each.comparison is not None for each in part.groups):
        caption = (
            "Mean distances, 1 less the similarity, over pairs of networks. Bars are 95 % bootstrap intervals over "
            "networks; the three lines are set apart sideways so that none hides another."
        )
        words = f"{groups.label}: distances within and between groups"
        yield group_figure(groups, part.groups), words, caption, groups_csv(groups, part.groups)


def _axes(part: Part) -> str:
    axes = (part.presentation.x, part.presentation.columns)
    return " and ".join(axis.label for axis in axes if axis is not None)


def _means(part: Part, thing: str) -> str:
    differing = part.averaged_over
    if differing:
        return f"{thing}s are means over trials that differ in {', '.join(differing)}"
    return f"Each {thing.lower()} is one trial"


def _caption(part: Part) -> str:
    bars = (
        f"{_means(part, 'Point')}. Bars are ± 1 standard error: over replicates, with the estimator's own added in "
        "quadrature, where there are two or more; the estimator's own where there is one; none where neither is known."
    )
    if any(point.at_least for column in part.columns for curve in column.curves.values() for point in curve.points):
        bars += " An arrowhead is on a mean that is a lower bound, because a trial ended before it got there."
    if part.names:
        several = any(len(panel.series) > 1 for panel in part.presentation.panels)
        return f"{bars} Points of one name stand side by side, so that none hides another." if several else bars
    located = any("threshold" in finding.numbers for finding in part.findings)
    threshold = " The dashed line marks the interpolation threshold." if located else ""
    turned = any("turn" in finding.numbers for finding in part.findings)
    threshold += " The dashed line marks the turning point that the claims name." if turned else ""
    return f"{bars} Lines break where a value is missing.{threshold} Small ticks mark the grid."


def _course_caption(part: Part) -> str:
    courses = part.presentation.courses
    mark = None if courses is None else courses.mark
    text = (
        f"{_means(part, 'Line')}, with a band of ± 1 standard error where there are two or more; it ends where the "
        "first of them does."
    )
    if mark is None:
        return text
    return f"{text} The dotted vertical line is the mean of {mark.label}, if every trial has got there."


def _profile_caption(part: Part) -> str:
    return (
        f"{_means(part, 'Line')}. The band is ± 1 standard error: over replicates, with that over random draws added "
        "in quadrature, as far as they are known."
    )


def _array_caption(part: Part, maps: ArrayMaps, arrays: Sequence[ShownArray]) -> str:
    of = _means(part, "Picture") if maps.mean else "Each picture is of one trial"
    names = dict.fromkeys(name for each in arrays for name in each.trials)
    trials = "" if maps.mean or not names else f": {'; '.join(names)}"
    shared = " Pictures below one another share their colours." if len({each.place for each in arrays}) > 1 else ""
    lines = [each for each in maps.maps if each.levels]
    levels = "".join(f" Lines on {each.label}: {', '.join(f'{v:g}' for v in each.levels)}." for each in lines)
    return f"{of}{trials}.{shared}{levels} Grey is where there is no value{_not_positive(maps)}."


def _not_positive(maps: ArrayMaps) -> str:
    return ", or none above 0 on a log scale" if any(each.log for each in maps.maps) else ""


def _scatter_caption(part: Part) -> str:
    return f"{_means(part, 'Point')}. Bars are ± 1 standard error, of both quantities, where it is known."


def _map_caption(part: Part) -> str:
    return (
        f"{_means(part, 'Cell')}. Cells stand at the values beside them, whatever their spacing, and none is "
        "interpolated: × is where a trial diverged, ? where there is no value, 0 where it is not above 0 on a log "
        "scale. Boundaries run along the edges of cells; contours alone are interpolated, in the logarithm."
    )
