"""Single units: by hand, against plain loops and scipy, invariances, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Measurement, Snapshot, Split, class_information, class_selectivity, selectivity

Array = NDArray[np.generic]


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_model() -> nn.Sequential:
    model = nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)
    ).double()
    for i, parameter in enumerate(model.parameters()):
        parameter.data = gaussian(*parameter.shape, seed=i)
    return model.eval()


def measure(model: nn.Module, layers: tuple[str, ...] = ("2",), **chosen: Any) -> Measurement:
    data, unused = Split(gaussian(50, 4, seed=8), torch.arange(50) % 3), Split(gaussian(3, 4), torch.zeros(3).long())
    return selectivity(Snapshot(model, layers, data, unused, F.cross_entropy), **chosen)


def test_selectivity_by_hand() -> None:
    # Means per class: 4, 1, 0 for the first unit, 2 everywhere for the second; class 0 has most of the examples.
    rows = torch.tensor([[5.0, 2.0, 0.0], [3.0, 2.0, 0.0], [4.0, 2.0, 0.0], [1.0, 2.0, 0.0], [0.0, 2.0, 0.0]])
    found = class_selectivity(rows, torch.tensor([0, 0, 0, 1, 7]))
    np.testing.assert_allclose(found, [(4 - 0.5) / (4 + 0.5), 0.0, math.nan])
    assert class_selectivity(torch.tensor([[1.0], [0.0]]), torch.tensor([3, 5])).tolist() == [1.0]


def test_selectivity_does_not_feel_scale_or_how_often_a_class_occurs() -> None:
    rows, targets = gaussian(60, 5).abs(), torch.arange(60) % 4
    found = class_selectivity(rows, targets)
    again = torch.cat([rows, rows[targets == 2]]), torch.cat([targets, targets[targets == 2]])
    np.testing.assert_allclose(class_selectivity(rows * torch.arange(1, 6), targets), found, rtol=1e-12)
    np.testing.assert_allclose(class_selectivity(*again), found, rtol=1e-12)
    order = torch.tensor([3, 1, 4, 0, 2])
    np.testing.assert_allclose(class_selectivity(rows[:, order], targets), found[order], rtol=1e-12)


def naive_information(activations: Array, targets: Array, num_bins: int) -> float:
    edges = np.linspace(activations.min(), activations.max(), num_bins + 1)
    joint = np.histogram2d(activations, targets, bins=[edges, np.arange(-0.5, targets.max() + 1)])[0]
    parts = joint.sum(axis=0), joint.sum(axis=1), joint.ravel()
    entropies = [stats.entropy(part, base=2) for part in parts]
    corrections = [(np.count_nonzero(part) - 1) / (2 * len(targets) * math.log(2)) for part in parts]
    plus = [entropy + correction for entropy, correction in zip(entropies, corrections, strict=True)]
    return plus[0] + plus[1] - plus[2]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 200), st.integers(2, 5), st.integers(10, 80), st.integers(0, 1000))
def test_information_equals_that_of_a_histogram(num_bins: int, num_classes: int, size: int, seed: int) -> None:
    activations, targets = gaussian(size, 3, seed=seed), torch.arange(size) % num_classes
    activations += targets[:, None] * torch.tensor([0.0, 0.5, 9.0])
    found = class_information(activations, targets, num_bins=num_bins)
    expected = [naive_information(column, targets.numpy(), num_bins) for column in activations.numpy().T]
    np.testing.assert_allclose(found, np.minimum(expected, math.log2(num_classes)), atol=1e-12)
    np.testing.assert_allclose(class_information(3 * activations - 1, targets, num_bins=num_bins), found, atol=1e-9)


def test_information_of_units_that_know_all_and_nothing() -> None:
    targets = torch.arange(4000) % 4
    noise = torch.rand(4000, generator=torch.Generator().manual_seed(0))
    rows = torch.stack([targets.float(), torch.ones(4000), noise], dim=1)
    found = class_information(rows, targets)
    assert found[0] == pytest.approx(2.0, abs=1e-12) and found[1] == 0.0
    assert abs(found[2]) < 0.01  # without the correction it would be 0.05


def test_importance_equals_whole_passes_without_the_unit() -> None:
    model, found = make_model(), measure(make_model(), ("2", "1"))
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    data = gaussian(50, 4, seed=8)[order], (torch.arange(50) % 3)[order]
    for layer in ("1", "2"):
        for unit in range(6):
            with torch.no_grad():
                hidden = model[: int(layer) + 1](data[0])
                hidden[:, unit] = 0
                rise = F.cross_entropy(model[int(layer) + 1 :](hidden), data[1]) - F.cross_entropy(
                    model(data[0]), data[1]
                )
            assert found.arrays[f"layer.{layer}.importance"][unit] == pytest.approx(float(rise), abs=1e-12)


def test_summary_of_a_layer_of_maps() -> None:
    model, x, targets = make_model(), gaussian(50, 4, seed=8), torch.arange(50) % 3
    found = measure(model)
    with torch.no_grad():
        maps = model[:3](x).mean(dim=(2, 3))
    expected = {"selectivity": class_selectivity(maps, targets), "information": class_information(maps, targets)}
    for name, per_unit in expected.items():
        np.testing.assert_allclose(found.arrays[f"layer.2.{name}"], per_unit, atol=1e-12)
        assert found.values[f"layer.2.{name}"].value == pytest.approx(per_unit.mean())
        assert found.values[f"layer.2.{name}"].stderr == pytest.approx(per_unit.std(ddof=1) / math.sqrt(6))
    rank = stats.spearmanr(expected["selectivity"], found.arrays["layer.2.importance"]).statistic
    assert found.values["layer.2.rank_correlation"].value == pytest.approx(rank)
    assert found.notes == ()


def test_only_some_units_are_ablated() -> None:
    few, none = measure(make_model(), num_ablated=2), measure(make_model(), num_ablated=0)
    assert np.isnan(few.arrays["layer.2.importance"]).sum() == 4
    assert not math.isnan(few.values["layer.2.importance"].value)
    assert math.isnan(few.values["layer.2.rank_correlation"].value)
    assert math.isnan(none.values["layer.2.importance"].value)
    one = measure(make_model(), num_ablated=1).values["layer.2.importance"]
    assert not math.isnan(one.value) and one.stderr is None


def test_dead_units_and_negative_activations_are_named() -> None:
    model = make_model()
    model[1].bias.data[:2] = -100
    found = measure(model, ("1", "2"))
    assert found.values["layer.2.num_dead"].value == 2.0
    assert np.isnan(found.arrays["layer.2.selectivity"]).tolist() == [True] * 2 + [False] * 4
    assert found.notes == (
        "Layer 1: some activations are negative; the selectivity is that of their positive parts.",
        "Layer 1: 2 of 6 units are never active; they have no selectivity.",
        "Layer 1: fewer than five units differ in selectivity and importance; they have no correlation.",
        "Layer 2: 2 of 6 units are never active; they have no selectivity.",
        "Layer 2: fewer than five units differ in selectivity and importance; they have no correlation.",
    )
    np.testing.assert_array_equal(found.arrays["layer.1.selectivity"], found.arrays["layer.2.selectivity"])


@pytest.mark.parametrize(
    ("rows", "targets", "message"),
    [
        (-torch.ones(4, 2), torch.arange(4), "8 activations are negative"),
        (torch.ones(4, 2), torch.zeros(4).long(), "the targets hold 1 class; at least 2 are needed"),
        (torch.ones(4, 2), torch.arange(5), r"shape \(4, 2\) are not \(examples, units\) of 5 targets"),
        (torch.full((4, 2), math.nan), torch.arange(4), "NaN or infinity at 4 of 4 examples"),
    ],
)
def test_refuses(rows: Tensor, targets: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_selectivity(rows, targets)


def test_refuses_one_bin_and_no_layers() -> None:
    with pytest.raises(ValueError, match="num_bins=1 is not valid: at least 2"):
        class_information(torch.ones(4, 2), torch.arange(4), num_bins=1)
    with pytest.raises(ValueError, match="the snapshot names no layers"):
        measure(make_model(), ())
