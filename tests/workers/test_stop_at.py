"""Where a training ends that is not to go on to its last epoch."""

import dataclasses

import pytest

from measures.registry import Component
from tests.workers.memory_session import MemorySession
from workers.fits.outcome import Outcome
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.training import train

RULES = {"exact", "running"}


@pytest.fixture
def ended(small_trial: TrialSpec, runtime: Runtime) -> dict[str, Outcome]:
    """The outcome of the same training for each value of stop_at; it fits its 100 examples in either sense."""

    def outcome(stop_at: str) -> Outcome:
        fit = Component("sgd", epochs=60, batch_size=30, stop_at=stop_at)
        spec = dataclasses.replace(small_trial, model=Component("mlp", width=64), fit=fit)
        return train(spec, runtime, MemorySession(frozenset()))

    return {stop_at: outcome(stop_at) for stop_at in ("end", "exact", "running", "both")}


def test_a_training_ends_at_the_rule_it_is_told_or_at_the_later_of_both(ended: dict[str, Outcome]) -> None:
    thresholds = ended["end"].thresholds
    assert set(thresholds) == RULES and len(set(thresholds.values())) == 2
    assert (ended["end"].step, ended["both"].step) == (240, max(thresholds.values()))
    assert ended["both"].thresholds == thresholds
    for rule in RULES:
        assert ended[rule].step == ended[rule].thresholds[rule] == thresholds[rule]


def test_the_numbers_at_the_threshold_are_kept(small_trial: TrialSpec, runtime: Runtime) -> None:
    fit = Component("sgd", epochs=60, batch_size=30, stop_at="both")
    session = MemorySession(frozenset())
    outcome = train(dataclasses.replace(small_trial, model=Component("mlp", width=64), fit=fit), runtime, session)
    assert session.points["train/error", outcome.step] == 0
    assert outcome.step in session.states
