"""Margins: by hand, against the decision boundary, their normalisations and errors, and what is refused."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Measurement, Snapshot, Split, lipschitz_bound, margins
from measures.class_margins import class_margins
from measures.margins import quantile


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_model(num_outputs: int = 3, scale: float = 1.0) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, num_outputs)).double()
    for i, parameter in enumerate(model.parameters()):
        parameter.data = scale * gaussian(*parameter.shape, seed=i)
    return model


def measure(model: nn.Module, x: Tensor, y: Tensor, **settings: int) -> Measurement:
    data = Split(x, y)
    unused = Split(torch.full_like(x, math.nan), y)
    return margins(Snapshot(model, (), data, unused, F.cross_entropy), **settings)


def test_margins_of_classes_by_hand() -> None:
    outputs = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [5.0, 5.0, 0.0]])
    assert class_margins(outputs, torch.tensor([0, 1, 0])).tolist() == [1.0, -2.0, 0.0]
    assert class_margins(torch.tensor([[2.0], [2.0]]), torch.tensor([1, 0])).tolist() == [2.0, -2.0]
    assert class_margins(torch.tensor([2.0, -1.0]), torch.tensor([1, 0])).tolist() == [2.0, 1.0]


def test_linear_classifier_has_the_distance_to_its_boundary() -> None:
    model, x = nn.Linear(4, 2).double(), gaussian(30, 4)
    with torch.no_grad():
        y = model(x).argmax(dim=1)
    normal = (model.weight[0] - model.weight[1]).detach()
    offset = (model.bias[0] - model.bias[1]).detach()
    expected = ((x @ normal + offset).abs() / normal.norm()).numpy()
    measurement = measure(model, x, y)
    np.testing.assert_allclose(np.sort(measurement.arrays["distance"]), np.sort(expected), rtol=1e-12)
    assert measurement.values["distance.smallest"].value == pytest.approx(expected.min())
    assert measurement.values["error"].value == 0.0


def test_summary_of_the_outputs() -> None:
    model, x, y = make_model(), gaussian(41, 4), torch.arange(41) % 3
    with torch.no_grad():
        outputs = model(x).numpy()
    own = outputs[np.arange(41), y]
    others = np.where(np.eye(3, dtype=bool)[y], -np.inf, outputs).max(axis=1)
    expected = own - others
    values = measure(model, x, y).values
    for name, level in (("q05", 0.05), ("q25", 0.25), ("median", 0.5), ("q75", 0.75), ("q95", 0.95)):
        assert values[f"output.{name}"].value == pytest.approx(np.quantile(expected, level))
        assert values[f"output.{name}"].stderr > 0
    assert values["output.mean"].value == pytest.approx(expected.mean())
    assert values["output.mean"].stderr == pytest.approx(expected.std(ddof=1) / math.sqrt(41))
    assert values["error"].value == pytest.approx(np.mean(outputs.argmax(axis=1) != y.numpy()))
    unit = lipschitz_bound(model, x) * math.sqrt(float(x.square().sum(dim=1).mean()))
    assert values["spectral.median"].value == pytest.approx(np.median(expected) / unit)


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_normalised_margins_do_not_feel_the_scale_of_the_last_layer(scale: float) -> None:
    model, x, y = make_model(), gaussian(20, 4), torch.arange(20) % 3
    before = measure(model, x, y).values
    model[2].weight.data *= scale
    model[2].bias.data *= scale
    after = measure(model, x, y).values
    for kind in ("spectral", "distance"):
        assert after[f"{kind}.median"].value == pytest.approx(before[f"{kind}.median"].value)
    assert after["output.median"].value == pytest.approx(scale * before["output.median"].value)


def test_permuting_units_and_batches_changes_nothing() -> None:
    model, x, y = make_model(), gaussian(600, 4), torch.arange(600) % 3
    before = measure(model, x, y).arrays
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    model[0].weight.data, model[0].bias.data = model[0].weight.data[order], model[0].bias.data[order]
    model[2].weight.data = model[2].weight.data[:, order]
    for name, array in measure(model, x, y).arrays.items():
        np.testing.assert_allclose(array, before[name], rtol=1e-9)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_error_of_a_quantile(level: float) -> None:
    rng = np.random.default_rng(0)
    found = [quantile(rng.normal(size=400), level) for _ in range(600)]
    true_error = np.std([estimate.value for estimate in found])
    assert np.mean([estimate.stderr for estimate in found]) == pytest.approx(true_error, rel=0.15)


def test_constant_network_has_no_distances() -> None:
    model = nn.Sequential(nn.Linear(4, 2), nn.ReLU()).double()
    model[0].bias.data -= 100
    measurement = measure(model, gaussian(9, 4), torch.arange(9) % 2)
    assert math.isnan(measurement.values["distance.mean"].value) and measurement.values["error"].value == 1.0
    assert measurement.notes == ("9 of 9 margins do not depend on the input; they have no distance.",)


def test_network_without_a_bound_has_no_spectral_margins() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)).double()
    measurement = measure(model, gaussian(9, 4), torch.arange(9) % 3)
    assert math.isnan(measurement.values["spectral.median"].value)
    assert measurement.notes == ("There are no spectral margins: LayerNorm (_1) has no Lipschitz bound here.",)
    assert "every input, is 0" in measure(make_model(), torch.zeros(9, 4).double(), torch.arange(9) % 3).notes[0]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (gaussian(4, 4), torch.ones(4), "targets are torch.float32; margins and errors need classes"),
        (gaussian(4, 4), torch.tensor([0, 1, 2, 3]), "targets from 0 to 3 are not valid for 3 outputs: 0 to 2"),
        (gaussian(4, 4) * math.nan, torch.zeros(4).long(), "4 of 4 inputs hold NaN"),
        (
            torch.full((4, 4), 1e308, dtype=torch.float64),
            torch.zeros(4).long(),
            "gradients hold NaN or infinity at 4 of 4 examples",
        ),
    ],
)
def test_refuses(x: Tensor, y: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(make_model(scale=100.0), x, y)


def test_refuses_half_precision() -> None:
    with pytest.raises(ValueError, match=r"parameter '0\.weight' is torch\.float16"):
        measure(make_model().half(), gaussian(4, 4), torch.zeros(4).long())
