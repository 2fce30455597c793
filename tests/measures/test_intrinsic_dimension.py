"""The measure intrinsic_dimension: agreement with `twonn`, and what it says of layers that have no dimension."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Estimate, Measurement, Snapshot, Split, gride, intrinsic_dimension, layer_activations, twonn
from measures.intrinsic_dimension import OTHERS


def make_snapshot(model: nn.Module, layers: tuple[str, ...], inputs: Tensor) -> Snapshot:
    data = Split(inputs, torch.zeros(len(inputs), dtype=torch.long))
    return Snapshot(model.eval(), layers, data, data, F.cross_entropy)


def gaussian(num_points: int, num_features: int) -> Tensor:
    return torch.randn(num_points, num_features, generator=torch.Generator().manual_seed(0))


class Project(nn.Module):
    """Keeps the first k features."""

    def __init__(self, num_kept: int) -> None:
        super().__init__()
        self.num_kept = num_kept

    def forward(self, x: Tensor) -> Tensor:
        return x[:, : self.num_kept]


class Constant(nn.Module):
    """Maps all but the first n examples of a batch to 0."""

    def __init__(self, num_alive: int) -> None:
        super().__init__()
        self.num_alive = num_alive

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.arange(len(x)) < self.num_alive)[:, None]


def measure(modules: list[nn.Module], num_points: int = 400, **settings: object) -> Measurement:
    layers = tuple(str(i) for i in range(len(modules)))
    return intrinsic_dimension(make_snapshot(nn.Sequential(*modules), layers, gaussian(num_points, 8)), **settings)


def test_layers_peak_and_last() -> None:
    measurement = measure([nn.Identity(), Project(5), Project(2)])
    value = {name: estimate.value for name, estimate in measurement.values.items()}
    dimensions = [value[f"layer.{i}"] for i in range(3)]
    assert dimensions == [twonn(gaussian(400, 8)[:, :k]).value for k in (8, 5, 2)]
    assert (value["peak"], value["last_layer"], value["peak_layer_index"]) == (dimensions[0], dimensions[2], 0.0)
    assert value["peak_over_last"] == dimensions[0] / dimensions[2]
    assert value["layer.0.num_points"] == 400.0 and value["layer.0.num_duplicates"] == 0.0
    assert value["layer.0.r_squared"] == twonn(gaussian(400, 8)).r_squared
    assert measurement.notes == ()


def test_error_of_the_ratio_is_propagated() -> None:
    values = measure([nn.Identity(), Project(2)]).values
    peak, last, ratio = (values[name] for name in ("peak", "last_layer", "peak_over_last"))
    relative = math.hypot(peak.stderr / peak.value, last.stderr / last.value)
    assert ratio.stderr == pytest.approx(ratio.value * relative)


def test_peak_in_the_last_layer_has_the_exact_ratio_one() -> None:
    values = measure([Project(2)]).values
    assert (values["peak_over_last"].value, values["peak_over_last"].stderr) == (1.0, 0.0)


def test_settings_reach_the_estimator() -> None:
    model, inputs = nn.Sequential(nn.Tanh()), gaussian(300, 4)
    snapshot = make_snapshot(model, ("0",), inputs)
    outputs = layer_activations(model, inputs[:200], ["0"])["0"]
    for settings in ({"method": "mle"}, {"discard_fraction": 0.3}):
        values = intrinsic_dimension(snapshot, num_examples=200, **settings).values
        assert values["last_layer"].value == twonn(outputs, **settings).value
        assert values["layer.0.num_points"].value == 200.0


@pytest.mark.parametrize("method", sorted(OTHERS))
def test_another_estimator_runs_with_its_own_defaults(method: str) -> None:
    values = measure([nn.Identity(), Project(3), Constant(0)], method=method).values
    for layer, size in (("layer.0", 8), ("layer.1", 3)):
        expected = OTHERS[method](gaussian(400, 8)[:, :size])
        assert values[layer] == Estimate(expected.value, expected.stderr)
        assert values[f"{layer}.num_points"].value == expected.num_points == 400
    assert values["peak"] == values["layer.0"] and math.isnan(values["last_layer"].value)
    assert math.isnan(values["layer.2.num_points"].value)


def test_the_curve_over_scales_comes_with_its_verdict() -> None:
    measurement = measure([Project(2)], method="gride")
    curve = gride(gaussian(400, 8)[:, :2])
    ranks = {scale.rank: measurement.values[f"layer.0.rank_{scale.rank}"].value for scale in curve.scales}
    assert ranks == {scale.rank: scale.value for scale in curve.scales} and list(ranks) == [1, 2, 4, 8, 16, 32]
    assert measurement.notes == (f"Layer 0: {curve.verdict}.",)


def test_notes_of_other_estimators_name_the_layer() -> None:
    notes = measure([nn.Identity()], num_points=60, method="participation_ratio").notes
    assert notes[0].startswith("Layer 0: ") and notes[0].endswith(
        "directions are many for 60 points, which limit them."
    )


def test_permuting_neurons_changes_nothing() -> None:
    model, inputs = nn.Sequential(nn.Linear(8, 12), nn.Tanh()), gaussian(200, 8)
    before = intrinsic_dimension(make_snapshot(model, ("1",), inputs)).values["peak"].value
    order = torch.randperm(12)
    model[0].weight.data, model[0].bias.data = model[0].weight.data[order], model[0].bias.data[order]
    after = intrinsic_dimension(make_snapshot(model, ("1",), inputs)).values["peak"].value
    assert after == pytest.approx(before, rel=1e-4)


@pytest.mark.parametrize("num_alive", [0, 2])
def test_dead_last_layer_is_not_a_number_and_says_so(num_alive: int) -> None:
    measurement = measure([nn.Identity(), Constant(num_alive)])
    for name in ("last_layer", "peak_over_last", "layer.1", "layer.1.num_points"):
        assert math.isnan(measurement.values[name].value)
    assert measurement.values["peak"] == measurement.values["layer.0"]
    assert "Layer 1 has no intrinsic dimension" in measurement.notes[0]
    assert "of 400 points have no duplicate" in measurement.notes[0]


def test_all_layers_dead() -> None:
    values = measure([Constant(0)]).values
    assert all(math.isnan(values[name].value) for name in ("peak", "last_layer", "peak_over_last", "peak_layer_index"))


def test_notes_dropped_points() -> None:
    measurement = measure([Constant(300)])
    assert measurement.values["layer.0.num_duplicates"].value == 100.0
    assert measurement.notes == ("Layer 0: 100 of 400 points were dropped as duplicates of another.",)


def test_refuses_a_snapshot_without_layers() -> None:
    with pytest.raises(ValueError, match="the snapshot names no layers"):
        intrinsic_dimension(make_snapshot(nn.Identity(), (), gaussian(9, 2)))
