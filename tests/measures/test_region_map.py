"""The map of regions: planes of known position, arrangements of known size, bounds, and data beside the plane."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Snapshot, Split, far_bounds, local_lipschitz, region_map
from measures.region_map import grid_over, plane_of


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def snapshot_of(model: nn.Module, x: Tensor) -> Snapshot:
    data = Split(x, torch.zeros(len(x)))
    return Snapshot(model, (), data, Split(x * math.nan, data.targets), F.mse_loss)


def square(side: int = 9) -> Tensor:
    """Points from -1 to 1, corners among them."""
    steps = torch.linspace(-1, 1, side, dtype=torch.float64)
    return torch.cartesian_prod(steps, steps)


def lines(weight: list[list[float]], bias: list[float]) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(len(weight[0]), len(bias)), nn.ReLU(), nn.Linear(len(bias), 1)).double()
    model[0].weight.data, model[0].bias.data = torch.tensor(weight).double(), torch.tensor(bias).double()
    return model


def embedded(model: nn.Sequential, dimension: int = 6) -> tuple[nn.Sequential, Tensor]:
    """The same function of a turned and shifted plane in more dimensions, and the map (2, dimension) into them."""
    rotation = torch.linalg.qr(gaussian(dimension, dimension, seed=5))[0][:2]
    outer = nn.Linear(dimension, model[0].out_features).double()
    outer.weight.data = model[0].weight.data @ rotation
    outer.bias.data = model[0].bias.data - outer.weight.data @ torch.ones(dimension).double()
    return nn.Sequential(outer, *model[1:]), rotation


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2])
def test_the_rectangle_around_a_square_is_the_square_however_it_lies(angle: float) -> None:
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    rotation = torch.linalg.qr(gaussian(7, 7, seed=3))[0][:2]
    points = square() @ turn @ rotation + torch.arange(7)
    plane = plane_of(points.numpy())
    assert plane.spanned == 2
    np.testing.assert_allclose(np.abs(plane.points).max(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(plane.origin + plane.points @ plane.axes, points.numpy(), atol=1e-12)
    grid = grid_over(plane, points, 9)
    distances = torch.cdist(grid.inputs, points, compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)
    assert distances.max() < 1e-7, "a grid of as many points is the points"


def test_lines_in_general_position_are_counted_and_seen_from_any_dimension() -> None:
    """Three lines that meet pairwise within the square make seven regions."""
    model = lines([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [-0.1, -0.2, 0.5])
    flat = region_map(snapshot_of(model, square()), resolution=60, bounds=False)
    outer, rotation = embedded(model)
    found = region_map(snapshot_of(outer, square() @ rotation + 1), resolution=60, bounds=False)
    assert flat.values["regions"].value == found.values["regions"].value == 7
    assert found.values["grid_points"].value == 3600 and found.notes == ()
    assert found.values["lipschitz.mean"].value == pytest.approx(flat.values["lipschitz.mean"].value, rel=0.01)
    borders, regions = found.arrays["borders"], found.arrays["regions"]
    assert borders.shape == regions.shape == (60, 60) and len(np.unique(regions)) == 7
    assert 60 < borders.sum() < 360, "lines, not areas"


def test_arrays_are_of_the_grid_points() -> None:
    model = lines([[1.0, 0.3], [0.2, 1.0], [-1.0, 1.0]], [-0.1, -0.2, 0.1])
    x = square(5)
    found = region_map(snapshot_of(model, x), resolution=11).arrays
    plane = plane_of(x.numpy())
    points = torch.from_numpy(
        np.array([[plane.origin + a * plane.axes[0] + b * plane.axes[1] for a in found["x"]] for b in found["y"]])
    ).reshape(-1, 2)
    np.testing.assert_allclose(found["outputs"].ravel(), model(points).detach()[:, 0])
    np.testing.assert_allclose(found["lipschitz"].ravel(), local_lipschitz(model, points).per_point)
    expected = far_bounds(model, x, points)
    np.testing.assert_allclose(found["bounds"].ravel(), expected.bounds)
    np.testing.assert_array_equal(found["kinds"].ravel() == 0, expected.is_covered)
    np.testing.assert_array_equal(found["kinds"].ravel() == 2, np.isinf(expected.bounds))
    np.testing.assert_allclose(plane.origin + found["train_points"] @ plane.axes, x.numpy(), atol=1e-12)


def test_shares_by_hand() -> None:
    """f = relu(x) + 2 relu(y), trained on the lower right and upper left: the upper right has the bound 1 + 2."""
    model = lines([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    model[2].weight.data = torch.tensor([[1.0, 2.0]]).double()
    x = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [1.0, -0.5], [-0.5, 1.0], [-1.0, 0.5], [0.5, -1.0]]).double()
    values = region_map(snapshot_of(model, x), resolution=50).values
    assert values["regions"].value == 4 and values["training_patterns"].value == 2
    assert sum(values[name].value for name in ("trained", "bounded", "unbounded")) == pytest.approx(1)
    assert values["unbounded"].value == 0, "the zero vector is a combination of none"
    assert values["bound_holds"].value == 1
    assert values["bound_over_actual"].value == pytest.approx(3 / math.sqrt(5))
    alone = region_map(snapshot_of(model, x[[0, 2, 5]]), resolution=50).values
    assert alone["trained"].value == 1, "their own rectangle has no other region"


def test_a_bound_holds_wherever_there_is_one() -> None:
    for seed in range(3):
        model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1)).double()
        for i, parameter in enumerate(model.parameters()):
            parameter.data = gaussian(*parameter.shape, seed=10 * seed + i)
        values = region_map(snapshot_of(model, gaussian(15, 2, seed=seed)), resolution=30).values
        assert values["bound_holds"].value == 1 and 0 < values["trained"].value < 1


def test_of_data_beside_the_plane_it_says_so_and_of_a_line_there_is_none() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    found = region_map(snapshot_of(model, gaussian(20, 4)), resolution=5, bounds=False)
    assert found.notes == ("The training inputs span 4 dimensions: they do not lie in the plane, but beside it.",)
    assert found.arrays["outputs"].shape == (5, 5, 2) and "bounds" not in found.arrays
    assert "bound_holds" not in found.values
    with pytest.raises(ValueError, match="the training inputs span 1 dimensions: a plane takes at least 2"):
        region_map(snapshot_of(model, torch.arange(4).double() * torch.ones(6, 4) * torch.arange(6)[:, None]))


def test_sigmoid_is_of_the_probability() -> None:
    model = lines([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.1])
    found = region_map(snapshot_of(model, square(5)), resolution=6, sigmoid=True)
    assert 0 < found.arrays["outputs"].min() < found.arrays["outputs"].max() < 1
    assert found.values["bound_holds"].value == 1
