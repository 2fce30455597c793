"""Components that do not go together are told in one line before anything starts; those that do pass."""

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from measures.registry import Component, registry
from tests.workers.model_cases import CIFAR
from workers.datasets.prepared import prepared
from workers.models import models
from workers.models.network import Network
from workers.rehearsal import rehearse
from workers.spec import TrialSpec

IMAGES = Component("arrays", path="images.npz")
SPIRALS = Component("two_spirals")


@pytest.fixture(autouse=True)
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set `arrays` of a few images."""
    generator = np.random.default_rng(0)
    images = {f"x_{part}": generator.integers(0, 255, (4, *CIFAR), dtype=np.uint8) for part in ("train", "test")}
    labels = {f"y_{part}": np.arange(4, dtype=np.int64) for part in ("train", "test")}
    np.savez(tmp_path / "images.npz", **images, **labels)
    monkeypatch.setenv("GENSWEEP_DATA", str(tmp_path))


def spec(**components: Component) -> TrialSpec:
    chosen = {
        "dataset": Component("mnist1d", num_examples=50),
        "model": Component("mlp"),
        "optimizer": Component("sgd"),
        "fit": Component("sgd"),
    }
    return TrialSpec(**{**chosen, **components})


def rehearsed(trial: TrialSpec, cache: Path, num_processes: int = 1) -> None:
    rehearse(trial, prepared(trial.dataset, trial.data_seed, cache), num_processes)


@pytest.mark.parametrize(
    "components",
    [
        {},
        {"dataset": IMAGES, "model": Component("wide_resnet"), "corruption": Component("gaussian_pixels")},
        {"dataset": Component("modular_arithmetic"), "model": Component("transformer")},
        {
            "dataset": Component("random_features"),
            "model": Component("linear"),
            "loss": Component("half_mean_squared_error"),
            "fit": Component("least_squares"),
        },
        {"fit": Component("sgd", online=("bias_trajectory", "distance_to_initialisation"))},
    ],
)
def test_components_that_go_together_pass(cache: Path, components: dict[str, Component]) -> None:
    rehearsed(spec(**components), cache)


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ({"model": Component("lenet")}, "lenet takes images"),
        ({"dataset": IMAGES, "model": Component("transformer")}, "transformer"),
        (
            {"dataset": Component("modular_arithmetic"), "model": Component("spirals_net")},
            "does not take what data set modular_arithmetic gives, int64 of shape (4,): tokens are for a network that",
        ),
        (
            {"dataset": Component("modular_arithmetic", prime=101), "model": Component("transformer")},
            "token 102 is not below the vocabulary of 100",
        ),
        ({"corruption": Component("random_pixels")}, "corruption random_pixels is not valid for examples of shape"),
        (
            {"loss": Component("half_binary_cross_entropy")},
            "loss half_binary_cross_entropy is not valid for 10 classes",
        ),
        ({"dataset": Component("sinusoid")}, "loss cross_entropy is not valid for a data set without classes"),
        ({"optimizer": Component("sgd", nesterov=True)}, "nesterov=True is not valid with momentum=0.0"),
        ({"fit": Component("least_squares")}, "fit least_squares is not valid for a network of"),
        ({"dataset": Component("arrays", path="none.npz")}, "path='none.npz' is not valid"),
        (
            {"dataset": SPIRALS, "model": Component("linear"), "fit": Component("sgd", online=("bias_trajectory",))},
            "has no trainable bias vector",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(
    cache: Path, components: dict[str, Component], message: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        rehearsed(spec(**components), cache)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def careless(input_shape: tuple[int, ...], num_outputs: int) -> Network:
    """Somebody's own model, which forgets how many outputs were asked for."""
    return Network(nn.Sequential(nn.Flatten(), nn.Linear(40, 3)), ())


def test_a_model_with_outputs_that_nobody_asked_for_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.entries, "careless", registry("model", [careless])["careless"])  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"outputs of shape \(3,\) for inputs of shape \(40,\); loss cross_entropy takes"
    ):
        rehearsed(spec(model=Component("careless")), cache)


def test_online_measures_are_refused_in_a_gang(cache: Path) -> None:
    trial = spec(fit=Component("sgd", online=("gradient_norm",)))
    rehearsed(trial, cache)
    with pytest.raises(ValueError, match="is not valid in a gang"):
        rehearsed(trial, cache, num_processes=2)
    rehearsed(spec(), cache, num_processes=2)


def test_a_rehearsal_needs_no_memory_for_the_network(cache: Path) -> None:
    """200 GB of weights, which no test machine has."""
    rehearsed(spec(model=Component("mlp", width=160_000, depth=3)), cache)
