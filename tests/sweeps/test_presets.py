"""Every preset of every study: it validates, plans, states its cost, and its first trial trains for a few steps."""

import inspect
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from measures.registry import Component
from orchestrator.expense import expense, expense_line
from orchestrator.plan import plan
from sweeps import studies
from tests.workers.memory_session import MemorySession
from workers.datasets import datasets
from workers.datasets.source_files import outlined
from workers.fits import fits
from workers.runtime import Runtime
from workers.training import train


def presets() -> list[Component]:
    """Each study with each of its presets; as it is, where it has none."""
    found: list[Component] = []
    for name, entry in studies.entries.items():
        parameter = entry.signature.parameters.get("preset")
        choices = () if parameter is None else get_args(get_args(parameter.annotation)[0])
        found += [Component(name, preset=choice) for choice in choices] or [Component(name)]
    return found


def smaller(component: Component, table: Any, most: dict[str, int]) -> Component:
    """The component with the numbers that it has, none above these."""
    settings = dict(table.resolve(component).settings)
    changed = {
        name: value if settings[name] is None else min(value, settings[name])
        for name, value in most.items()
        if name in settings
    }
    return Component(component.name, **{**settings, **changed})


@pytest.mark.parametrize("chosen", presets(), ids=str)
def test_a_preset_plans_states_its_cost_and_its_first_trial_trains(
    chosen: Component, runtime: Runtime, tmp_path: Path
) -> None:
    study = studies.call(chosen)
    trials = study.trials or study.search.probes()  # a search draws its trials later
    assert len(plan(study, {}).train) == len(study.trials)
    cost = expense(trials, study.checkpoints, study.axes, tmp_path)
    assert cost.trials == len(trials) and cost.steps >= len(trials)
    for number in (cost.flops, cost.gpu_hours, cost.core_hours, cost.checkpoint_bytes):
        assert 0 < number < math.inf
    line = expense_line(cost)
    assert all(word in line for word in (f"{len(trials)} trainings", "GPU-hours", "GB of checkpoints"))

    first = trials[0]
    dataset = smaller(first.dataset, datasets, {"num_train": 32, "num_test": 32, "num_examples": 64})
    short = smaller(first.fit, fits, {"epochs": 1, "batch_size": 16})
    session = MemorySession(frozenset())
    with outlined():
        train(replace(first, dataset=dataset, fit=short), replace(runtime, cache=tmp_path), session)
    assert any(math.isfinite(value) for (name, _), value in session.points.items() if name.startswith("train/"))


def test_every_study_says_what_it_asks_expects_and_costs() -> None:
    for entry in studies.entries.values():
        text = inspect.getdoc(inspect.getmodule(entry.function)) or ""
        assert text.split("\n")[0].endswith("?"), f"{entry.name} begins with its question"
        assert len(text) > 400, entry.name
