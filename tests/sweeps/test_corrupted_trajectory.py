"""The study of corrupted labels and of two digits: published protocols, paired seeds, images of one's own."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.report.curves import curves
from orchestrator.report.derived_kinds import Moment
from orchestrator.results import quantities_over_steps, results
from sweeps import studies
from sweeps.corrupted_trajectory import PROTOCOLS, corrupted_trajectory
from tests.workers.memory_session import MemorySession
from workers.datasets import datasets
from workers.models import models
from workers.runtime import Runtime
from workers.schedules import schedules
from workers.schedules.position import Position
from workers.training import train


def test_the_paper_preset_has_the_published_protocol_of_cifar_and_plans() -> None:
    study = corrupted_trajectory(preset="paper")
    assert study.name == "corrupted_trajectory_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 4 * 8
    for trial in study.trials:
        parameters = trial.parameters
        assert (parameters["dataset"], parameters["dataset.num_train"]) == ("binary_cifar", None)
        assert (parameters["corruption"], parameters["corruption.corrupt_test"]) == ("random_labels", False)
        assert (parameters["optimizer.learning_rate"], parameters["optimizer.momentum"]) == (0.0025, 0)
        assert (parameters["fit.batch_size"], parameters["fit.epochs"]) == (1, 100)
        assert parameters["loss"] == "half_binary_cross_entropy"
        assert parameters["data_seed"] == 0, "images and corrupted labels are shared"
        factor = schedules.call(trial.schedule, Position(100 * 10_000, 10_000, 100))
        assert factor == pytest.approx(0.01)
    assert {trial.corruption["fraction"] for trial in study.trials} == {0, 0.2, 0.4, 0.6}
    with torch.device("meta"):
        assert models.call(study.trials[0].model, (3, 32, 32), 1).num_parameters == 1_080_577


def test_the_paper_preset_has_the_published_protocol_of_mnist_and_plans() -> None:
    study = corrupted_trajectory(preset="paper", task="mnist")
    assert study.name == "corrupted_trajectory_mnist_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 2 * 8
    for trial in study.trials:
        parameters = trial.parameters
        assert (parameters["dataset"], parameters["corruption"]) == ("binary_mnist", "none")
        assert (parameters["dataset.train_per_class"], parameters["dataset.test_per_class"]) == (100, 900)
        assert (parameters["optimizer.learning_rate"], parameters["schedule"]) == (0.002, "constant")
        assert (parameters["fit.batch_size"], parameters["fit.epochs"]) == (1, 100)
    with torch.device("meta"):
        sizes = [models.call(trial.model, (1, 28, 28), 1).num_parameters for trial in study.trials[:2]]
    assert sizes == [403_217, 1_073_489]


@pytest.mark.parametrize(("task", "preset"), PROTOCOLS)
def test_replicates_are_paired_and_every_trial_is_drawn(task: str, preset: str) -> None:
    study = corrupted_trajectory(task=task, preset=preset, replicates=2)  # type: ignore[arg-type] # Literals' values
    per_replicate = len(study.trials) // 2
    seeds = [(trial.init_seed, trial.order_seed) for trial in study.trials]
    assert seeds == [(i, i) for i in range(2) for _ in range(per_replicate)]
    redrawn = PROTOCOLS[task, preset].redrawn  # type: ignore[index] # as above
    assert [trial.data_seed for trial in study.trials] == [i * redrawn for i, _ in seeds]
    (column,) = curves(results(study, {}), study.presentation)
    assert len(column.xs) == per_replicate
    moments = {each.quantity for each in study.presentation.derived if isinstance(each, Moment)}
    assert moments and moments <= quantities_over_steps(study.presentation)


@pytest.mark.parametrize(
    ("task", "images", "expected"),
    [
        ("cifar", "", ("binary_cifar", None, None)),
        ("cifar", "own.npz", ("arrays", (0, 5), True)),
        ("cifar", "own", ("image_folder", (0, 5), 3)),
        ("mnist", "", ("binary_mnist", None, None)),
        ("mnist", "own.npz", ("arrays", (3, 6), False)),
        ("mnist", "own", ("image_folder", (3, 6), 1)),
    ],
)
def test_images_of_ones_own_take_the_place_of_the_download(
    task: str, images: str, expected: tuple[str, tuple[int, ...] | None, int | None]
) -> None:
    parameters = corrupted_trajectory(task=task, images=images).trials[0].parameters  # type: ignore[arg-type] # a Literal
    channels = parameters.get("dataset.channels_last", parameters.get("dataset.channels"))
    assert (parameters["dataset"], parameters.get("dataset.classes"), channels) == expected
    assert parameters.get("dataset.normalization", "symmetric") == "symmetric"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"task": "svhn"}, "task='svhn' is not valid: input should be 'cifar' or 'mnist'"),
        ({"fractions": (1.5,)}, "fractions.0=1.5 is not valid"),
        ({"fractions": (0.2, 0.2)}, "twice"),
        ({"task": "mnist", "fractions": (0.2,)}, "fractions=(0.2,) is not valid for task mnist, which has true labels"),
        ({"epochs": 0}, "epochs=0 is not valid"),
        ({"replicates": 0}, "replicates=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("corrupted_trajectory", **settings))
    assert "\n" not in str(refused.value)


def few(path: Path, side: int, channels: int | None, labels: tuple[int, int]) -> str:
    """Four images for training and four for testing, in the form of one's own data."""
    shape = (8, side, side) if channels is None else (8, side, side, channels)
    images = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    y = np.array([*labels] * 4)
    np.savez(path, x_train=images[:4], y_train=y[:4], x_test=images[4:], y_test=y[4:])
    return str(path)


def test_pixels_go_from_minus_one_to_one(tmp_path: Path) -> None:
    trial = corrupted_trajectory(images=few(tmp_path / "own.npz", 32, 3, (0, 5))).trials[0]
    settings = {**dict(trial.dataset.settings), "num_train": None, "num_test": None}
    dataset = datasets.call(Component("arrays", **settings), 0)
    assert dataset.normalization == ((0.5,) * 3, (0.5,) * 3) and set(dataset.y_train) == {0, 1}
    assert dataset.input_shape == (3, 25, 25)


@pytest.mark.parametrize(
    ("task", "side", "channels", "labels"), [("cifar", 32, 3, (0, 5)), ("mnist", 28, None, (3, 6))]
)
def test_the_first_trials_of_the_paper_preset_train(
    task: str, side: int, channels: int | None, labels: tuple[int, int], tmp_path: Path, runtime: Runtime
) -> None:
    images = few(tmp_path / "own.npz", side, channels, labels)
    study = corrupted_trajectory(preset="paper", task=task, images=images, epochs=1)  # type: ignore[arg-type] # a Literal
    for trial in study.trials[:2]:
        session = MemorySession(frozenset())
        train(replace(trial, data_seed=1), runtime, session)
        for quantity in quantities_over_steps(study.presentation):
            assert (quantity, 4) in session.points
        assert 0 < session.points["bias_trajectory/mean", 4] < 1
        assert session.points["train/loss", 0] == pytest.approx(np.log(2) / 2, rel=0.1), "chance"
