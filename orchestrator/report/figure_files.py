"""The numbers behind each figure, as CSV: what it shows and nothing else. Pure, like all of the report."""

from collections.abc import Iterator, Sequence

from orchestrator.report.claim_kinds import AtMost
from orchestrator.report.courses import Course
from orchestrator.report.csv_files import POINT, as_csv, point_numbers
from orchestrator.report.curves import Column, Point
from orchestrator.report.group_findings import ComparedGroups, group_lines
from orchestrator.report.numerals import position
from orchestrator.report.parts import Part
from orchestrator.report.presentation import ArrayMaps, Courses, Groups, Panel, Profiles, Series
from orchestrator.report.shown_arrays import ShownArray

Line = tuple[object, ...]

SHOWN = ("panel", "series", "quantity", "column", "axis", "x")


def panels_csv(part: Part) -> bytes:
    """One line for each point of the panels."""
    return as_csv((*SHOWN, *POINT), _over_x(part, part.presentation.panels))


def maps_csv(part: Part) -> bytes:
    """One line for each cell of the maps, then of what the contours and the boundaries are drawn by."""
    maps = part.presentation.maps
    assert maps is not None, "it has been drawn"
    shown = [Panel(each.label, (Series(each.quantity, each.label),)) for each in maps.maps]
    lines = (*((maps.contours,) if maps.contours else ()), *maps.boundaries)
    shown += [Panel(each.label, (Series(each.quantity, each.label),)) for each in lines]
    return as_csv((*SHOWN, *POINT), _over_x(part, shown))


def courses_csv(part: Part, shown: Courses | Profiles, courses: Sequence[Course]) -> bytes:
    """One line for each point of the courses or profiles, then for each mark."""
    lines = [
        (*_place(part, panel.label, series, course.column, course.x), point.x, *point_numbers(point))
        for panel in shown.panels
        for series in panel.series
        for course in courses
        if course.quantity == series.quantity
        for point in course.points
    ]
    mark = shown.mark if isinstance(shown, Courses) else None
    marks = [] if mark is None else [Panel("mark", (mark,))]
    lines += [(*line[: len(SHOWN)], None, *line[len(SHOWN) :]) for line in _over_x(part, marks)]
    return as_csv((*SHOWN, "step" if isinstance(shown, Courses) else shown.label, *POINT), lines)


def arrays_csv(part: Part, maps: ArrayMaps, arrays: Sequence[ShownArray]) -> bytes:
    """One line for each cell of each picture, then for each point that is marked on it."""
    lines: list[Line] = []
    for each in arrays:
        place = (each.map.label, each.map.array, each.column, part.x_label, position(each.x, part.names), each.step)
        for row, values in zip(each.rows, each.values.tolist(), strict=True):
            lines += [(*place, "cell", column, row, value) for column, value in zip(each.columns, values, strict=True)]
        lines += [(*place, "point", *point[:2], point[2] if len(point) > 2 else None) for point in each.points.tolist()]
    names = ("map", "array", "column", "axis", "x", "step", "kind")
    return as_csv((*names, f"horizontal: {maps.horizontal}", f"vertical: {maps.vertical}", "value"), lines)


def groups_csv(groups: Groups, found: Sequence[ComparedGroups]) -> bytes:
    """One line for each layer of each line of each method."""
    lines = [
        (each.method, label, series.label, series.quantity, spread.value, spread.low, spread.high)
        for each in found
        if each.comparison is not None
        for label, spreads in group_lines(groups, each.comparison).items()
        for series, spread in zip(groups.layers, spreads, strict=True)
    ]
    return as_csv(("method", "pairs", "layer", "array", "distance", "low", "high"), lines)


def scatter_csv(part: Part) -> bytes:
    """One line for each point of the scatter: both quantities, and whether its marker is filled."""
    scatter = part.presentation.scatter
    assert scatter is not None, "it has been drawn"
    among = scatter.among
    lines: list[Line] = []
    for column in part.columns:
        across, filled = _points(column, scatter.x), {} if among is None else _points(column, among)
        for point in column.curves[scatter.y.quantity].points:
            name = position(point.x, part.names)
            group = next((group for group, names in scatter.groups.items() if name in names), None)
            if point.x in across and group is not None:
                is_filled = among is None or (point.x in filled and filled[point.x].mean <= among.level)
                numbers = (*point_numbers(across[point.x]), *point_numbers(point))
                lines.append((group, name, column.label, is_filled, *numbers))
    header = tuple(f"{axis}.{name}" for axis in (scatter.x.label, scatter.y.label) for name in POINT)
    return as_csv(("group", "point", "column", "filled", *header), lines)


def _over_x(part: Part, panels: Sequence[Panel]) -> Iterator[Line]:
    for panel in panels:
        for series in panel.series:
            for column in part.columns:
                for point in column.curves[series.quantity].points:
                    yield (*_place(part, panel.label, series, column.label, point.x), *point_numbers(point))


def _place(part: Part, panel: str, series: Series, column: str, x: float) -> Line:
    return (panel, series.label, series.quantity, column, part.x_label, position(x, part.names))


def _points(column: Column, series: Series | AtMost) -> dict[float, Point]:
    return {point.x: point for point in column.curves[series.quantity].points}
