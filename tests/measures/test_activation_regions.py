"""Activation patterns and regions: arrangements of known size, brute force, refinement, and what is refused."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Snapshot, Split, activation_patterns, activation_regions
from measures.activation_patterns import region_numbers
from measures.activation_regions import grid_between


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def snapshot_of(model: nn.Module, x: Tensor) -> Snapshot:
    data = Split(x, torch.zeros(len(x), dtype=torch.long))
    return Snapshot(model, (), data, Split(x * math.nan, data.targets), F.cross_entropy)


def lines(weight: list[list[float]], bias: list[float]) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(len(weight[0]), len(bias)), nn.ReLU(), nn.Linear(len(bias), 1)).double()
    model[0].weight.data, model[0].bias.data = torch.tensor(weight).double(), torch.tensor(bias).double()
    return model


def random_mlp() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 2)).double()
    for i, parameter in enumerate(model.parameters()):
        parameter.data = gaussian(*parameter.shape, seed=i)
    return model


@pytest.mark.parametrize("num_units", [1, 4, 9])
def test_breakpoints_cut_a_segment(num_units: int) -> None:
    model = lines([[1.0]] * num_units, [-(i + 0.5) / num_units for i in range(num_units)])
    snapshot = snapshot_of(model, torch.tensor([[0.0], [1.0]]).double())
    values = activation_regions(snapshot, through="segment", resolution=200).values
    assert values["regions"].value == values["fewest"].value == values["most"].value == num_units + 1
    assert values["regions"].stderr == 0.0
    assert values["same_as_neighbour"].value == pytest.approx(1 - num_units / 199)


def test_lines_in_general_position_cut_a_plane() -> None:
    """Three lines that meet pairwise within the parallelogram make seven regions."""
    model = lines([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [-0.5, -0.5, -0.8])
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).double()
    numbers = region_numbers(activation_patterns(model, grid_between(corners, 60)))
    assert numbers.max() + 1 == 7 and numbers[0] == 0


def test_patterns_by_hand() -> None:
    model, x = random_mlp(), gaussian(2500, 3)
    with torch.no_grad():
        first = model[0](x)
        second = model[2](first.relu())
    for found, expected in zip(activation_patterns(model, x), (first > 0, second > 0), strict=True):
        assert torch.equal(found, expected)
    keys = np.unique(torch.cat([first > 0, second > 0], dim=1).numpy(), axis=0)
    assert region_numbers([first > 0, second > 0]).max() + 1 == len(keys)


class Functional(nn.Module):
    """A ReLU in each of its spellings, and one that acts in place."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu((F.relu(x - 1) - 0.5).relu() - 0.1, inplace=True).flatten(1)


def test_every_spelling_is_seen() -> None:
    patterns = activation_patterns(Functional(), torch.full((2, 3, 4), 1.55))
    assert [pattern.shape for pattern in patterns] == [(2, 12)] * 3
    assert [bool(pattern.all()) for pattern in patterns] == [True, True, False]


def test_network_is_linear_within_a_region() -> None:
    model, snapshot = random_mlp(), gaussian(3, 3)
    points = grid_between(snapshot, 40)
    numbers = region_numbers(activation_patterns(model, points))
    jacobians = torch.func.vmap(torch.func.jacrev(nn.Sequential(*model[:3], nn.ReLU(), model[4])))(points).detach()
    for number in range(numbers.max() + 1):
        inside = jacobians[torch.from_numpy(numbers == number)]
        torch.testing.assert_close(inside, inside[:1].expand_as(inside))


def test_permuted_and_rescaled_units_have_the_same_regions() -> None:
    model, x = random_mlp(), gaussian(20, 3)
    before = activation_regions(snapshot_of(model, x), resolution=20)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    model[0].weight.data, model[0].bias.data = 4 * model[0].weight.data[order], 4 * model[0].bias.data[order]
    model[2].weight.data = model[2].weight.data[:, order] / 4
    after = activation_regions(snapshot_of(model, x), resolution=20)
    assert np.array_equal(before.arrays["counts"], after.arrays["counts"])


def test_refinement_finds_more_and_settles() -> None:
    """A grid of 2 r - 1 points a side holds the one of r."""
    snapshot = snapshot_of(random_mlp(), gaussian(20, 3))
    counts = [activation_regions(snapshot, resolution=r, num_draws=4).arrays["counts"] for r in (6, 11, 21, 41, 81)]
    assert all((fine >= coarse).all() for coarse, fine in itertools.pairwise(counts))
    assert (counts[-1] - counts[-2]).sum() < (counts[1] - counts[0]).sum()


def test_error_and_seeds() -> None:
    snapshot = snapshot_of(random_mlp(), gaussian(20, 3))
    measurement = activation_regions(snapshot, resolution=15)
    counts = measurement.arrays["counts"]
    assert measurement.values["regions"].stderr == pytest.approx(counts.std(ddof=1) / math.sqrt(10))
    assert (measurement.values["fewest"].value, measurement.values["most"].value) == (counts.min(), counts.max())
    assert not np.array_equal(activation_regions(snapshot, resolution=15, seed=1).arrays["counts"], counts)


def test_coarse_grid_is_noted() -> None:
    measurement = activation_regions(snapshot_of(random_mlp(), 100 * gaussian(20, 3)), resolution=2)
    regions = measurement.values["regions"].value
    assert measurement.notes == (
        f"Grids of 4 points meet {regions:g} regions on average: they are too coarse to count them.",
    )


@pytest.mark.parametrize(
    ("model", "x", "message"),
    [
        (nn.Tanh(), gaussian(5, 3), "Tanh uses no ReLU"),
        (nn.ReLU(), gaussian(2, 3), "2 training examples do not span a plane: 3 are needed"),
        (nn.ReLU(), gaussian(5, 3).half(), "inputs are torch.float16"),
        (nn.ReLU(), gaussian(5, 3) * math.nan, "inputs hold NaN"),
    ],
)
def test_refuses(model: nn.Module, x: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        activation_regions(snapshot_of(model, x))
