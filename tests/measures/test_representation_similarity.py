"""The similarity of two networks layer by layer: against the functions, and what is said where there is none."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import measures
from measures import Snapshot, SnapshotPair, Split, layer_activations, representation_similarity
from measures.representation_similarity import METHODS


def network(seed: int) -> nn.Sequential:
    """A convolution of 4 maps of 3 x 3, a dense layer of 5 units."""
    model = nn.Sequential(nn.Conv2d(1, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(36, 5), nn.Tanh(), nn.Linear(5, 2))
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return model.double()


def snapshot(model: nn.Module, layers: tuple[str, ...] = ("1", "4"), size: int = 60) -> Snapshot:
    inputs = torch.randn(size, 1, 4, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    data = Split(inputs, torch.zeros(size, dtype=torch.long))
    return Snapshot(model, layers, data, data, F.cross_entropy)


def values(pair: SnapshotPair, **settings: Any) -> dict[str, float]:
    return {name: estimate.value for name, estimate in representation_similarity(pair, **settings).values.items()}


def as_rows(x: Tensor, positions: str) -> Tensor:
    """Written out for the maps of layer 1."""
    maps = x.reshape(-1, 4, 9)
    if positions == "examples":
        return torch.cat([maps[:, :, i] for i in range(9)])
    return maps.mean(dim=2) if positions == "mean" else maps.reshape(len(x), 36)


@pytest.mark.parametrize("positions", ["features", "mean", "examples"])
@pytest.mark.parametrize("method", METHODS)
def test_it_is_what_the_function_says_of_each_layer(method: str, positions: str) -> None:
    pair = SnapshotPair(snapshot(network(0), size=100), snapshot(network(1), size=100))
    found = values(pair, method=method, positions=positions)
    function = METHODS[method]
    for layer in ("1", "4"):
        one, two = (
            layer_activations(s.model, pair.first.test.inputs, [layer])[layer] for s in (pair.first, pair.second)
        )
        if layer == "1":
            one, two = as_rows(one, positions), as_rows(two, positions)
        expected = function(one, two)
        assert found[f"layer.{layer}"] == pytest.approx(expected.value, rel=1e-8)
        if method != "procrustes_distance":  # whose null is over random pairings
            assert found[f"layer.{layer}.null"] == pytest.approx(expected.null, rel=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_is_like_itself_and_like_itself_with_its_units_in_another_order(method: str) -> None:
    model, other = network(0), network(0)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(1))
    other[3].weight.data, other[3].bias.data = model[3].weight.data[order], model[3].bias.data[order]
    other[5].weight.data = model[5].weight.data[:, order]
    found = values(SnapshotPair(snapshot(model), snapshot(other)), method=method, positions="mean")
    same = 0.0 if method == "procrustes_distance" else 1.0
    assert [found["layer.1"], found["layer.4"]] == pytest.approx([same, same], abs=1e-9)


def test_a_layer_that_cannot_be_compared_is_nan_and_said() -> None:
    """36 features, 30 examples: correlations of 1 whatever the data."""
    measurement = representation_similarity(
        SnapshotPair(snapshot(network(0), size=30), snapshot(network(1), size=30)), method="mean_cca"
    )
    assert math.isnan(measurement.values["layer.1"].value) and not math.isnan(measurement.values["layer.4"].value)
    assert measurement.notes[0].startswith("Layer 1 has no similarity: 30 examples of 36 features")


def test_positions_as_examples_have_standard_errors_that_are_too_small_and_it_says_so() -> None:
    pair = SnapshotPair(snapshot(network(0)), snapshot(network(1)))
    note = "Positions of one image are not independent: standard errors are too small."
    assert note in representation_similarity(pair, positions="examples").notes
    assert representation_similarity(pair).notes == ()


def test_tokens_have_their_features_last() -> None:
    model = nn.Sequential(nn.Unflatten(1, (7, 6)), nn.Linear(6, 3), nn.Flatten(), nn.Linear(21, 2)).double()
    inputs = torch.randn(50, 42, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    data = Split(inputs, torch.zeros(50, dtype=torch.long))
    whole = Snapshot(model, ("1",), data, data, F.cross_entropy)
    mean = layer_activations(model, inputs, ["1"], flat=False)["1"].mean(dim=1)
    rotated = nn.Sequential(*model)
    rotated[1] = nn.Linear(6, 3).double()
    pair = SnapshotPair(whole, Snapshot(rotated, ("1",), data, data, F.cross_entropy))
    other = layer_activations(rotated, inputs, ["1"], flat=False)["1"].mean(dim=1)
    expected = measures.linear_cka(mean, other).value
    assert values(pair, method="linear_cka", positions="mean")["layer.1"] == pytest.approx(expected, rel=1e-9)


def test_refuses() -> None:
    one, other = snapshot(network(0)), snapshot(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).double())
    with pytest.raises(ValueError, match="unknown layer '4'; layers: 0, 1"):
        representation_similarity(SnapshotPair(one, other))
    with pytest.raises(ValueError, match="the snapshot names no layers"):
        representation_similarity(SnapshotPair(snapshot(network(0), ()), one))
    with pytest.raises(ValueError, match=r"is torch\.float16; this measure needs"):
        representation_similarity(SnapshotPair(one, snapshot(network(0).half())))


def test_across_layers_it_is_the_method_on_every_pair_and_its_diagonal_the_layers_themselves() -> None:
    x = torch.randn(100, 8)
    nets = [nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 6), nn.ReLU()) for _ in range(2)]
    data = Split(x, torch.zeros(100))
    pair = SnapshotPair(*(Snapshot(net, ("1", "3"), data, data, F.cross_entropy) for net in nets))
    found = representation_similarity(pair, across=True)
    first, second = (layer_activations(net, x, ["1", "3"]) for net in nets)
    expected = [[measures.linear_cka(first[a], second[b], debiased=True).value for b in ("1", "3")] for a in ("1", "3")]
    np.testing.assert_allclose(found.arrays["across"], expected)
    assert found.arrays["depth"].tolist() == [1, 2]
    assert found.values == representation_similarity(pair).values and not representation_similarity(pair).arrays
    assert found.values["layer.1"].value == pytest.approx(found.arrays["across"][0, 0])


def test_across_layers_what_cannot_be_compared_is_not_a_number() -> None:
    dead = nn.Sequential(nn.Linear(8, 12), nn.ReLU())
    nn.init.constant_(dead[0].bias, -100.0)
    data = Split(torch.randn(50, 8), torch.zeros(50))
    one = Snapshot(dead, ("0", "1"), data, data, F.cross_entropy)
    across = representation_similarity(SnapshotPair(one, one), across=True).arrays["across"]
    assert np.isnan(across).tolist() == [[False, True], [True, True]]
