"""Cumulative ablation: by hand, against a loop without a cache, its invariances and what it refuses."""

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Component, Measurement, Snapshot, Split, ablation, ablation_curve, measures
from measures.examples import generator
from measures.tails import Tail
from measures.units import unit_moments


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_weights(model: nn.Module) -> nn.Module:
    model = model.double().eval()
    for i, parameter in enumerate(model.parameters()):
        parameter.data = gaussian(*parameter.shape, seed=i)
    return model


def dense() -> nn.Module:
    return nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)
    )


def nested() -> nn.Module:
    first = nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(first, nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.Tanh()), nn.Linear(5, 3))


class Residual(nn.Module):
    """No chain: a sum of two paths."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).relu()
        return self.last(hidden + self.second(hidden).relu())


CASES = {
    "dense": (dense, ("1", "3")),
    "dense_backwards": (dense, ("3", "1")),
    "nested": (nested, ("0", "1")),
    "inner": (nested, ("0.1", "1")),
    "residual": (Residual, ("first", "second")),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, tuple[str, ...]]:
    build, layers = CASES[request.param]
    return with_weights(build()), layers


def data(size: int = 23) -> Split:
    return Split(gaussian(size, 4, seed=9), torch.arange(size) % 3)


def naive_loss(model: nn.Module, examples: Split, ablated: dict[str, list[int]]) -> tuple[float, float]:
    """Whole forward passes of single examples, in which hooks write zeros unit by unit."""

    def hook(units: list[int]) -> Any:
        def write(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            output = output.clone()
            for unit in units:
                output[:, unit] = 0
            return output

        return write

    modules = dict(model.named_modules())
    handles = [modules[layer].register_forward_hook(hook(units)) for layer, units in ablated.items()]
    with torch.no_grad():
        outputs = torch.cat([model(x[None]) for x in examples.inputs])
    for handle in handles:
        handle.remove()
    accuracy = float((outputs.argmax(dim=1) == examples.targets).double().mean())
    return accuracy, float(F.cross_entropy(outputs, examples.targets))


def test_equals_the_loop_without_a_cache(case: tuple[nn.Module, tuple[str, ...]]) -> None:
    model, layers = case
    curve = ablation_curve(model, data(), F.cross_entropy, layers, num_orders=2, num_fractions=5, seed=3)
    tail = Tail(model, data().inputs, layers)
    units = [(layer, unit) for layer in tail.layers for unit in range(tail.num_units[layer])]
    assert curve.num_units == len(units)
    for row in range(2):
        order = torch.randperm(len(units), generator=generator(3, row + 1)).tolist()
        for column, fraction in enumerate(curve.fractions):
            chosen = [units[i] for i in order[: round(fraction * len(units))]]
            ablated = {layer: [unit for name, unit in chosen if name == layer] for layer in layers}
            expected = naive_loss(model, data(), ablated)
            np.testing.assert_allclose([curve.accuracy[row, column], curve.loss[row, column]], expected, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_batches_change_nothing(case: tuple[nn.Module, tuple[str, ...]], batch_size: int) -> None:
    model, layers = case
    curves = [
        ablation_curve(model, data(), F.cross_entropy, layers, num_orders=2, num_fractions=3, batch_size=size)
        for size in (23, batch_size)
    ]
    np.testing.assert_allclose(curves[0].loss, curves[1].loss, rtol=1e-12)


def exact_area(model: nn.Module, examples: Split) -> float:
    """Expected area of the first hidden layer's curve: the mean over all subsets of each size."""
    accuracy = [
        np.mean([naive_loss(model, examples, {"1": list(subset)})[0] for subset in combinations(range(6), size)])
        for size in range(7)
    ]
    return float(np.trapezoid(accuracy, dx=1 / 6))


def test_area_converges_to_that_of_all_orders_whatever_the_order_of_units() -> None:
    model, examples = with_weights(dense()), data()
    expected, order = exact_area(model, examples), torch.tensor([3, 1, 5, 0, 2, 4])
    for _ in range(2):
        curve = ablation_curve(model, examples, F.cross_entropy, ["1"], num_orders=300)
        assert abs(curve.value - expected) < 4 * curve.stderr < 0.05
        areas = np.trapezoid(curve.accuracy, curve.fractions, axis=1)
        assert curve.stderr == pytest.approx(areas.std(ddof=1) / math.sqrt(300))
        model[0].weight.data, model[0].bias.data = model[0].weight.data[order], model[0].bias.data[order]
        model[2].weight.data = model[2].weight.data[:, order]


def measure(model: nn.Module, hidden: tuple[str, ...], **settings: Any) -> Measurement:
    return ablation(Snapshot(model, hidden, data(), data(40), F.cross_entropy), **settings)


def test_ends_at_the_constant_prediction() -> None:
    model = with_weights(dense())
    found = measure(model, ("3",))
    constant = model[4].bias.detach().expand(23, 3)
    assert found.values["end_loss"].value == pytest.approx(float(F.cross_entropy(constant, data().targets)), rel=1e-12)
    assert found.values["end_accuracy"].value == pytest.approx(8 / 23)  # all 23 in one class, of which 8 or 7 are
    assert found.values["auc_over_start"].value == found.values["auc"].value / found.values["start_accuracy"].value


