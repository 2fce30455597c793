"""What every entry of every table does in a trial, with its defaults, on tiny data.

The cases are the tables themselves, so a new entry is checked as soon as it is registered. What stands beside it in the
trial is found from what it is: a data set brings its kind of examples, anything else is content with images or signals.
An entry that needs other neighbours has a line in NEIGHBOURS; the tables before it keep the trials small.
"""

import dataclasses
import math
from collections.abc import Generator
from importlib.util import find_spec
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets import CIFAR100, MNIST, FashionMNIST

from measures.registry import Component
from tests.workers.memory_session import Cut, MemorySession
from tests.workers.small_files import pixels, write_cifar, write_cifar10, write_mnist
from workers.checkpoint import TrainingState
from workers.datasets.prepared import prepared
from workers.losses import losses
from workers.online import online
from workers.rehearsal import rehearse
from workers.runtime import Runtime
from workers.schedules import schedules
from workers.schedules.position import Position
from workers.spec import FAMILIES, TrialSpec
from workers.training import train

TABLES = {**FAMILIES, "online": online}
# Of optional packages: without them their entry is refused, which its own tests hold.
PACKAGES = {("fit", "nuts"): "numpyro"}
CASES = [
    (family, name)
    for family, table in TABLES.items()
    for name in table.entries
    if (family, name) not in PACKAGES or find_spec(PACKAGES[family, name])
]
STEPS = 3

