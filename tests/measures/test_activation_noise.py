"""Noise on all units: against a linear network's closed form, a loop with hooks, its limits, and what it refuses."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Measurement, Snapshot, Split, activation_noise
from measures.activation_noise import noisy_outputs
from measures.examples import generator
from measures.tails import Tail


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_model() -> nn.Sequential:
    model = nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    ).double()
    for i, parameter in enumerate(model.parameters()):
        parameter.data = gaussian(*parameter.shape, seed=i)
    return model.eval()


def measure(model: nn.Module, hidden: tuple[str, ...], size: int = 40, **settings: Any) -> Measurement:
    train, test = (Split(gaussian(n, 4, seed=seed), torch.arange(n) % 3) for n, seed in ((size, 8), (30, 9)))
    return activation_noise(Snapshot(model, hidden, train, test, F.cross_entropy), **settings)


def test_outputs_are_those_of_a_loop_with_hooks() -> None:
    model, x, deviations = make_model(), gaussian(7, 4), {"1": torch.arange(4.0), "2": torch.ones(4)}
    outputs = noisy_outputs(Tail(model, x, ("2", "1"), batch_size=7), deviations, 0.3, generator(0, 1))
    draws = generator(0, 1)

    def adding(deviation: Tensor) -> Any:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            noise = torch.randn(output.shape, generator=draws).double()
            return torch.stack([output[:, u] + 0.3 * float(deviation[u]) * noise[:, u] for u in range(4)], dim=1)

        return hook

    for layer, deviation in deviations.items():
        model.get_submodule(layer).register_forward_hook(adding(deviation))
    with torch.no_grad():
        torch.testing.assert_close(outputs, model(x), rtol=1e-12, atol=1e-12)


def test_accuracy_of_a_threshold_in_closed_form() -> None:
    # One unit at -1 or 1, its deviation 1, classified by its sign: right with the probability Phi(1 / s).
    model = nn.Sequential(nn.Identity(), nn.Linear(1, 1)).double()
    model[1].weight.data, model[1].bias.data = torch.ones(1, 1).double(), torch.zeros(1).double()
    x = torch.tensor([[-1.0], [1.0]], dtype=torch.float64).repeat(500, 1)
    data = Split(x, (x[:, 0] > 0).long())

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], targets.double())

    found = activation_noise(Snapshot(model, ("0",), data, data, loss), num_draws=20)
    accuracy, levels = found.arrays["accuracy"], found.arrays["levels"]
    expected = np.array([0.5 * (1 + math.erf(1 / (level * math.sqrt(2)))) for level in levels])
    spread = np.sqrt(expected * (1 - expected) / 20_000)
    assert np.all(np.abs(accuracy.mean(axis=0) - expected) <= 4 * spread + 1e-12)
    area = np.trapezoid(expected, np.log(levels)) / math.log(levels[-1] / levels[0])
    assert abs(found.values["auc"].value - area) < 4 * found.values["auc"].stderr < 0.02
    np.testing.assert_allclose(levels[[0, -1]], [10**-1.5, 10])


def test_little_noise_changes_nothing_and_more_draws_narrow_the_error() -> None:
    quiet = measure(make_model(), ("2",), smallest=1e-9, largest=1e-8)
    assert quiet.values["auc"].value == pytest.approx(quiet.values["start_accuracy"].value)
    np.testing.assert_allclose(quiet.arrays["loss"], quiet.values["start_loss"].value, rtol=1e-6)
    few, many = (measure(make_model(), ("2",), num_draws=draws).values["auc"] for draws in (10, 160))
    assert many.stderr < 0.5 * few.stderr and abs(many.value - few.value) < 4 * few.stderr


def test_deviations_are_those_of_training_examples() -> None:
    train = measure(make_model(), ("2",), split="train")
    test = measure(make_model(), ("2",), split="test")
    assert not np.array_equal(train.arrays["loss"], test.arrays["loss"])
    model = make_model()
    model[1].bias.data = model[1].bias.data - 100  # dead on every example: no deviation, so no noise
    dead = measure(model, ("2",), split="test")
    assert np.all(dead.arrays["loss"] == dead.values["start_loss"].value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smallest": 1.0, "largest": 1.0}, r"smallest=1\.0 is not valid: below largest=1\.0"),
        ({"layers": ("x",)}, "unknown layer 'x'"),
    ],
)
def test_refuses(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(make_model(), ("2",), **settings)


def test_refuses_inputs_that_are_not_finite() -> None:
    model = make_model()
    model[4].weight.data = torch.full((3, 16), 1e308, dtype=torch.float64)
    with pytest.raises(ValueError, match="the outputs hold NaN or infinity for"):
        measure(model, ("2",))
