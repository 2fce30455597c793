"""PAC-Bayes sigma: a network whose answer is known, the bisection on functions, its error, budget, and bad input."""

import math
import re

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Snapshot, Split, pac_bayes_sigma
from measures.pac_bayes_sigma import crossing


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def one_weight(value: float = 1.0) -> Snapshot:
    """Labels the sign of x by one weight; every example is wrong as soon as the noise turns the weight's sign."""
    model, x = nn.Linear(1, 1, bias=False), torch.tensor([[1.0], [-2.0], [3.0], [-4.0]])
    model.weight.data.fill_(value)
    data = Split(x, (x[:, 0] > 0).long())
    return Snapshot(model, (), data, Split(x * math.nan, data.targets), F.cross_entropy)


def mlp() -> Snapshot:
    model = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 3))
    for i, parameter in enumerate(model.parameters()):
        parameter.data = gaussian(*parameter.shape, seed=i)
    x = gaussian(300, 4, seed=9)
    with torch.no_grad():
        data = Split(x, model(x).argmax(dim=1))
    return Snapshot(model, (), data, data, F.cross_entropy)


@pytest.mark.parametrize(("weight", "target"), [(1.0, 0.1), (0.02, 0.1), (30.0, 0.25)])
def test_one_weight_has_a_closed_form(weight: float, target: float) -> None:
    """The rise is P(w + sigma u < 0), so sigma = -w / quantile(target)."""
    sigma = pac_bayes_sigma(one_weight(weight), target=target, num_draws=150).values["sigma"]
    assert abs(sigma.value + weight / norm.ppf(target)) < 3 * sigma.stderr < weight


def test_magnitude_aware_noise_has_a_closed_form() -> None:
    """The deviation is sqrt(sigma^2 w^2 + 1e-6): for w = 0.01 the fixed part counts."""
    sigma = pac_bayes_sigma(one_weight(0.01), noise="magnitude_aware", num_draws=150).values["sigma"]
    expected = math.sqrt((0.01 / norm.ppf(0.1)) ** 2 - 1e-6) / 0.01
    assert abs(sigma.value - expected) < 3 * sigma.stderr < expected


def test_fields_belong_together() -> None:
    measurement = pac_bayes_sigma(mlp(), num_draws=6)
    sigma, inverse = (measurement.values[name] for name in ("sigma", "inverse_variance"))
    assert inverse.value == pytest.approx(sigma.value**-2)
    assert inverse.stderr / inverse.value == pytest.approx(2 * sigma.stderr / sigma.value)
    assert measurement.values["error"].value == 0.0 and measurement.values["target"].value == 0.1
    increase = measurement.arrays["increase"]
    assert increase.shape == (6,) and increase.mean() == pytest.approx(0.1, abs=2 / 300) and measurement.notes == ()


def test_bisection_finds_the_crossing_to_its_resolution() -> None:
    for root in (1e-5, 0.1, 3.0, 900.0):
        found = crossing(lambda level, root=root: np.full(4, min(1.0, 0.2 * level / root)), 0.2)
        assert found.value == pytest.approx(root, rel=1.1e-3) and found.value <= root
        assert found.stderr == 0.0 and 12 <= found.num_levels <= 30


def test_standard_error_is_that_over_draws() -> None:
    """Draws that rise linearly with slopes of their own: the crossing is target / mean slope."""
    rng = np.random.default_rng(0)
    slopes = rng.uniform(0.5, 1.5, size=(400, 10))
    found = [crossing(lambda level, by_draw=row: by_draw * level, 0.3) for row in slopes]
    assert np.mean([each.stderr for each in found]) == pytest.approx(np.std([each.value for each in found]), rel=0.1)


def test_standard_error_covers_other_draws_of_a_network() -> None:
    snapshot = mlp()
    found = [pac_bayes_sigma(snapshot, num_draws=20, seed=seed).values["sigma"] for seed in range(12)]
    spread = np.std([each.value for each in found], ddof=1)
    assert 0.5 < spread / np.mean([each.stderr for each in found]) < 2.0


def test_more_draws_narrow_the_error() -> None:
    few, many = (pac_bayes_sigma(mlp(), num_draws=n).values["sigma"] for n in (5, 80))
    assert many.stderr < few.stderr / 2 and abs(few.value - many.value) < 3 * few.stderr


def test_batches_and_repeated_examples_change_nothing() -> None:
    snapshot = one_weight()
    repeated = Split(snapshot.train.inputs.repeat(600, 1), snapshot.train.targets.repeat(600))
    larger = Snapshot(snapshot.model, (), repeated, repeated, F.cross_entropy)
    one, two = (pac_bayes_sigma(s, num_examples=2400).values["sigma"] for s in (snapshot, larger))
    assert one == two


def test_frozen_parameters_get_no_noise() -> None:
    snapshot = one_weight()
    model = nn.Sequential(snapshot.model, nn.Linear(1, 1, bias=False))
    model[1].weight.data.fill_(1.0)
    model[1].weight.requires_grad_(False)
    frozen = Snapshot(model, (), snapshot.train, snapshot.train, F.cross_entropy)
    assert pac_bayes_sigma(frozen).values["sigma"] == pac_bayes_sigma(snapshot).values["sigma"]


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (-1.0, 1.0, "no noise up to .* raises the error by more than 0.1"),  # always wrong: nothing makes it worse
        (1e-30, 0.0, "noise of .* already raises the error by more than 0.1"),
    ],
)
def test_without_a_crossing_sigma_is_not_a_number(weight: float, error: float, message: str) -> None:
    measurement = pac_bayes_sigma(one_weight(weight))
    assert math.isnan(measurement.values["sigma"].value) and measurement.values["error"].value == error
    assert len(measurement.notes) == 1 and re.search(message, measurement.notes[0])


def test_crossing_without_a_rise_around_it_has_no_standard_error() -> None:
    found = crossing(lambda level: np.full(3, float(0.19 < level < 0.206 or level == 0.4)), 0.5)
    assert found.value == pytest.approx(0.19, rel=1.1e-3) and math.isnan(found.stderr)


@pytest.mark.parametrize(
    ("model", "x", "y", "message"),
    [
        (nn.Linear(1, 2).half(), gaussian(3, 1), torch.zeros(3).long(), "parameter 'weight' is torch.float16"),
        (nn.Linear(1, 2), gaussian(3, 1) * math.nan, torch.zeros(3).long(), "hold NaN or infinity for 3 of 3 examples"),
        (nn.Linear(1, 1), gaussian(3, 1), gaussian(3), "targets are torch.float32"),
    ],
)
def test_refuses(model: nn.Module, x: Tensor, y: Tensor, message: str) -> None:
    data = Split(x, y)
    with pytest.raises(ValueError, match=message):
        pac_bayes_sigma(Snapshot(model, (), data, data, F.cross_entropy))
