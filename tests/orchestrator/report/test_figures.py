"""Figures: what they contain, that nothing overlaps, that they are deterministic. (Their looks were judged by eye.)"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from orchestrator.report.axis import Axis
from orchestrator.report.claims import findings
from orchestrator.report.curves import curves
from orchestrator.report.drawing import render
from orchestrator.report.figures import figure, log_ticks
from orchestrator.report.presentation import Panel, Presentation, Series
from orchestrator.report.table import Results
from tests.orchestrator.report.tidy_tables import PRESENTATION, WIDTHS, bump, example, table


def drawn(results: Results, presentation: Presentation = PRESENTATION) -> Figure:
    columns = curves(results, presentation)
    return figure(columns, presentation, findings(columns, presentation, np.random.default_rng(0)))


def texts(drawing: Figure) -> list[str]:
    return [text.get_text() for axes in drawing.axes for text in axes.texts]


def test_rows_are_panels_columns_are_noise_levels_and_the_threshold_is_marked() -> None:
    drawing = drawn(example())
    assert len(drawing.axes) == 6
    assert [axes.get_title() for axes in drawing.axes[:2]] == ["label noise 0", "label noise 0.15"]
    assert texts(drawing)[:2] == ["interpolation threshold: width 20", "interpolation threshold: width 80"]
    assert [axes.get_xscale() for axes in drawing.axes] == ["log"] * 6
    assert [axes.get_ylabel() for axes in drawing.axes[::2]] == ["error", "test loss", "effective dimensionality"]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_table_gives_the_same_bytes_without_date_or_version(kind: str) -> None:
    first, second = (render(drawn(example()), kind) for _ in range(2))  # type: ignore[arg-type] # a Literal's values
    assert first == second
    assert b"Matplotlib" not in first
    assert b"<dc:date>" not in first


def test_tick_labels_are_integers_apart_from_one_another_and_legends_are_beside_the_data() -> None:
    drawing = drawn(table({"test/loss": [bump(WIDTHS, 4.0)]}, WIDTHS))
    canvas = FigureCanvasAgg(drawing)
    canvas.draw()
    bottom = drawing.axes[-1]
    labels = [label for label in bottom.get_xticklabels() if label.get_text()]
    assert [label.get_text() for label in labels] == ["2", "5", "10", "20", "50", "100", "200"]
    boxes = [label.get_window_extent() for label in labels]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    for axes in drawing.axes:
        legend = axes.get_legend()
        assert legend is not None
        assert legend.get_window_extent().x0 >= axes.get_window_extent().x1 - 1
        assert legend.get_window_extent().x1 <= drawing.bbox.x1 + 1


@pytest.mark.parametrize(
    ("xs", "ticks"),
    [
        ((2.0, 300.0), [2, 5, 10, 20, 50, 100, 200]),
        ((12.0, 13.0, 14.0), [12, 13, 14]),
        ((50.0,), [50]),
        ((1.0, 1e6), [10.0**power for power in range(7)]),
    ],
)
def test_log_ticks_are_round_or_else_the_data(xs: tuple[float, ...], ticks: list[float]) -> None:
    assert log_ticks(xs) == pytest.approx(ticks)


@pytest.mark.parametrize(
    "results, presentation",
    [
        (table({"test/loss": [[1.5]]}, (50,)), PRESENTATION),
        (table({"test/loss": [[1.5]]}, (50,)), replace(PRESENTATION, columns=None)),
        (table({"test/loss": [[1.5, 1.2]]}, (0, 1)), replace(PRESENTATION, x=Axis("model.width", "width"))),
        (table({"test/loss": [[0.5]]}, (0.5,)), replace(PRESENTATION, x=Axis("model.width", "width"))),
    ],
    ids=["single x", "no columns", "linear x", "single linear x"],
)
def test_sparse_tables_still_give_a_figure_that_says_what_is_missing(
    results: Results, presentation: Presentation
) -> None:
    drawing = drawn(results, presentation)
    assert render(drawing, "png").startswith(b"\x89PNG")
    assert texts(drawing) == ["no values", "no values"]


def test_a_line_breaks_where_a_value_is_missing() -> None:
    drawing = drawn(table({"test/loss": [[1.0, float("nan"), 2.0]]}, (2, 3, 4)))
    heights = np.asarray(drawing.axes[1].get_lines()[0].get_ydata(orig=False))
    assert np.isnan(heights).tolist() == [False, True, False]


def test_of_two_curves_with_the_same_values_the_lower_one_is_broader_as_is_its_key() -> None:
    presentation = replace(PRESENTATION, panels=(Panel("loss", (Series("test/loss", "a"), Series("test/loss", "b"))),))
    (axes,) = drawn(table({"test/loss": [[3.0, 1.0, 2.0]]}, (2, 3, 4)), presentation).axes
    legend = axes.get_legend()
    assert legend is not None
    lower, upper = [line for line in axes.get_lines() if line.get_linestyle() == "-"][:2]
    for first, second in ((lower, upper), legend.get_lines()):
        assert first.get_linewidth() > second.get_linewidth()
        assert first.get_markersize() > second.get_markersize()


def test_what_a_log_axis_cannot_show_is_counted_on_it() -> None:
    presentation = replace(PRESENTATION, panels=(Panel("error", (Series("train/error", "train"),), log=True),))
    drawing = drawn(table({"train/error": [[0.5, 0.1, 0.0, 0.0]]}, (2, 3, 4, 5)), presentation)
    assert "2 at or below 0: not on a log axis" in texts(drawing)
    assert render(drawing, "png")


def test_a_dollar_sign_in_a_label_is_no_formula() -> None:
    presentation = replace(PRESENTATION, panels=(Panel("cost in $ and $x", (Series("test/loss", "$\\bad$"),)),))
    assert render(drawn(table({"test/loss": [[1.0, 2.0]]}, (2, 3)), presentation), "svg")


@pytest.mark.parametrize("presentation", [Presentation(), replace(PRESENTATION, panels=())])
def test_nothing_to_draw_is_refused(presentation: Presentation) -> None:
    with pytest.raises(ValueError, match="nothing to draw: a figure needs an x axis, a panel and a trial"):
        figure(curves(example(), presentation), presentation, ())