# Settings of the entry itself: which of the test's files it reads, how much of them, and the least that makes it act.
SETTINGS: dict[tuple[str, str], dict[str, Any]] = {
    ("dataset", "mnist1d"): {"num_examples": 40},
    ("dataset", "cifar10"): {"num_train": 12},
    ("dataset", "cifar100"): {"num_train": 6},
    ("dataset", "mnist"): {"num_train": 12},
    ("dataset", "fashion_mnist"): {"num_train": 12},
    ("dataset", "binary_cifar"): {"num_train": 6},
    ("dataset", "binary_mnist"): {"train_per_class": 3, "test_per_class": 2},
    ("dataset", "image_folder"): {"path": "tree"},
    ("dataset", "arrays"): {"path": "images.npz"},
    ("dataset", "modular_arithmetic"): {"prime": 7},
    ("fit", "nuts"): {"num_warmup": 3, "num_samples": 4},
    ("corruption", "random_labels"): {"fraction": 0.5},  # its default corrupts nothing
}
IMAGES = Component("arrays", path="images.npz")
SIGNALS = Component("mnist1d", num_examples=40)
SINUSOID = Component("sinusoid", num_train=12)
SPIRALS = Component("two_spirals", num_train=12, num_test=8)
BINARY = Component("half_binary_cross_entropy")
NEIGHBOURS: dict[tuple[str, str], dict[str, Component]] = {
    ("model", "binary_cnn"): {"dataset": Component("binary_cifar", num_train=6), "loss": BINARY},
    ("model", "binary_mlp"): {
        "dataset": Component("binary_mnist", train_per_class=3, test_per_class=2),
        "loss": BINARY,
    },
    ("model", "sinusoid_net"): {"dataset": SINUSOID},
    ("model", "spirals_net"): {"dataset": SPIRALS},
    ("model", "transformer"): {"dataset": Component("modular_arithmetic", prime=7)},
    ("loss", "binary_cross_entropy"): {"dataset": SPIRALS},
    ("loss", "half_binary_cross_entropy"): {"dataset": SPIRALS},
    ("loss", "half_mean_squared_error"): {"dataset": SINUSOID},
    ("fit", "nuts"): {
        "dataset": Component("growing_wave", num_train=12),
        "model": Component("spirals_net", width=3, depth=0),
    },
    ("fit", "least_squares"): {"dataset": Component("random_features"), "model": Component("linear")},
}
# From which seed an entry draws; elsewhere a trial is made another by its initial weights.
SEEDS = {"dataset": "data_seed", "corruption": "data_seed", "fit": "data_seed"}
# These draw nothing: their examples are the first, or all, of a file.
WITHOUT_DRAWS = {("dataset", "arrays"), ("dataset", "binary_mnist"), ("corruption", "none")}


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Generator[Runtime]:
    """GENSWEEP_DATA with a few examples for every data set that reads files, and a cache that no other test shares."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENSWEEP_DATA", str(folder))
        write_cifar10(folder, patch)
        hundred = {"data": pixels(12, 3072), "fine_labels": list(range(12))}
        names = {"fine_label_names": [f"class {i}" for i in range(100)]}
        write_cifar(CIFAR100, folder, patch, {"train": hundred}, {"test": hundred}, names)
        for kind in (MNIST, FashionMNIST):
            write_mnist(folder, kind)
        x, y = pixels(12, 3, 32, 32), np.arange(12) % 10
        np.savez(folder / "images.npz", x_train=x[:6], y_train=y[:6], x_test=x[6:], y_test=y[6:])
        for place in ("train/a", "train/b", "test/a", "test/b"):
            (folder / "tree" / place).mkdir(parents=True)
            for i, image in enumerate(pixels(len(place), 8, 8, 3)[:3]):
                Image.fromarray(image).save(folder / "tree" / place / f"{i}.png")
        yield Runtime(tracking_uri="", cache=tmp_path_factory.mktemp("cache"))


def trial(family: str, name: str, runtime: Runtime) -> TrialSpec:
    """The entry with its neighbours; a training of three steps, unless the entry is itself a fit."""
    entry = Component(name, **SETTINGS.get((family, name), {}))
    parts = {
        "dataset": IMAGES if family in ("model", "corruption") else SIGNALS,
        "optimizer": Component("sgd"),
        **NEIGHBOURS.get((family, name), {}),
        **({family: entry} if family != "online" else {}),
    }
    dataset = prepared(TABLES["dataset"].resolve(parts["dataset"]), 0, runtime.cache).dataset
    tokens = np.issubdtype(dataset.x_train.dtype, np.integer) and dataset.x_train.dtype != np.uint8
    steps = {"epochs": 1, "batch_size": math.ceil(len(dataset.y_train) / STEPS)}
    suited = {
        "model": Component("transformer" if tokens else "mlp"),
        "loss": Component("half_mean_squared_error" if dataset.num_classes is None else "cross_entropy"),
        "fit": Component("sgd", **steps, online=(name,) if family == "online" else ()),
    }
    return TrialSpec(**{**suited, **parts})


def trained(spec: TrialSpec, runtime: Runtime, **session: Any) -> MemorySession:
    result = MemorySession(frozenset(range(STEPS + 1)), **session)
    train(spec, runtime, result)
    return result


def final(session: MemorySession) -> TrainingState:
    return session.states[max(session.states)]


def bits(session: MemorySession) -> dict[str, Any]:
    """All that a training left behind; a NaN equals itself."""
    numbers = {f"{key} at {step}": value.hex() for (key, step), value in session.points.items()}
    states = {f"{name} at {step}": raw(t) for step, each in session.states.items() for name, t in each.tensors.items()}
    return {**numbers, **states, "records": {step: each.record for step, each in session.states.items()}}


def raw(tensor: Tensor) -> bytes:
    return tensor.contiguous().numpy().tobytes()


def weights(session: MemorySession) -> dict[str, bytes]:
    return {name: raw(tensor) for name, tensor in final(session).part("model").items()}


@dataclasses.dataclass(frozen=True)
class Case:
    family: str
    name: str
    spec: TrialSpec
    whole: MemorySession


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest, surroundings: Runtime) -> Case:
    """An entry and its training, uninterrupted."""
    family, name = request.param
    try:
        spec = trial(family, name, surroundings)
        return Case(family, name, spec, trained(spec, surroundings))
    except Exception as error:
        pytest.fail(f"{family} {name} does not fit its neighbours: give it a line in NEIGHBOURS or SETTINGS ({error})")


def test_it_trains_three_steps_and_leaves_checkpoints(case: Case) -> None:
    steps = sorted(case.whole.states)
    assert steps == list(range(STEPS + 1)) or (case.family == "fit" and steps[0] == 0 < steps[-1])
    assert all(torch.isfinite(tensor).all() for tensor in final(case.whole).part("model").values())
    assert weights(case.whole) != {name: raw(tensor) for name, tensor in case.whole.states[0].part("model").items()}
    assert {("train/loss", 0), ("test/loss", steps[-1])} <= case.whole.points.keys()


def test_what_can_be_trained_is_not_refused_before(case: Case, surroundings: Runtime) -> None:
    rehearse(case.spec, prepared(case.spec.dataset, case.spec.data_seed, surroundings.cache))


def test_interrupted_resumed_and_repeated_it_gives_the_same_bits(case: Case, surroundings: Runtime) -> None:
    torch.rand(7)  # a process that has served others before
    cut = sorted(case.whole.states)[(len(case.whole.states) - 1) // 2]
    before = MemorySession(frozenset(case.whole.states), cut_at=cut)
    with pytest.raises(Cut):
        train(case.spec, surroundings, before)
    after = trained(case.spec, surroundings, start=before.states[cut])
    together = MemorySession(frozenset())
    together.points, together.states = before.points | after.points, before.states | after.states
    assert bits(together) == bits(case.whole)


def test_another_seed_gives_other_bits(case: Case, surroundings: Runtime) -> None:
    draws = (case.family, case.name) not in WITHOUT_DRAWS
    seed = SEEDS.get(case.family, "init_seed") if draws else "order_seed"
    other = trained(dataclasses.replace(case.spec, **{seed: 1}), surroundings)
    assert weights(other) != weights(case.whole)
    assert other.points != case.whole.points


@pytest.mark.parametrize("family", ["corruption", "optimizer"])
def test_any_two_entries_give_other_weights(family: str, surroundings: Runtime) -> None:
    entries = TABLES[family].entries
    assert_all_differ({name: weights(trained(trial(family, name, surroundings), surroundings)) for name in entries})


def assert_all_differ(found: dict[str, dict[str, bytes]]) -> None:
    for one, other in combinations(found, 2):
        assert found[one] != found[other], f"{one} and {other} give the same weights"


def accepts(loss: str, num_classes: int | None) -> bool:
    try:
        losses.call(Component(loss), num_classes)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("dataset", "num_classes"), [(SPIRALS, 2), (SIGNALS, 10), (SINUSOID, None)])
def test_a_loss_acts(dataset: Component, num_classes: int | None, surroundings: Runtime) -> None:
    """The first layer starts with the same weights under any loss that takes the data, and does not keep them."""
    base = dataclasses.replace(trial("model", "mlp", surroundings), dataset=dataset)
    found: dict[str, dict[str, bytes]] = {}
    for name in losses.entries:
        if accepts(name, num_classes):
            session = trained(dataclasses.replace(base, loss=Component(name)), surroundings)
            first = {step: raw(session.states[step].tensors["model.hidden1.0.weight"]) for step in session.states}
            found |= {"no loss at all": {"": first[0]}, name: {"": first[max(first)]}}
    assert len(found) > 1, f"no loss takes data with {num_classes} classes"
    assert_all_differ(found)


def test_a_schedule_acts(surroundings: Runtime) -> None:
    """Three epochs of one step: two schedules give the same weights if and only if their factors are the same."""
    base = dataclasses.replace(trial("model", "mlp", surroundings), fit=Component("sgd", epochs=STEPS))
    found: dict[str, tuple[list[float], dict[str, bytes]]] = {}
    for name in schedules.entries:
        factors = [schedules.call(Component(name), Position(step, 1, STEPS)) for step in range(STEPS)]
        spec = dataclasses.replace(base, schedule=Component(name))
        found[name] = factors, weights(trained(spec, surroundings))
    for one, other in combinations(found, 2):
        assert (found[one][0] == found[other][0]) == (found[one][1] == found[other][1]), f"{one}, {other}"
    assert len({str(factors) for factors, _ in found.values()}) > 1


@pytest.mark.parametrize("name", online.entries)
def test_an_online_measure_measures_and_does_not_touch_the_training(name: str, surroundings: Runtime) -> None:
    watched = trained(spec := trial("online", name, surroundings), surroundings)
    settings = dict(spec.fit.settings) | {"online": ()}
    alone = trained(dataclasses.replace(spec, fit=Component("sgd", **settings)), surroundings)
    assert weights(watched) == weights(alone)
    measured = watched.points.keys() - alone.points.keys()
    assert measured and all(key.startswith(f"{name}/") and step == STEPS for key, step in measured)
    assert final(watched).part(f"online.{name}")


@pytest.mark.parametrize("name", TABLES["model"].entries)
def test_a_model_trains_in_bfloat16_and_keeps_float32_weights(name: str, surroundings: Runtime) -> None:
    spec = trial("model", name, surroundings)
    settings = dict(spec.fit.settings) | {"precision": "bfloat16"}
    session = trained(dataclasses.replace(spec, fit=Component("sgd", **settings)), surroundings)
    first, last = session.states[0].part("model"), final(session).part("model")
    assert all(torch.isfinite(tensor).all() for tensor in last.values())
    assert {name: tensor.dtype for name, tensor in last.items()} == {name: each.dtype for name, each in first.items()}
    assert weights(session) != {name: raw(tensor) for name, tensor in first.items()}
