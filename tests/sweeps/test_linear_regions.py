"""The study of linear regions: the published protocol, what it draws, and a small network from training to map."""

import re

import pytest
import torch

from measures import Snapshot, measures
from measures.registry import Component
from orchestrator.plan import plan
from sweeps import studies
from sweeps.linear_regions import PROTOCOLS, linear_regions
from tests.workers.memory_session import MemorySession
from workers.building import build_problem
from workers.models import models
from workers.runtime import Runtime
from workers.training import train


def test_the_paper_preset_has_the_published_protocol_and_plans() -> None:
    study = linear_regions(preset="paper")
    assert study.name == "linear_regions_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 10
    (measured,) = study.measured
    assert (measured.measure["resolution"], measured.measure["bounds"]) == (200, True)
    for trial in study.trials:
        parameters = trial.parameters
        assert (parameters["dataset.omega"], parameters["dataset.num_train"]) == (0.5, 200)
        assert (parameters["model.width"], parameters["model.depth"]) == (32, 1)
        assert (parameters["optimizer.learning_rate"], parameters["optimizer.momentum"]) == (0.001, 0)
        assert (parameters["fit.batch_size"], parameters["fit.epochs"]) == (1, 1000)
    with torch.device("meta"):
        assert models.call(study.trials[0].model, (10,), 1).num_parameters == 395


@pytest.mark.parametrize("preset", PROTOCOLS)
def test_what_it_draws_is_what_the_measure_gives(preset: str, runtime: Runtime) -> None:
    study = linear_regions(preset=preset, resolution=12)  # type: ignore[arg-type] # a Literal's values
    problem = build_problem(study.trials[0], runtime)
    snapshot = Snapshot(problem.network.module.eval(), (), problem.train, problem.test, problem.loss.mean)
    found = measures.call(study.measured[0].measure, snapshot)
    drawn = {name for maps in study.presentation.array_maps for each in maps.maps for name in each.arrays}
    assert drawn <= {f"region_map/{name}" for name in found.arrays}
    shown = {series.quantity for panel in study.presentation.panels for series in panel.series}
    assert shown - {moment.name for moment in study.presentation.derived} <= {f"region_map/{n}" for n in found.values}
    assert found.notes == (), "the points lie in a plane"
    assert found.arrays["train_points"].shape == (200, 2)
    assert 9 < found.arrays["x"][-1] <= 10 and 9 < found.arrays["y"][-1] <= 10, "about the published square, times ten"


def test_it_is_measured_before_and_after_training() -> None:
    for preset in PROTOCOLS:
        study = linear_regions(preset=preset)  # type: ignore[arg-type] # a Literal's values
        steps = PROTOCOLS[preset].epochs * 200
        assert {0, steps} <= study.checkpoints.steps(steps, 200)
        assert len(study.checkpoints.steps(steps, 200)) <= 9, "a map takes many linear programmes"
        assert PROTOCOLS[preset].learning_rate * PROTOCOLS[preset].epochs == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"frequencies": (-1.0,)}, "frequencies.0=-1.0 is not valid"),
        ({"resolution": 1}, "resolution=1 is not valid"),
        ({"num_train": 2}, "num_train=2 is not valid"),
        ({"epochs": 0}, "epochs=0 is not valid"),
        ({"replicates": 0}, "replicates=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("linear_regions", **settings))
    assert "\n" not in str(refused.value)


def test_the_first_trial_of_the_paper_preset_trains(runtime: Runtime) -> None:
    session = MemorySession(frozenset())
    train(linear_regions(preset="paper", epochs=2).trials[0], runtime, session)
    assert session.points["train/loss", 400] < session.points["train/loss", 0]
