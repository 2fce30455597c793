"""Lags between a fall and a passing: constructed courses whose lag and chance are known, and the verdict over many."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import Coincides
from orchestrator.report.claims import Finding, findings
from orchestrator.report.curves import curves
from orchestrator.report.derived_kinds import Lag
from orchestrator.report.lags import Found, first_passing, steepest_fall, with_lags
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results, Row, Trial
from orchestrator.results import quantities_over_steps, results
from orchestrator.study import Study
from workers.record import Point, RunRecord
from workers.spec import TrialSpec

STEPS = [round(10 ** (i / 12)) for i in range(13, 49)]
LAG = Lag("grok", falls="llid", fitted="train/error", passes="test/error")
CLAIM = Coincides("grok", "LLID", "test error 0.5", published="by eye")
PRESENTATION = Presentation(
    x=Axis("decay", "decay"), columns=Axis("fraction", "fraction"), derived=(LAG,), claims=(CLAIM,)
)
Course = Mapping[int, float]


def falling(at: float, depth: float = 10.0) -> Course:
    """From 20 down by a depth at a step, within a tenth of a decade."""
    return {step: 20 - depth / (1 + math.exp(-40 * math.log10(step / at))) for step in STEPS}


def passing(at: float) -> Course:
    """An error that goes from 1 to 0, 0.5 at the step."""
    return {step: 1 / (1 + (step / at) ** 8) for step in STEPS}


def table(cells: list[tuple[float, float, Course]], fitted: float = 50.0) -> Results:
    """A done trial for each (decay, step of test error 0.5, LLID), all fitted at one step."""
    trials, rows = [], []
    for i, (decay, generalised, llid) in enumerate(cells):
        parameters = {"decay": decay, "fraction": 0.5, "init_seed": i}
        trials.append(Trial(f"{i}", "", parameters, "done", 1.0, "", None, ()))
        courses = {"llid": llid, "train/error": passing(fitted), "test/error": passing(generalised)}
        rows += [Row(f"{i}", step, name, value, None) for name, each in courses.items() for step, value in each.items()]
    return with_lags(Results(tuple(trials), tuple(rows)), (LAG,))


def judged(cells: list[tuple[float, float, Course]]) -> Finding:
    (finding,) = findings(curves(table(cells), PRESENTATION), PRESENTATION, np.random.default_rng(0))
    return finding


def of(results: Results, name: str) -> dict[str, float]:
    return {row.trial_id: row.value for row in results.rows if row.quantity == f"grok/{name}"}


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ({0: 1.0, 10: 0.9, 1000: 0.1}, 100),
        ({10: 0.9, 20: 0.5, 30: 0.9, 40: 0.1}, 20),
        ({0: 0.2, 10: 0.4, 20: 0.1}, 10),
        ({10: 0.9, 20: 0.6}, None),
        ({}, None),
    ],
)
def test_the_passing_is_the_first_and_between_values_over_the_logarithm(course: Course, expected: float | None) -> None:
    found = first_passing(course, 0.5)
    assert found is None if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize("at", [200, 1000, 3000])
@pytest.mark.parametrize("decades", [-0.3, 0.0, 0.3])
def test_the_lag_is_where_it_was_put_and_after_the_window_has_begun(at: float, decades: float) -> None:
    found = steepest_fall(falling(at * 10**decades), 50, at)
    assert found is not None and found.lag is not None
    assert found.lag == pytest.approx(decades, abs=1 / 24 + 1e-3), "half the distance of the steps"
    early = steepest_fall({**falling(at), STEPS[0]: 500.0}, 50, at)
    assert early is not None and early.lag == pytest.approx(0, abs=1 / 24 + 1e-3), "what falls before is not seen"


def test_the_chance_is_the_share_of_shifts_that_are_as_near() -> None:
    """Eleven values a fifth of a decade apart, their fall in the fourth interval: its middle is 0.7 decades in."""
    steps = {round(1e4 * 10 ** (i / 5)): 9.0 if i < 4 else 1.0 for i in range(11)}
    start, intervals = 1e4, 10
    for decades, as_near in ((0.7, 1), (0.9, 3), (1.25, 6), (0.1, 4), (1.9, 7)):
        found = steepest_fall(steps, start, start * 10**decades)
        assert found is not None and found.lag == pytest.approx(0.7 - decades, abs=1e-5)
        assert found.chance == pytest.approx(as_near / intervals), decades


def test_of_curves_that_have_nothing_to_do_with_each_other_chances_are_spread_evenly() -> None:
    generator = np.random.default_rng(0)
    chances = []
    for _ in range(2000):
        llid = dict(zip(STEPS, generator.normal(size=len(STEPS)).cumsum(), strict=True))
        found = steepest_fall(llid, STEPS[0], 10 ** generator.uniform(math.log10(STEPS[0]), 4))
        assert found is not None
        chances.append(found.chance)
    # A chance is a share of 35 intervals, the least of them 1/35 or 2/35: it is never spread below the even one.
    for level in (0.1, 0.25, 0.5, 0.75):
        assert level - 0.07 < np.mean(np.array(chances) <= level) < level + 0.035


def test_a_curve_that_never_falls_counts_against_and_has_no_lag() -> None:
    assert steepest_fall({step: float(step) for step in STEPS}, 50, 1000) == Found(None, 1.0)


@pytest.mark.parametrize(("start", "passing_at"), [(9000, 9500), (1000, 500)])
def test_a_window_that_is_short_or_begins_after_the_passing_has_no_lag(start: float, passing_at: float) -> None:
    assert steepest_fall(falling(1000), start, passing_at) is None


def test_rows_are_of_done_trials_and_what_is_never_passed_is_a_lower_bound() -> None:
    found = table([(1, 1000, falling(1000)), (2, 1e9, falling(1000))])
    assert of(found, "step")["0"] == pytest.approx(1000)
    assert of(found, "lag").keys() == of(found, "chance").keys() == {"0"}
    (bound,) = [row for row in found.rows if row.at_least]
    assert (bound.trial_id, bound.quantity, bound.value) == ("1", "grok/step", 10_000)


PLACES = (150, 300, 700, 1500, 3000, 5000)


def test_falls_at_the_passing_hold_and_falls_elsewhere_do_not() -> None:
    together = judged([(float(i), at, falling(at)) for i, at in enumerate(PLACES)])
    assert together.verdict == "holds"
    assert together.numbers["p"] < 1e-3
    assert abs(together.numbers["lag"]) < 1 / 24
    assert "test error 0.5 is passed in 6 of 6 settings" in together.sentence
    far = judged([(float(i), at, falling(8000 if at < 1000 else 80)) for i, at in enumerate(PLACES)])
    assert far.verdict == "does not hold"
    assert far.numbers["chance"] > 0.5


def test_replicates_are_no_further_evidence_and_few_settings_none() -> None:
    once = judged([(float(i), at, falling(at)) for i, at in enumerate(PLACES)])
    thrice = judged([(float(i), at, falling(at)) for i, at in enumerate(PLACES) for _ in range(3)])
    assert thrice.numbers["p"] == once.numbers["p"]
    few = judged([(1.0, 1000, falling(1000))] * 9 + [(2.0, 1e9, falling(1000)), (3.0, 500, falling(500))])
    assert (few.verdict, few.numbers["cells"], few.numbers["declared"]) == ("cannot be judged", 2, 3)


def test_lags_are_taken_from_histories_and_from_nothing_else() -> None:
    trial = TrialSpec(
        dataset=Component("mnist1d", num_examples=50),
        model=Component("mlp", width=2),
        optimizer=Component("sgd"),
        fit=Component("sgd", epochs=1),
    )
    presentation = Presentation(x=Axis("model.width", "width"), derived=(LAG,))
    study = Study(
        name="s", question="?", expected="!", trials=(trial,), axes=("model.width",), presentation=presentation
    )
    assert quantities_over_steps(presentation) == {"llid", "train/error", "test/error"}
    stored = {"llid": falling(1000), "train/error": passing(50), "test/error": passing(1000)}
    points = {name: [Point(step, value) for step, value in course.items()] for name, course in stored.items()}
    record = RunRecord("run", "name", "FINISHED", {}, {}, {name: each[-1] for name, each in points.items()})
    records = {trial.trial_id: record}
    found = results(study, records, lambda _, key: points[key])
    assert of(found, "step").popitem()[1] == pytest.approx(1000)
    assert of(found, "lag").popitem()[1] == pytest.approx(0, abs=1 / 24 + 1e-3)
    assert not of(results(study, records), "step")
