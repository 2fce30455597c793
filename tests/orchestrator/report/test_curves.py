"""Curves: means, errors, and what is left out."""

import math
from dataclasses import replace

import pytest

from orchestrator.report.axis import Axis
from orchestrator.report.curves import averaged_over, curves, quantities
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results, Row
from tests.orchestrator.report.tidy_tables import NAN, PRESENTATION, joined, rows_of, table, trial


def test_columns_keep_the_order_of_the_study_and_points_the_order_of_x() -> None:
    tables = (table({"test/loss": [[3.0, 1.0, 2.0]]}, (30, 10, 20), fraction) for fraction in (0.15, 0.0))
    columns = curves(joined(*tables), PRESENTATION)
    assert [column.label for column in columns] == ["label noise 0.15", "label noise 0"]
    assert [(point.x, point.mean) for point in columns[0].curves["test/loss"].points] == [(10, 1), (20, 2), (30, 3)]


@pytest.mark.parametrize(
    ("values", "own", "stderr"),
    [
        ((1.0,), None, None),
        ((1.0,), 0.3, 0.3),
        ((1.0, 3.0), None, 1.0),
        ((1.0, 3.0), 0.6, math.hypot(1.0, 0.6 / math.sqrt(2))),
        ((1.0, 3.0), NAN, 1.0),
    ],
)
def test_standard_error_is_that_of_replicates_and_estimator_together(
    values: tuple[float, ...], own: float | None, stderr: float | None
) -> None:
    trials = tuple(trial(4, replicate=index) for index in range(len(values)))
    rows = tuple(Row(one.trial_id, 5, "test/loss", value, own) for one, value in zip(trials, values, strict=True))
    (point,) = curves(Results(trials, rows), PRESENTATION)[0].curves["test/loss"].points
    assert point.stderr == (None if stderr is None else pytest.approx(stderr))
    assert (point.n, point.low, point.high) == (len(values), min(values), max(values))


def test_what_is_missing_or_not_finite_is_left_out_and_counted() -> None:
    values = {2: 1.0, 3: NAN, 4: math.inf, 5: -math.inf}
    trials = tuple(trial(width) for width in (*values, 6))
    rows = tuple(row for one, value in zip(trials, values.values(), strict=False) for row in rows_of(one, {"q": value}))
    presentation = replace(PRESENTATION, panels=(), claims=(replace(PRESENTATION.claims[0], quantity="q"),))
    curve = curves(Results(trials, rows), presentation)[0].curves["q"]
    assert ([point.x for point in curve.points], curve.missing, curve.not_finite) == ([2], 1, 3)


@pytest.mark.parametrize("state", ["failed", "diverged", "partial", "pending"])
def test_only_done_trials_count_but_every_declared_x_is_known(state: str) -> None:
    done, other = trial(2), trial(3, state=state)
    results = Results((done, other), rows_of(done, {"test/loss": 1.0}) + rows_of(other, {"test/loss": 9.0}))
    (column,) = curves(results, PRESENTATION)
    assert [point.x for point in column.curves["test/loss"].points] == [2]
    assert (column.xs, dict(column.replicates)) == ((2, 3), {2: 1, 3: 0})


def test_the_latest_step_counts() -> None:
    one = trial(2)
    rows = (Row(one.trial_id, 9, "test/loss", 1.0, None), Row(one.trial_id, 5, "test/loss", 2.0, None))
    (column,) = curves(Results((one,), rows), PRESENTATION)
    assert column.curves["test/loss"].points[0].mean == 1.0


def test_without_columns_all_trials_share_one_and_without_x_there_is_none() -> None:
    results = table({"test/loss": [[1.0, 2.0]]}, (2, 3))
    assert [column.label for column in curves(results, replace(PRESENTATION, columns=None))] == ["all trials"]
    assert curves(results, Presentation()) == ()


def test_quantities_are_those_drawn_and_judged() -> None:
    assert quantities(PRESENTATION) == ("train/error", "test/error", "test/loss", "spectrum/n_eff")


def test_a_mean_says_what_it_is_over() -> None:
    results = table({"test/loss": [[1.0, 2.0], [1.0, 2.0]]}, (2, 3))
    assert averaged_over(results, PRESENTATION) == ("init_seed",)
    assert averaged_over(table({"test/loss": [[1.0, 2.0]]}, (2, 3)), PRESENTATION) == ()


@pytest.mark.parametrize(
    ("width", "axis", "message"),
    [
        (
            2,
            Axis("model.depth", "depth"),
            "no trial has a parameter 'model.depth' to draw along; those of the first one: model.width",
        ),
        ("wide", Axis("model.width", "width"), "model.width='wide' of trial .* cannot be an x"),
        (True, Axis("model.width", "width"), "model.width=True of trial .* cannot be an x"),
        (0, Axis("model.width", "width", log=True), "model.width=0 of trial .* no place on a log axis"),
    ],
)
def test_an_axis_that_cannot_be_drawn_is_refused(width: object, axis: Axis, message: str) -> None:
    results = Results((replace(trial(2), parameters={"model.width": width, "corruption.fraction": 0.0}),), ())
    with pytest.raises(ValueError, match=message):
        curves(results, replace(PRESENTATION, x=axis))
