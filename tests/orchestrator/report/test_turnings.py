"""Turning together: constructed courses whose lag, chance and fall are known, and the verdict over many."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import TurnsWith
from orchestrator.report.claims import Finding, findings
from orchestrator.report.curves import curves
from orchestrator.report.derived_kinds import Turning
from orchestrator.report.presentation import Courses, Panel, Presentation, Series
from orchestrator.report.table import Results, Row, Trial
from orchestrator.report.turnings import turn, with_turnings
from orchestrator.results import quantities_over_steps

STEPS = [0, *(round(10 ** (i / 4)) for i in range(17))]
TURNING = Turning("early", least="test/loss", largest="auc")
PRESENTATION = Presentation(
    x=Axis("fraction", "fraction"), derived=(TURNING,), claims=(TurnsWith("early", "AUC", "test loss", "by eye"),)
)
Course = Mapping[int, float]


def bump(at: float, height: float = 1.0) -> Course:
    """Largest at a step, and falling away on both sides along the logarithm; at step 0 as at step 1."""
    return {step: -height * abs(math.log10(max(step, 1) / at)) for step in STEPS}


def valley(at: float) -> Course:
    return {step: -value for step, value in bump(at).items()}


def table(cells: list[tuple[Course, Course]]) -> Results:
    """A done trial at each x with its test loss and AUC."""
    trials = [Trial(f"{i}", "", {"fraction": float(i)}, "done", 1.0, "", None, ()) for i in range(len(cells))]
    rows = [
        Row(f"{i}", step, name, value, None)
        for i, cell in enumerate(cells)
        for name, course in zip(("test/loss", "auc"), cell, strict=True)
        for step, value in course.items()
    ]
    return with_turnings(Results(tuple(trials), tuple(rows)), (TURNING,))


def judged(cells: list[tuple[Course, Course]]) -> Finding:
    (finding,) = findings(curves(table(cells), PRESENTATION), PRESENTATION, np.random.default_rng(0))
    return finding


def of(results: Results, name: str) -> dict[str, float]:
    return {row.trial_id: row.value for row in results.rows if row.quantity == f"early/{name}"}


@pytest.mark.parametrize("decades", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_the_lag_is_where_it_was_put_and_its_chance_the_share_of_places_as_near(decades: float) -> None:
    found = turn(bump(100 * 10**decades), 100)
    assert found is not None and found.lag == pytest.approx(decades, abs=0.02)
    as_near = 1 + 2 * round(abs(decades) * 4)  # 17 places a quarter of a decade apart, the turn in their middle
    assert found.chance == pytest.approx(as_near / 17)


def test_the_fall_is_from_the_turn_to_the_end_and_negative_if_that_is_a_rise() -> None:
    early, late = turn(bump(10), 100), turn(bump(10_000), 100)
    assert early is not None and early.fall == pytest.approx(2.0, abs=0.02)
    assert late is not None and late.fall == pytest.approx(-2.0, abs=0.02)


@pytest.mark.parametrize("at", [1, 10_000])
def test_at_the_ends_nothing_turns(at: int) -> None:
    assert turn(bump(100), at) is None


def test_a_loss_that_is_least_at_the_end_is_a_lower_bound_and_has_no_lag() -> None:
    results = table([(valley(1e9), bump(100)), (valley(100), bump(100))])
    assert of(results, "step") == {"0": 10_000, "1": 100}
    assert [row.at_least for row in results.rows if row.quantity == "early/step"] == [True, False]
    assert of(results, "lag").keys() == of(results, "chance").keys() == of(results, "fall").keys() == {"1"}


def test_what_turns_together_holds_and_says_how_near() -> None:
    finding = judged([(valley(at), bump(at)) for at in (32, 100, 320, 1000)])
    assert finding.verdict == "holds"
    assert finding.claim == "AUC is largest when test loss turns"
    assert finding.column == "all networks" and finding.numbers["cells"] == 4
    assert finding.numbers["chance"] < 0.1 and finding.numbers["p"] < 0.001


def test_what_turns_elsewhere_does_not_hold() -> None:
    assert judged([(valley(at), bump(10_000)) for at in (3, 10, 32, 100)]).verdict == "does not hold"


def test_fewer_than_three_settings_and_middling_ones_cannot_be_judged() -> None:
    assert judged([(valley(100), bump(100))] * 2).verdict == "cannot be judged"
    assert "at least 3" in judged([(valley(100), bump(100))] * 2).sentence
    assert judged([(valley(100), bump(600))] * 3).verdict == "cannot be judged"


def test_both_quantities_are_read_over_steps() -> None:
    assert quantities_over_steps(PRESENTATION) == {"test/loss", "auc"}
    both = Presentation(courses=Courses((Panel("e", (Series("error", "e"),)),)), derived=(TURNING,))
    assert quantities_over_steps(both) == {"error", "test/loss", "auc"}
