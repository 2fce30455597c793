"""The study of representation dynamics: its protocols, its first steps, and that what is measured is what is shown."""

import re
from dataclasses import replace
from typing import get_args

import pytest
import torch

from measures import Snapshot, SnapshotPair, Split, measures
from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.results import quantities_over_steps
from orchestrator.stored_arrays import drawn_arrays
from orchestrator.study import Study
from sweeps import studies
from sweeps.representation_dynamics import PROTOCOLS, Preset, representation_dynamics
from tests.workers.memory_session import MemorySession
from workers.models import models
from workers.runtime import Runtime
from workers.training import train

PRESETS = get_args(Preset)


def test_the_paper_preset_has_the_published_protocol_and_plans() -> None:
    study = representation_dynamics(preset="paper")
    assert len(plan(study, {}).train) == len(study.trials) == 5 + 5
    assert {trial.parameters["dataset"] for trial in study.trials} == {"cifar10"}
    assert {trial.parameters["corruption.fraction"] for trial in study.trials} == {0.0, 1.0}
    assert {trial.data_seed for trial in study.trials} == {0}, "the same random labels for all, the same test images"
    assert len({(trial.init_seed, trial.order_seed) for trial in study.trials}) == 5


def test_the_preset_of_the_perturbations_is_what_was_proposed() -> None:
    study = representation_dynamics(preset="blog")
    assert {(trial.parameters["dataset"], trial.model.name) for trial in study.trials} == {("mnist", "mnist_cnn")}
    (spectra,) = (measured for measured in study.measured if measured.measure.name == "perturbation_svd")
    assert spectra.at == "checkpoints" and study.checkpoints.every_epochs == 1
    assert spectra.measure["sigmas"] == (0.2, 0.1, 0.01) and spectra.measure["num_copies"] == 128
    assert spectra.measure["num_examples"] == 50, "5 images of 10 classes"
    assert all(trial.fit["epochs"] >= 30 for trial in study.trials) and len(study.trials) == 2 * 3


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("method", ["debiased_cka", "svcca"])
def test_what_is_shown_is_what_the_measures_put_out(preset: Preset, method: str) -> None:
    """On the preset's network, at its size but for the width: every quantity and array that a figure or claim needs."""
    study = representation_dynamics(preset=preset, method=method)  # type: ignore[arg-type] # a Literal's values
    assert representation_dynamics(preset=preset).presentation.parts, "both methods show the same"
    known = {"train/error", "test/error"}
    arrays: set[str] = set()
    for measured in study.measured:
        found = measures.call(small(measured.measure), given(study, measured.measure))
        known |= {f"{measured.measure.name}/{name}" for name in found.values}
        arrays |= {f"{measured.measure.name}/{name}" for name in found.arrays}
    derived = {each.name for each in study.presentation.derived}
    assert quantities_over_steps(study.presentation) - derived <= known
    assert drawn_arrays(study.presentation).keys() <= arrays


def small(measure: Component) -> Component:
    settings = dict(measure.settings) | {"num_examples": 12 if measure.name != "perturbation_svd" else 2}
    if measure.name == "perturbation_svd":
        settings |= {"num_copies": 4}
    return Component(measure.name, **settings)


def given(study: Study, measure: Component) -> Snapshot | SnapshotPair:
    spec = study.trials[0].model
    shape = (1, 28, 28) if spec.name == "mnist_cnn" else (3, 32, 32) if spec.name == "conv11" else (3, 28, 28)
    model = Component("conv11", width=1) if spec.name == "conv11" else spec
    network = models.call(model, shape, 10)
    data = Split(torch.randn(40, *shape), torch.arange(40) % 10)
    one = Snapshot(network.module.eval(), network.layers, data, data, torch.nn.functional.cross_entropy)
    return SnapshotPair(one, one) if measure.name == "representation_similarity" else one


@pytest.mark.parametrize("preset", PRESETS)
def test_the_layers_are_those_of_the_network(preset: Preset) -> None:
    protocol = PROTOCOLS[preset]
    with torch.device("meta"):
        network = models.call(protocol.model, (1, 28, 28) if protocol.dataset == "mnist" else (3, 28, 28), 10)
    assert protocol.layers == network.layers
    assert "output" in dict(network.module.named_children())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick', 'paper' or 'blog'"),
        ({"method": "cosine"}, "method='cosine' is not valid"),
        ({"replicates": 0}, "replicates=0 is not valid"),
        ({"epochs": 0}, "epochs=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("representation_dynamics", **settings))
    assert "\n" not in str(refused.value)


def test_the_first_trial_of_the_paper_preset_trains(runtime: Runtime) -> None:
    """On MNIST-1D, whose signals a perceptron takes in the place of the network of images."""
    trial = representation_dynamics(preset="paper", epochs=2).trials[0]
    small = replace(trial, dataset=Component("mnist1d", num_examples=400), model=Component("mlp", width=20))
    session = MemorySession(frozenset())
    train(small, runtime, session)
    assert session.points["train/error", 2] < 0.9
