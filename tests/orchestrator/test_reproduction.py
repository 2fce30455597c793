"""How numbers that came again are judged, and what a recorded study must still mean to be run again."""

import copy
import math
from typing import Any

import pytest

from measures.registry import Component
from orchestrator.environment import CannotStart
from orchestrator.publish import manifest
from orchestrator.reproduction import Number, Verdict, judged, recorded_study, tallies
from orchestrator.study import Measured, Study
from workers.record import Point
from workers.runtime import Checkpoints
from workers.spec import TrialSpec

NAN, INF = math.nan, math.inf


def study() -> Study:
    trials = tuple(
        TrialSpec(
            dataset=Component("mnist1d"),
            model=Component("mlp", width=width),
            optimizer=Component("sgd"),
            fit=Component("sgd", online=("bias_trajectory",)),
        )
        for width in range(1, 9)
    )
    measured = (Measured(Component("hessian_spectrum", z=(0.5,))), Measured(Component("norms"), at="checkpoints"))
    return Study(
        name="s",
        question="q",
        expected="e",
        trials=trials,
        axes=("model.width",),
        measured=measured,
        checkpoints=Checkpoints(last_epochs=3),
    )


@pytest.mark.parametrize(
    ("recorded", "again", "stderr", "verdict"),
    [
        (1.0, 1.0, 0.0, Verdict.IDENTICAL),
        (NAN, NAN, 0.0, Verdict.IDENTICAL),
        (INF, INF, 0.0, Verdict.IDENTICAL),
        (1.0, 1.0005, 0.0, Verdict.WITHIN),
        (1.0, 1.002, 0.0, Verdict.DIFFERENT),
        (1.0, 1.2, 0.1, Verdict.WITHIN),  # two standard errors of a difference are 0.28
        (1.0, 1.3, 0.1, Verdict.DIFFERENT),
        (0.0, 1e-12, 0.0, Verdict.DIFFERENT),
        (1.0, NAN, 0.0, Verdict.DIFFERENT),
        (INF, 1.0, 0.0, Verdict.DIFFERENT),
        (1.0, None, 0.0, Verdict.MISSING),
    ],
)
def test_a_number_is_judged(recorded: float, again: float | None, stderr: float, verdict: Verdict) -> None:
    assert Number("t", "q", 0, recorded, again, stderr).verdict is verdict


def test_numbers_meet_by_trial_quantity_and_step_with_the_recorded_error() -> None:
    recorded = {
        ("a", "n/x"): [Point(0, 1.0), Point(5, 2.0)],
        ("a", "n/x.stderr"): [Point(5, 0.5)],
        ("b", "n/x"): [Point(0, 4.0)],
    }
    again = {("a", "n/x"): [Point(5, 2.5), Point(0, 1.0)], ("a", "n/x.stderr"): [Point(5, 0.5)]}
    found = {(n.trial, n.quantity, n.step): n.verdict for n in judged(recorded, again)}
    assert found == {
        ("a", "n/x", 0): Verdict.IDENTICAL,
        ("a", "n/x", 5): Verdict.WITHIN,
        ("a", "n/x.stderr", 5): Verdict.IDENTICAL,
        ("b", "n/x", 0): Verdict.MISSING,
    }
    x, stderr = tallies(judged(recorded, again))
    assert (x.quantity, x.is_exact, x.largest_difference) == ("n/x", False, INF)
    assert x.counts == {Verdict.IDENTICAL: 1, Verdict.WITHIN: 1, Verdict.DIFFERENT: 0, Verdict.MISSING: 1}
    assert stderr.is_exact


def test_a_manifest_declares_the_same_study() -> None:
    again = recorded_study(manifest(study()), "again")
    assert (again.trials, again.measured, again.checkpoints) == (
        study().trials,
        study().measured,
        study().checkpoints,
    )


def test_a_sample_is_of_that_size_and_the_same_at_every_call() -> None:
    samples = {recorded_study(manifest(study()), "again", 3).trials for _ in range(3)}
    (sample,) = samples
    assert len(sample) == 3 and set(sample) < set(study().trials)
    assert recorded_study(manifest(study()), "again", 100).trials == study().trials


def changed(path: list[Any], value: object) -> dict[str, Any]:
    record = copy.deepcopy(manifest(study()))
    place: Any = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return record


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (changed(["recipe"], 1), "recorded with recipe 1; this version trains by"),
        (changed(["trials", 2, "model", 1, "depth"], 7), "has the id .* here: a default or the manifest has changed"),
        (changed(["trials", 0, "trial_id"], "0123"), "trial 0123 has the id"),
        (changed(["trials", 0, "model", 0], "perceptron"), "unknown model 'perceptron'"),
        (changed(["measured", 0, "key"], "hessian_spectrum-1"), "measure hessian_spectrum has another version"),
        (changed(["measured", 1, "name"], "norm"), "unknown measure 'norm'"),
    ],
)
def test_what_would_be_another_study_is_refused(record: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotStart, match=message):
        recorded_study(record, "again")


def test_no_trials_are_no_sample() -> None:
    with pytest.raises(CannotStart, match="sample=0 is not valid"):
        recorded_study(manifest(study()), "again", 0)
