"""Derived quantities of single trainings, on courses whose answer is known."""

import pytest

from orchestrator.report.course_quantities import course
from orchestrator.report.derived import with_derived
from orchestrator.report.derived_kinds import DepthOrder, Fall, Likeness, OfCourses, Rescaled, Settled
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results, Row, Trial
from orchestrator.results import quantities_over_steps

RISING = {0: 0.2, 10: 0.95, 100: 0.5, 1000: 0.92, 2000: 1.0}


@pytest.mark.parametrize(
    ("derived", "expected"),
    [
        (Settled("s", "q", 0.9), {2000: 1000.0}),
        (Settled("s", "q", 0.5), {2000: 10.0}),
        (Settled("s", "q", 0.1), {2000: 0.0}),
        (Settled("s", "q", 1.1), {}),
        (Settled("s", "q", 0.5, of_the_way=True), {2000: 1000.0}),
        (Settled("s", "q", 0.3, of_the_way=True), {2000: 10.0}),
        (Fall("f", "q"), {2000: -0.8}),
        (Rescaled("r", "q", -2.0, 1.0), {step: 1 - 2 * value for step, value in RISING.items()}),
    ],
)
def test_of_one_quantity(derived: OfCourses, expected: dict[int, float]) -> None:
    assert course(derived, {"q": RISING}) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "order", "likeness"),
    [
        ((1.0, 2.0, 4.0), 1.0, 0.25),
        ((4.0, 2.0, 1.0), -1.0, 0.25),
        ((2.0, 2.0, 2.0), 0.0, 1.0),
        ((1.0, 3.0, 2.0), 1 / 3, 1 / 3),
    ],
)
def test_of_several_quantities_it_is_their_last_values_that_count(
    values: tuple[float, ...], order: float, likeness: float
) -> None:
    known = {name: {0: 7.0, 5: value} for name, value in zip("abc", values, strict=True)}
    assert course(DepthOrder("o", ("a", "b", "c")), known) == pytest.approx({5: order})
    assert course(Likeness("l", ("a", "b", "c")), known) == pytest.approx({5: likeness})


def test_what_is_not_known_or_not_positive_gives_nothing() -> None:
    assert course(DepthOrder("o", ("a", "b")), {"a": {0: 1.0}}) == {}
    assert course(Likeness("l", ("a", "b")), {"a": {0: 1.0}, "b": {0: 0.0}}) == {}


def test_one_may_be_of_those_before_it_and_what_is_not_finite_is_left_out() -> None:
    trials = (Trial("1", "", {}, "done", 1.0, "", None, ()),)
    rows = [Row("1", step, "q", value, 0.1) for step, value in (*RISING.items(), (3000, float("nan")))]
    derived = (
        Settled("a", "q", 0.5),
        Settled("b", "q", 0.9),
        DepthOrder("order", ("a", "b")),
        Rescaled("less", "order", -1),
    )
    found = with_derived(Results(trials, tuple(rows)), derived).rows[len(rows) :]
    assert [(row.quantity, row.step, row.value) for row in found] == [
        ("a", 2000, 10.0),
        ("b", 2000, 1000.0),
        ("order", 2000, 1.0),
        ("less", 2000, -1.0),
    ]
    assert quantities_over_steps(Presentation(derived=derived)) >= {"q"}
