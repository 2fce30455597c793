"""Heat maps: every cell in its place, what has no value marked, edges and contours where they belong."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes as Frame
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import AtMost
from orchestrator.report.curves import curves
from orchestrator.report.drawing import render
from orchestrator.report.heat_maps import boundary_edges, heat_maps
from orchestrator.report.presentation import Contours, Map, Maps, Presentation
from orchestrator.report.table import Results, Row, Trial
from tests.orchestrator.report.published_width_depth import published

NAN = float("nan")
PRESENTATION = Presentation(
    x=Axis("model.width", "width"),
    columns=Axis("model.depth", "depth"),
    maps=Maps((Map("loss", "test loss"),)),
)
# Rows are depths 1 and 3, columns widths 2, 4 and 16.
LOSSES = {(2, 1): 5.0, (4, 1): 3.0, (16, 1): 1.0, (2, 3): 4.0, (4, 3): 2.0, (16, 3): 0.0}


def results(values: dict[tuple[int, int], float] = LOSSES, states: dict[tuple[int, int], str] | None = None) -> Results:
    """A trial for each width and depth, the deepest first; those that are not done have no number."""
    trials = [
        Trial(
            f"{width}-{depth}",
            f"{width} {depth}",
            {"model.width": width, "model.depth": depth},
            (states or {}).get((width, depth), "done"),
            1.0,
            "",
            None,
            (),
        )
        for width, depth in sorted(values, key=lambda cell: -cell[1])
    ]
    rows = [
        Row(trial.trial_id, 9, "loss", values[cell], None)
        for trial in trials
        if trial.state == "done"
        for cell in values
        if trial.trial_id == f"{cell[0]}-{cell[1]}"
    ]
    return Results(tuple(trials), tuple(rows))


def drawn(table: Results, presentation: Presentation = PRESENTATION) -> Figure:
    drawing = heat_maps(curves(table, presentation), presentation, table.trials)
    FigureCanvasAgg(drawing).draw()
    return drawing


def colours(axes: Frame) -> np.ma.MaskedArray:
    (mesh,) = (each for each in axes.collections if isinstance(each, QuadMesh))
    return np.ma.masked_array(mesh.get_array())


def signs(axes: Frame) -> dict[tuple[float, float], str]:
    return {text.get_position(): text.get_text() for text in axes.texts}


def test_every_cell_has_its_value_and_every_axis_the_values_it_stands_at() -> None:
    axes = drawn(results()).axes[0]
    assert colours(axes).tolist() == [[5, 3, 1], [4, 2, 0]], "depths upwards, widths to the right"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "16"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "3"]
    assert axes.get_xticks().tolist() == [0, 1, 2], "in the middle of the cells"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("width", "depth")


def test_what_has_no_value_has_no_colour_and_a_sign_that_says_why() -> None:
    states = {(2, 1): "diverged", (16, 1): "failed", (4, 3): "pending"}
    axes = drawn(results({**LOSSES, (2, 3): NAN}, states)).axes[0]
    assert np.ma.getmaskarray(colours(axes)).tolist() == [[True, False, True], [True, True, False]]
    assert signs(axes) == {(0, 0): "×", (2, 0): "?", (0, 1): "?", (1, 1): "?"}


def test_a_cell_outside_of_the_grid_is_blank_and_one_with_a_diverged_replicate_is_marked() -> None:
    table = results({cell: value for cell, value in LOSSES.items() if cell != (2, 3)})
    again = Trial("again", "again", dict(table.trials[0].parameters), "diverged", 1.0, "", None, ())
    axes = drawn(replace(table, trials=(*table.trials, again))).axes[0]
    assert np.ma.getmaskarray(colours(axes)).tolist() == [[False] * 3, [True, False, False]]
    assert signs(axes) == {(1, 1): "×"}, "coloured by the other replicate"


def test_what_a_log_scale_cannot_show_is_marked_and_the_others_keep_their_colours() -> None:
    presentation = replace(PRESENTATION, maps=Maps((Map("loss", "test loss", log=True),)))
    axes, bar = drawn(results(), presentation).axes
    assert signs(axes) == {(2, 1): "0"}
    assert bar.get_xlabel() == "test loss"
    assert bar.get_xlim() == pytest.approx((1, 5))
    assert {"1", "2", "5"} <= {label.get_text() for label in bar.get_xticklabels()}


def test_colours_end_where_asked_and_the_bar_says_so() -> None:
    def bar(most: float | None) -> Frame:
        presentation = replace(PRESENTATION, maps=Maps((Map("loss", "test loss", most=most),)))
        return drawn(results(), presentation).axes[1]

    assert bar(None).get_xlim() == (0, 5)
    assert bar(4.0).get_xlim()[0] == 0 and bar(4.0).get_xlim()[1] == 4
    assert bar(9.0).get_xlim() == (0, 5)


def test_a_map_without_any_value_says_so() -> None:
    (axes,) = drawn(results(dict.fromkeys(LOSSES, NAN))).axes
    assert axes.get_title() == "test loss: no values"


def test_boundaries_are_edges_of_cells_and_none_is_beside_what_is_not_known() -> None:
    assert boundary_edges(np.array([[1.0, 0.0], [1.0, 0.0]]), 0) == [
        ((0.5, 0.5), (0.5, -0.5)),
        ((0.5, 1.5), (0.5, 0.5)),
    ]
    assert boundary_edges(np.array([[1.0, 1.0], [0.0, 0.0]]), 0) == [
        ((0.5, 0.5), (-0.5, 0.5)),
        ((1.5, 0.5), (0.5, 0.5)),
    ]
    assert boundary_edges(np.array([[1.0, NAN, 0.0]]), 0) == []
    assert boundary_edges(np.array([[0.2, 0.3]]), 0.2) == [((0.5, 0.5), (0.5, -0.5))]
    assert boundary_edges(np.array([[0.0, 0.0]]), 0) == []


def test_the_published_figure_has_its_boundary_and_its_contours_where_its_numbers_are() -> None:
    presentation = Presentation(
        x=Axis("model.width", "width"),
        columns=Axis("model.depth", "depth"),
        maps=Maps(
            (Map("n_eff", "N_eff"), Map("test/loss", "test loss", most=2.2), Map("train/loss", "train loss", log=True)),
            Contours("parameters", "equal number of parameters", (1e5, 8e5, 1e9)),
            (AtMost("train/loss", "train loss at most 0.2", 0.2),),
        ),
    )
    drawing = drawn(published(), presentation)
    for axes in drawing.axes[:3]:
        (contours,) = (each for each in axes.collections if isinstance(each, ContourSet))
        assert [text.get_text() for text in axes.texts] == ["1e5", "8e5"], "no line where there are no networks"
        counts = {row.trial_id: row.value for row in published().rows if row.quantity == "parameters"}
        width = np.interp(np.log(1e5), np.log([counts["12-3"], counts["16-3"]]), [2, 3])
        assert min(abs(x - width) for x, y in contours.allsegs[0][0] if y == 3) == pytest.approx(0, abs=1e-6)
        (edges,) = (each for each in axes.collections if type(each) is LineCollection)
        first_fitted = {3: 32, 4: 32, 5: 28, 6: 24, 7: 24, 8: 24}  # from width 4 on, in steps of 4
        vertical = {(ends[0, 0], min(ends[:, 1]) + 0.5) for ends in edges.get_segments() if ends[0, 0] == ends[1, 0]}
        assert vertical == {(width / 4 - 1.5, depth) for depth, width in first_fitted.items()}
    legend = drawing.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["train loss at most 0.2", "equal number of parameters"]


def test_nothing_overlaps_and_the_same_table_gives_the_same_bytes() -> None:
    presentation = replace(
        PRESENTATION, maps=Maps(tuple(Map("n_eff", "effective dimensionality (full sum, z = 1)") for _ in range(3)))
    )
    drawing = drawn(published(), presentation)
    boxes = [axes.get_tightbbox() for axes in drawing.axes[:3]]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes) if left and right)
    for axes in drawing.axes[:3]:
        labels = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in pairwise(labels))
    assert render(drawing, "svg") == render(drawn(published(), presentation), "svg")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"columns": None}, "nothing to draw: maps need an x axis, a column axis of numbers and a trial"),
        (
            {"columns": Axis("kind", "kind")},
            "'kind plain' has no place on the vertical axis of a map: draw over numbers",
        ),
    ],
)
def test_maps_without_two_axes_of_numbers_are_refused(changed: dict[str, Axis | None], message: str) -> None:
    table = results()
    named = tuple(replace(each, parameters={**each.parameters, "kind": "plain"}) for each in table.trials)
    with pytest.raises(ValueError, match=message):
        drawn(replace(table, trials=named), replace(PRESENTATION, **changed))  # type: ignore[arg-type] # fields of it


@pytest.mark.parametrize(("maps", "boundaries"), [(0, 0), (1, 3)])
def test_no_map_and_more_boundaries_than_can_be_told_apart_are_refused(maps: int, boundaries: int) -> None:
    with pytest.raises(ValueError, match=f"{maps} maps with {boundaries} boundaries cannot be drawn"):
        Maps((Map("loss", "test loss"),) * maps, boundaries=(AtMost("loss", "fitted"),) * boundaries)
