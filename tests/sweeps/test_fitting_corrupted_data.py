"""The study of fitting corrupted data: what it declares, what it refuses, and its smallest real instance."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from measures.registry import Component
from sweeps import studies
from sweeps.fitting_corrupted_data import CORRUPTIONS, fitting_corrupted_data
from tests.workers.memory_session import MemorySession
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.training import train

PUBLISHED_ORDER = ("none", "shuffled_pixels", "gaussian_pixels", "random_pixels", "random_labels")


def test_the_paper_preset_has_the_published_protocol() -> None:
    study = fitting_corrupted_data(preset="paper")
    assert study.name == "fitting_corrupted_data_paper"
    for trial in study.trials:
        parameters = trial.parameters
        assert (parameters["dataset"], parameters["dataset.num_train"]) == ("cifar10", None)
        assert (parameters["dataset.crop"], parameters["dataset.normalization"]) == (28, "per_image")
        assert parameters["dataset.augmentation"] == "none"
        assert (parameters["model"], parameters["model.form"], parameters["model.width"]) == ("inception", "paper", 16)
        assert parameters["model.batch_norm"] is True
        assert (parameters["optimizer"], parameters["optimizer.learning_rate"]) == ("sgd", 0.1)
        assert (parameters["optimizer.momentum"], parameters["optimizer.weight_decay"]) == (0.9, 0)
        assert (parameters["schedule"], parameters["schedule.factor"]) == ("exponential", 0.95)
        assert (parameters["fit.batch_size"], parameters["fit.stop_at"]) == (128, "both")


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_every_corruption_is_trained_from_several_seeds_and_nothing_else_differs(preset: str) -> None:
    study = fitting_corrupted_data(preset=preset, replicates=4)  # type: ignore[arg-type] # a Literal's values
    assert [trial.corruption.name for trial in study.trials] == [*PUBLISHED_ORDER] * 4
    assert {trial.parameters.get("corruption.fraction", 1.0) for trial in study.trials} == {1.0}
    seeds = [(trial.data_seed, trial.init_seed, trial.order_seed) for trial in study.trials]
    assert seeds == [(i, i, i) for i in range(4) for _ in range(5)]
    same = replace(study.trials[0], corruption=Component("none"))
    assert {replace(trial, corruption=Component("none")) for trial in study.trials[:5]} == {same}
    assert study.presentation.x is not None and study.presentation.x.names == tuple(CORRUPTIONS) == PUBLISHED_ORDER


@pytest.mark.parametrize(("preset", "size", "crop", "images"), [("quick", 16, None, 12_000), ("paper", None, 28, None)])
def test_the_number_of_images_is_the_presets_unless_given(
    preset: str, size: int | None, crop: int | None, images: int | None
) -> None:
    for num_train, expected in ((None, images), (500, 500)):
        settings = Component("fitting_corrupted_data", preset=preset, num_train=num_train)
        parameters = studies.call(settings).trials[0].parameters
        assert (parameters["dataset.size"], parameters["dataset.crop"]) == (size, crop)
        assert parameters["dataset.num_train"] == expected


@pytest.mark.parametrize(
    ("images", "expected"),
    [("", "cifar10"), ("mine.npz", "arrays"), ("mine", "image_folder")],
)
def test_images_of_ones_own_take_the_place_of_the_download(images: str, expected: str) -> None:
    parameters = fitting_corrupted_data(images=images).trials[0].parameters
    assert parameters["dataset"] == expected
    assert parameters.get("dataset.path", "") == images
    assert parameters["dataset.normalization"] == "per_image"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"corruptions": ("blur",)}, "corruptions.0='blur' is not valid: input should be 'none'"),
        ({"corruptions": ("none", "none")}, "declares the trial 'corruption=none seed=0' twice"),
        ({"corruptions": ()}, "declares no trials"),
        ({"replicates": 0}, "replicates=0 is not valid"),
        ({"epochs": 0}, "epochs=0 is not valid"),
        ({"num_train": 0}, "num_train=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("fitting_corrupted_data", **settings))
    assert "\n" not in str(refused.value)


def blobs(path: Path, per_class: int = 30, side: int = 8) -> None:
    """Images of ten classes, each a pattern of its own under noise, in the form of one's own data."""
    generator = np.random.default_rng(0)
    patterns = generator.integers(60, 196, size=(10, side, side, 3))
    labels = np.tile(np.arange(10), per_class)
    noisy = patterns[labels] + generator.normal(scale=40, size=(len(labels), side, side, 3))
    images = noisy.clip(0, 255).astype(np.uint8)
    np.savez(path, x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])


def test_true_labels_are_fitted_in_fewer_steps_than_random_ones(tmp_path: Path, runtime: Runtime) -> None:
    blobs(tmp_path / "blobs.npz")
    study = fitting_corrupted_data(
        images=str(tmp_path / "blobs.npz"), corruptions=("none", "random_labels"), replicates=1, epochs=40
    )
    small = {"crop": 8, "num_train": None, "num_test": None}

    def fitted(trial: TrialSpec) -> dict[str, int]:
        dataset = Component(trial.dataset.name, **{**dict(trial.dataset.settings), **small})
        smaller = replace(trial, dataset=dataset, model=Component("mlp", width=64))
        return dict(train(smaller, runtime, MemorySession(frozenset())).thresholds)

    steps = {trial.corruption.name: fitted(trial) for trial in study.trials}
    assert steps["none"]["exact"] < steps["random_labels"]["exact"]
    assert steps["none"]["running"] < steps["random_labels"]["running"]