def test_network_that_is_always_wrong_has_no_relative_area() -> None:
    model = with_weights(dense())
    with torch.no_grad():
        wrong = Split(data().inputs, model(data().inputs).argmin(dim=1))
    found = ablation(Snapshot(model, ("1",), wrong, wrong, F.cross_entropy))
    assert math.isnan(found.values["auc_over_start"].value)
    assert found.notes == ("No example is right without ablation: no area is relative to that.",)


def test_clamping_to_the_mean_of_the_training_examples() -> None:
    model = with_weights(dense())
    found = measure(model, ("3",), clamp_to="train_mean", split="test")
    with torch.no_grad():
        constant = model[4](model[:4](data().inputs).mean(dim=0)).expand(40, 3)
    expected = float(F.cross_entropy(constant, data(40).targets))
    assert found.values["end_loss"].value == pytest.approx(expected, rel=1e-12)


def test_moments_of_units_are_over_examples_and_positions() -> None:
    model, x = with_weights(nested()), data().inputs
    moments = unit_moments(Tail(model, x, ("0", "1"), batch_size=7))
    with torch.no_grad():
        maps, features = model[0](x), model[:2](x)
    np.testing.assert_allclose(moments["0"][0], maps.mean(dim=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(moments["0"][1], maps.movedim(1, 0).flatten(1).std(dim=1, correction=0), rtol=1e-12)
    np.testing.assert_allclose(moments["1"][1], features.std(dim=0, correction=0), rtol=1e-12)


def test_each_layer_by_itself() -> None:
    model = with_weights(nested())
    found, alone = measure(model, ("0", "1"), each=True), measure(model, ("0", "1"), layers=("1",))
    assert found.values["layer.1.auc"] == alone.values["auc"]
    assert np.array_equal(found.arrays["layer.1.loss"], alone.arrays["loss"])
    assert found.values["layer.0.num_units"].value == 4.0


@pytest.mark.parametrize(("dims", "axis"), [((5,), 1), ((7, 5), 2), ((5, 3, 3), 1)])
def test_units_of_features_tokens_and_maps(dims: tuple[int, ...], axis: int) -> None:
    model = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(math.prod(dims), 2))
    tail = Tail(model, torch.zeros(3, *dims), ["0"])
    assert (tail.axes["0"], tail.num_units["0"]) == (axis, 5)


def test_units_of_a_one_dimensional_convolution() -> None:
    model = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 2))
    assert Tail(model, torch.zeros(3, 2, 8), ["0"]).num_units == {"0": 4}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": ()}, "no layer is named; at least one is needed"),
        ({"layers": ("9",)}, "unknown layer '9'"),
        ({"num_orders": 0}, "num_orders=0 is not valid: at least 1"),
        ({"num_fractions": 1}, "num_fractions=1 is not valid: at least 2"),
        ({"batch_size": 0}, "batch_size=0 is not valid: at least 1"),
        ({"model": with_weights(dense()).half()}, r"parameter '0\.weight' is torch\.float16"),
        ({"data": Split(data().inputs, data().inputs[:, 0])}, r"targets are torch\.float64"),
        ({"data": Split(data().inputs, torch.full((23,), 3))}, "targets from 3 to 3 are not valid for 3 outputs"),
        ({"data": Split(data().inputs * math.nan, data().targets)}, "NaN or infinity for 23 of 23 examples"),
    ],
)
def test_refuses(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"model": with_weights(dense()), "data": data(), "layers": ("1",)}
    with pytest.raises(ValueError, match=message):
        ablation_curve(loss=F.cross_entropy, **(arguments | changes))


def test_single_order_has_no_error_and_single_output_is_a_logit() -> None:
    model = with_weights(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1)))
    examples = Split(data().inputs, data().targets.clamp(max=1))

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], targets.double())

    curve = ablation_curve(model, examples, loss, ["1"], num_orders=1)
    with torch.no_grad():
        right = ((model(examples.inputs)[:, 0] > 0) == (examples.targets == 1)).double().mean()
    assert curve.accuracy[0, 0] == float(right) and math.isnan(curve.stderr)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (Component("ablation", clamp_to="mean"), "clamp_to='mean' is not valid"),
        (Component("ablation", num_orders=1), "num_orders=1 is not valid"),
        (Component("activation_noise", smallest=0.0), "smallest=0.0 is not valid"),
        (Component("selectivity", num_bins=1), "num_bins=1 is not valid"),
        (Component("perturbation_svd", sigmas=()), r"sigmas=\(\) is not valid"),
        (Component("perturbation_svd", sigmas=(-0.1,)), "sigmas.0=-0.1 is not valid"),
    ],
)
def test_refuses_settings(component: Component, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measures.resolve(component)


@pytest.mark.parametrize("wrapped", [False, True])
def test_layers_with_one_output_are_refused(wrapped: bool) -> None:
    """Their units would be counted, and clamped, twice."""
    block = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    model: nn.Module = nn.Sequential(block, nn.Linear(8, 2))
    prefix = ""
    if wrapped:  # by hooks instead of cuts

        class Wrapped(nn.Module):
            def __init__(self, inner: nn.Module) -> None:
                super().__init__()
                self.inner = inner

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.inner(x)

        model, prefix = Wrapped(model), "inner."
    data = Split(torch.randn(10, 4), torch.zeros(10, dtype=torch.long))
    layers = (f"{prefix}0.1", f"{prefix}0")
    with pytest.raises(ValueError, match=r"layers '.*' and '.*' have the same output; name one of them"):
        ablation(Snapshot(model, layers, data, data, nn.functional.cross_entropy))
