"""How curves descend, and differences to a baseline: constructed courses whose numbers are known."""

import pytest

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.derived_kinds import Descent, Difference, Ratio
from orchestrator.report.descents import with_descents
from orchestrator.report.presentation import Presentation
from orchestrator.report.ratios import with_ratios
from orchestrator.report.table import Results, Row, Trial
from orchestrator.results import quantities_over_steps, results
from orchestrator.study import Study
from workers.record import Point, RunRecord
from workers.spec import TrialSpec

DESCENT = Descent("course", "test/error")


def table(course: dict[int, float], state: str = "done") -> Results:
    trial = Trial("0", "", {"init_seed": 0}, state, 1.0, "", None, ())
    return Results((trial,), tuple(Row("0", step, "test/error", value, None) for step, value in course.items()))


def described(course: dict[int, float], state: str = "done") -> dict[str, float]:
    found = with_descents(table(course, state), (DESCENT,)).rows
    return {row.quantity: row.value for row in found if row.quantity.startswith("course/")}


def test_a_curve_that_only_falls_does_not_rise_and_ends_at_its_best() -> None:
    assert described({0: 0.9, 10: 0.5, 100: 0.4}) == pytest.approx(
        {"course/change": 0.25, "course/rise": 0.0, "course/excess": 0.0}
    )


def test_a_curve_that_shakes_changes_more_and_one_that_turns_ends_above_its_best() -> None:
    steady = described({0: 0.9, 10: 0.6, 20: 0.5, 30: 0.3})
    shaking = described({0: 0.9, 10: 0.3, 20: 0.7, 30: 0.3})
    assert shaking["course/change"] > 2 * steady["course/change"]
    assert (steady["course/rise"], shaking["course/rise"]) == pytest.approx((0, 0.4))
    assert shaking["course/excess"] == 0
    assert described({0: 0.9, 10: 0.2, 20: 0.5})["course/excess"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("course", "state"),
    [({0: 0.9}, "done"), ({}, "done"), ({0: 0.9, 1: float("nan")}, "done"), ({0: 1, 1: 0}, "failed")],
)
def test_without_two_finite_values_of_a_done_trial_nothing_is_said(course: dict[int, float], state: str) -> None:
    assert described(course, state) == {}


def test_differences_are_within_seeds() -> None:
    trials = [
        Trial(f"{seed}{bn}", "", {"model": "inception", "model.bn": bn, "init_seed": seed}, "done", 1.0, "", None, ())
        for seed in (0, 1)
        for bn in (True, False)
    ]
    errors = {"0True": 0.2, "0False": 0.25, "1True": 0.3, "1False": 0.28}
    rows = tuple(Row(trial.trial_id, 5, "error", errors[trial.trial_id], None) for trial in trials)
    found = with_ratios(Results(tuple(trials), rows), (Difference("gap", "error", {"model.bn": True}),)).rows
    gaps = {row.trial_id: row.value for row in found if row.quantity == "gap"}
    assert gaps == pytest.approx({"0True": 0, "0False": 0.05, "1True": 0, "1False": -0.02})


def test_a_difference_to_a_bound_is_none_and_that_of_a_bound_is_one() -> None:
    trials = [Trial(str(i), "", {"model.bn": bool(i)}, "done", 1.0, "", None, ()) for i in range(2)]
    difference = Difference("gap", "steps", {"model.bn": True})
    for bound, expected in ((1, []), (0, [("0", 5.0, True), ("1", 0.0, False)])):
        rows = tuple(Row(str(i), 0, "steps", (15.0, 10.0)[i], None, at_least=i == bound) for i in range(2))
        found = with_ratios(Results(tuple(trials), rows), (difference,)).rows
        assert [(row.trial_id, row.value, row.at_least) for row in found if row.quantity == "gap"] == expected


def test_descents_are_read_from_the_store_and_ratios_may_be_of_them() -> None:
    trials = tuple(
        TrialSpec(
            dataset=Component("mnist1d"),
            model=Component("inception", batch_norm=normalised),
            optimizer=Component("sgd"),
            fit=Component("sgd"),
        )
        for normalised in (True, False)
    )
    presentation = Presentation(
        x=Axis("model.batch_norm", "batch norm"),
        derived=(
            DESCENT,
            Ratio("roughness", "course/change", {"model.batch_norm": True}),
        ),
    )
    assert quantities_over_steps(presentation) == {"test/error"}
    study = Study(name="s", question="", expected="", trials=trials, axes=(), presentation=presentation)
    courses = {trials[0].trial_id: (1.0, 0.5, 0.4), trials[1].trial_id: (1.0, 0.4, 1.0)}
    records = {
        trial_id: RunRecord(trial_id, "name", "FINISHED", {}, {}, {"test/error": Point(2, values[-1])})
        for trial_id, values in courses.items()
    }
    found = results(study, records, lambda run, _: [Point(step, value) for step, value in enumerate(courses[run])])
    roughness = {row.trial_id: row.value for row in found.rows if row.quantity == "roughness"}
    assert list(roughness.values()) == pytest.approx([1.0, 2.0])
