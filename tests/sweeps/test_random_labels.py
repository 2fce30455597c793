"""The study of random labels: what it declares, what it refuses, and its smallest real instance."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.report.curves import curves, has_place
from orchestrator.results import quantities_over_steps, results
from sweeps import studies
from sweeps.random_labels import PROTOCOLS, random_labels
from tests.workers.memory_session import MemorySession
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.training import train

PUBLISHED_ORDER = ["true labels", "shuffled pixels", "gaussian pixels", "random pixels", "random labels"]


def test_the_paper_preset_has_the_published_protocol_and_plans() -> None:
    study = random_labels(preset="paper")
    assert study.name == "random_labels_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 3 * (11 + 3) * 3
    rates = {"inception": 0.1, "alexnet": 0.01, "mlp": 0.01}
    for trial in study.trials:
        parameters = trial.parameters
        assert (parameters["dataset"], parameters["dataset.num_train"]) == ("cifar10", None)
        assert (parameters["dataset.crop"], parameters["dataset.normalization"]) == (28, "per_image")
        assert parameters["dataset.augmentation"] == "none"
        assert (parameters["optimizer"], parameters["optimizer.learning_rate"]) == ("sgd", rates[trial.model.name])
        assert (parameters["optimizer.momentum"], parameters["optimizer.weight_decay"]) == (0.9, 0)
        assert (parameters["schedule"], parameters["schedule.factor"]) == ("exponential", 0.95)
        assert (parameters["fit.batch_size"], parameters["fit.stop_at"]) == (128, "both")
    models = {trial.model.name: dict(trial.model.settings) for trial in study.trials}
    assert models["inception"] == {
        "form": "paper",
        "width": 16,
        "batch_norm": True,
        "initialisation": "torch",
    }
    assert models["alexnet"] == {"form": "paper"}
    assert models["mlp"] == {"width": 512, "depth": 1}


@pytest.mark.parametrize("preset", PROTOCOLS)
def test_every_corruption_is_trained_from_several_seeds_and_nothing_else_differs(preset: str) -> None:
    study = random_labels(preset=preset, fractions=(0.0, 0.5, 1.0), replicates=4)  # type: ignore[arg-type] # a Literal
    networks = len(PROTOCOLS[preset].networks)
    alone = study.trials[:6]
    assert [trial.corruption.name for trial in alone] == (
        ["random_labels"] * 3 + ["shuffled_pixels", "gaussian_pixels", "random_pixels"]
    )
    assert [trial.parameters.get("corruption.fraction") for trial in alone] == [0, 0.5, 1, None, None, None]
    assert {trial.parameters.get("corruption.corrupt_test", True) for trial in alone} == {True}
    seeds = [(trial.data_seed, trial.init_seed, trial.order_seed) for trial in study.trials]
    assert seeds == [(i, i, i) for i in range(4) for _ in range(6 * networks)]
    assert len({replace(trial, corruption=Component("none")) for trial in alone}) == 1


@pytest.mark.parametrize("preset", PROTOCOLS)
def test_full_corruptions_are_in_the_published_order_and_fractions_are_beside_them(preset: str) -> None:
    study = random_labels(preset=preset)  # type: ignore[arg-type] # a Literal's values
    table = results(study, {})
    full, over_fraction = study.presentation.parts
    assert full.x is not None and list(full.x.names) == PUBLISHED_ORDER
    for column in curves(table, full):
        assert column.xs == (0, 1, 2, 3, 4)
    for column in curves(table, over_fraction):
        assert column.xs == PROTOCOLS[preset].fractions
    axes = [part.x for part in study.presentation.parts if part.x is not None]
    assert all(any(has_place(trial, axis) for axis in axes) for trial in table.trials), "each is drawn somewhere"
    assert quantities_over_steps(study.presentation) == {"train/loss", "train/error", "test/error"}


@pytest.mark.parametrize(("preset", "size", "crop", "images"), [("small", 16, None, 12_000), ("paper", None, 28, None)])
def test_the_number_of_images_is_the_presets_unless_given(
    preset: str, size: int | None, crop: int | None, images: int | None
) -> None:
    for num_train, expected in ((None, images), (500, 500)):
        settings = Component("random_labels", preset=preset, num_train=num_train)
        parameters = studies.call(settings).trials[0].parameters
        assert (parameters["dataset.size"], parameters["dataset.crop"]) == (size, crop)
        assert parameters["dataset.num_train"] == expected


@pytest.mark.parametrize(
    ("images", "expected"),
    [("", "cifar10"), ("mine.npz", "arrays"), ("mine", "image_folder")],
)
def test_images_of_ones_own_take_the_place_of_the_download(images: str, expected: str) -> None:
    parameters = random_labels(images=images).trials[0].parameters
    assert parameters["dataset"] == expected
    assert parameters.get("dataset.path", "") == images
    assert parameters["dataset.normalization"] == "per_image"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick', 'small' or 'paper'"),
        ({"networks": ("vgg",)}, "networks.0='vgg' is not valid: input should be 'inception'"),
        ({"networks": ("mlp",)}, "networks='mlp' is not one of preset quick: lenet"),
        ({"fractions": (0.5, 1.5)}, "fractions.1=1.5 is not valid"),
        (
            {"fractions": (0.5, 0.5)},
            "declares the trial 'model=lenet corruption=random_labels fraction=0.5 seed=0' twice",
        ),
        ({"replicates": 0}, "replicates=0 is not valid"),
        ({"epochs": 0}, "epochs=0 is not valid"),
        ({"num_train": 0}, "num_train=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("random_labels", **settings))
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
    study = random_labels(images=str(tmp_path / "blobs.npz"), fractions=(0.0, 1.0), replicates=1, epochs=40)

    def fitted(trial: TrialSpec) -> dict[str, int]:
        dataset = Component(
            trial.dataset.name, **{**dict(trial.dataset.settings), "crop": 8, "num_train": None, "num_test": None}
        )
        smaller = replace(trial, dataset=dataset, model=Component("mlp", width=64))
        return dict(train(smaller, runtime, MemorySession(frozenset())).thresholds)

    true, random = (fitted(trial) for trial in study.trials[:2])
    assert true["exact"] < random["exact"]
    assert true["running"] < random["running"]


def test_errors_on_true_and_on_corrupted_test_labels_are_both_known_at_every_fraction(
    tmp_path: Path, runtime: Runtime
) -> None:
    blobs(tmp_path / "blobs.npz")
    for trial in random_labels(images=str(tmp_path / "blobs.npz"), fractions=(0.0, 1.0), epochs=1).trials[:2]:
        dataset = Component(
            trial.dataset.name, **{**dict(trial.dataset.settings), "crop": 8, "num_train": None, "num_test": None}
        )
        session = MemorySession(frozenset())
        train(replace(trial, dataset=dataset, model=Component("mlp", width=8)), runtime, session)
        last = {key: value for (key, _), value in session.points.items()}
        if trial.corruption["fraction"] == 0:
            assert last["test/error"] == last["test/clean_label_error"]
            assert last["train/changed_fraction"] == last["test/changed_fraction"] == 0
        else:
            assert last["test/error"] != last["test/clean_label_error"]
            assert last["test/changed_fraction"] > 0.8
