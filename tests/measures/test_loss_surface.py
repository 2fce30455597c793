"""Loss surfaces: closed forms, a brute-force copy of the network, the checks of the centre, and bad input."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from measures import Component, Snapshot, Split, eigenspaces, hessian_operator, loss_on_plane, loss_surface, measures
from measures.parameter_directions import orthonormal, random_directions


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plane(size: int, seed: int = 7) -> Tensor:
    return orthonormal(random_directions(size, 2, torch.Generator().manual_seed(seed)))


def regression(rank: int = 6) -> Snapshot:
    """Least squares on 6 features of which `rank` are there, at its minimum norm solution."""
    model, x, y = nn.Linear(6, 1, bias=False).double(), gaussian(40, 6), gaussian(40, 1, seed=1)
    x[:, rank:] = 0
    model.weight.data = torch.linalg.lstsq(x[:, :rank], y).solution.T.clone()
    model.weight.data = F.pad(model.weight.data, (0, 6 - rank))
    data = Split(x, y)
    return Snapshot(model, (), data, data, F.mse_loss)


def classifier() -> Snapshot:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3)).double()
    data = Split(gaussian(30, 4), torch.arange(30) % 3)
    return Snapshot(model.eval(), (), data, data, F.cross_entropy)


def batches(snapshot: Snapshot, size: int = 1000) -> list[tuple[Tensor, Tensor]]:
    return list(zip(snapshot.train.inputs.split(size), snapshot.train.targets.split(size), strict=True))


def test_least_squares_is_a_paraboloid() -> None:
    snapshot, directions = regression(), plane(6)
    snapshot.model.weight.data += 0.3
    hessian = hessian_operator(snapshot.model, F.mse_loss, batches(snapshot))
    surface = loss_on_plane(snapshot.model, F.mse_loss, batches(snapshot), directions, half_width=2.0, steps_each_way=3)
    np.testing.assert_allclose(surface.coordinates, np.linspace(-2, 2, 7), rtol=1e-12, atol=1e-12)
    assert surface.coordinates[3] == 0.0 and surface.errors is None
    for i, s in enumerate(surface.coordinates):
        for j, t in enumerate(surface.coordinates):
            step = s * directions[:, 0] + t * directions[:, 1]
            expected = hessian.loss + hessian.gradient @ step + step @ (hessian @ step) / 2
            assert surface.losses[i, j] == pytest.approx(float(expected), rel=1e-12)


def test_along_eigenvectors_the_loss_rises_by_half_the_eigenvalue() -> None:
    snapshot = regression()
    spaces = eigenspaces(
        hessian_operator(snapshot.model, F.mse_loss, batches(snapshot)), num_top=3, num_excluded=4, seed=0
    )
    assert spaces.bottom is not None
    for pairs in (spaces.top, spaces.bottom):
        surface = loss_on_plane(
            snapshot.model, F.mse_loss, batches(snapshot), pairs.eigenvectors[:, :2], steps_each_way=1
        )
        first, second = pairs.eigenvalues[:2] / 2
        rise = surface.losses - surface.centre
        np.testing.assert_allclose(
            rise,
            [[first + second, first, first + second], [second, 0, second], [first + second, first, first + second]],
            rtol=1e-10,
            atol=1e-14,
        )


def test_the_network_is_moved_as_a_copy_of_it_would_be() -> None:
    """Batch norm, dropout and several batches; mode, parameters and buffers stay as they are."""
    snapshot = classifier()
    directions = plane(sum(p.numel() for p in snapshot.model.parameters()))
    snapshot.model.train()
    before = copy.deepcopy(snapshot.model.state_dict())
    surface = loss_on_plane(snapshot.model, F.cross_entropy, batches(snapshot, 7), directions, steps_each_way=1)
    assert all(module.training for module in snapshot.model.modules())
    assert all(torch.equal(value, before[name]) for name, value in snapshot.model.state_dict().items())
    for i, s in enumerate((-1.0, 0.0, 1.0)):
        for j, t in enumerate((-1.0, 0.0, 1.0)):
            moved = copy.deepcopy(snapshot.model).eval()
            vector = parameters_to_vector(moved.parameters()) + s * directions[:, 0] + t * directions[:, 1]
            vector_to_parameters(vector, moved.parameters())
            with torch.no_grad():
                outputs = moved(snapshot.train.inputs)
            assert surface.losses[i, j] == pytest.approx(
                float(F.cross_entropy(outputs, snapshot.train.targets)), rel=1e-12
            )
            assert surface.errors is not None
            assert surface.errors[i, j] == pytest.approx(
                float((outputs.argmax(dim=1) != snapshot.train.targets).double().mean())
            )


def test_batches_change_nothing_but_rounding() -> None:
    snapshot = classifier()
    directions = plane(sum(p.numel() for p in snapshot.model.parameters()))
    one, two = (
        loss_on_plane(snapshot.model, F.cross_entropy, batches(snapshot, size), directions, steps_each_way=2)
        for size in (30, 4)
    )
    np.testing.assert_allclose(one.losses, two.losses, rtol=1e-12)
    np.testing.assert_allclose(one.errors, two.errors, rtol=1e-12)


def test_frozen_parameters_stay() -> None:
    snapshot = classifier()
    first, last = snapshot.model[0], snapshot.model[4]
    snapshot.model.requires_grad_(False)
    last.weight.requires_grad_(True)
    surface = loss_on_plane(snapshot.model, F.cross_entropy, batches(snapshot), plane(15), steps_each_way=1)
    torch.testing.assert_close(surface.centre, loss_of(snapshot), rtol=1e-12, atol=0)
    with pytest.raises(
        ValueError, match=rf"directions of shape \(6, 2\) are not valid: \({first.bias.numel() * 3}, k\)"
    ):
        loss_on_plane(snapshot.model, F.cross_entropy, batches(snapshot), plane(6))


def loss_of(snapshot: Snapshot) -> float:
    with torch.no_grad():
        return float(snapshot.loss(snapshot.model(snapshot.train.inputs), snapshot.train.targets))


@pytest.mark.parametrize("kind", ["random", "top", "bottom"])
def test_the_measure_has_the_network_in_its_centre(kind: str) -> None:
    snapshot = dataclasses.replace(classifier(), recorded_loss=loss_of(classifier()))
    measurement = loss_surface(snapshot, planes=(kind,), steps_each_way=2, num_excluded=20)
    values = measurement.values
    losses, errors = (measurement.arrays[f"{kind}.{name}"] for name in ("losses", "errors"))
    assert values["loss"].value == losses[2, 2] == pytest.approx(loss_of(snapshot), rel=1e-12)
    assert values["recorded_loss"].value == loss_of(snapshot) and measurement.notes == ()
    assert values["recorded_digits"].value > 12 and "contrast" not in values
    assert values[f"{kind}.lowest_loss"].value == losses.min()
    assert values[f"{kind}.highest_loss"].value == losses.max()
    assert values[f"{kind}.mean_rise"].value == pytest.approx(losses.mean() - values["loss"].value)
    assert values["num_parameters"].value == 53 and values["num_excluded"].value == (0 if kind == "random" else 20)
    assert values["error"].value == errors[2, 2]


def test_planes_of_one_measurement_are_those_of_measurements_of_their_own() -> None:
    """To the last bit, in any order, from one centre."""
    settings = {"steps_each_way": 2, "num_excluded": 20}
    together = loss_surface(classifier(), planes=("random", "top", "bottom"), **settings)
    for kind in ("top", "bottom", "random"):
        alone = loss_surface(classifier(), planes=(kind,), **settings)
        assert all(np.array_equal(together.arrays[name], array) for name, array in alone.arrays.items())
        differing = {name for name, value in alone.values.items() if together.values[name] != value}
        assert "contrast" not in alone.values
        assert differing == ({"num_excluded"} if kind == "random" else set())
    rises = [together.values[f"{kind}.mean_rise"].value for kind in ("top", "bottom")]
    assert together.values["contrast"].value == pytest.approx(math.log10(abs(rises[0] / rises[1])))
    assert {name.partition(".")[0] for name in together.arrays} == {"coordinates", "top", "bottom", "random"}


@pytest.mark.parametrize("planes", [(), ("top", "top")])
def test_planes_are_named_once(planes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"planes=.* is not valid: .*name at least one plane, each once"):
        measures.resolve(Component("loss_surface", planes=planes))


@pytest.mark.parametrize("kind", ["random", "top", "bottom"])
def test_slopes_and_curvatures_are_those_of_the_surface(kind: str) -> None:
    snapshot = classifier()
    measurement = loss_surface(snapshot, planes=(kind,), half_width=1e-3, steps_each_way=1, num_excluded=20)
    losses = measurement.arrays[f"{kind}.losses"]
    for axis, line in ((1, losses[:, 1]), (2, losses[1])):
        slope, curvature = (line[2] - line[0]) / 2e-3, (line[2] - 2 * line[1] + line[0]) / 1e-6
        assert measurement.values[f"{kind}.slope_{axis}"].value == pytest.approx(slope, rel=1e-3, abs=1e-6)
        assert measurement.values[f"{kind}.curvature_{axis}"].value == pytest.approx(curvature, rel=2e-3, abs=1e-6)


def test_where_features_are_missing_the_bottom_plane_is_flat() -> None:
    """Two of six weights meet only zeros: the bottom plane is theirs, and no error can come of them."""
    measurement = loss_surface(regression(rank=4), num_top=2, num_excluded=4)
    values, loss = measurement.values, measurement.values["loss"].value
    top, bottom = (measurement.arrays[f"{kind}.losses"] for kind in ("top", "bottom"))
    np.testing.assert_allclose(bottom, loss, rtol=1e-12)
    assert abs(values["bottom.mean_rise"].value) < 1e-12
    assert values["contrast"].value == pytest.approx(math.log10(values["top.mean_rise"].value / (1e-6 * loss)))
    assert abs(values["bottom.curvature_1"].value) < 1e-12 and values["top.curvature_1"].value > 1
    corner = sum(values[f"top.curvature_{i}"].value for i in (1, 2)) / 2 * 25
    assert (top[0, 0] + top[0, -1] - 2 * loss) / 2 == pytest.approx(corner, rel=1e-10)
    assert measurement.notes == ("The targets are no classes: there is no error.",)
    assert math.isnan(values["error"].value)


def test_seeds_decide_the_plane() -> None:
    one, same, other = (
        loss_surface(classifier(), planes=("random",), seed=seed, steps_each_way=1).arrays["random.losses"]
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same) and not np.allclose(one, other)


def test_a_loss_that_was_not_recorded_is_said() -> None:
    recorded = loss_of(classifier()) * 1.01
    snapshot = dataclasses.replace(classifier(), recorded_loss=recorded)
    measurement = loss_surface(snapshot, planes=("random",), steps_each_way=1)
    (note,) = measurement.notes
    assert measurement.values["recorded_digits"].value == pytest.approx(-math.log10(0.01 / 1.01), rel=1e-6)
    assert f"but {recorded:.6g} was recorded in training: another network" in note
    part = loss_surface(snapshot, planes=("random",), steps_each_way=1, num_examples=20)
    assert "recorded_loss" not in part.values and part.notes == ()


def test_another_recorded_loss_is_refused() -> None:
    snapshot = classifier()
    arguments = (snapshot.model, snapshot.loss, batches(snapshot), plane(53))
    loss_on_plane(*arguments, steps_each_way=1, recorded_loss=loss_of(snapshot))
    with pytest.raises(ValueError, match=r"but 2\.30259 was recorded: another network"):
        loss_on_plane(*arguments, steps_each_way=1, recorded_loss=math.log(10))


class Noisy(nn.Linear):
    """Adds other noise at every call."""

    def forward(self, input: Tensor) -> Tensor:
        self.calls = getattr(self, "calls", 0) + 1
        return super().forward(input) + self.calls


def test_a_network_that_answers_otherwise_every_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the loss at the centre is .*, then .*: the network gives other outputs"):
        loss_on_plane(Noisy(2, 1), F.mse_loss, [(torch.eye(2), torch.zeros(2, 1))], plane(3), steps_each_way=1)


def test_points_without_a_loss_are_left_out() -> None:
    snapshot = classifier()
    overflowing = dataclasses.replace(snapshot, loss=lambda outputs, y: F.cross_entropy(torch.exp(outputs * 99), y))
    measurement = loss_surface(overflowing, planes=("random",), half_width=1e3, steps_each_way=2)
    bad = int((~np.isfinite(measurement.arrays["random.losses"])).sum())
    assert 0 < bad < 25 and np.isfinite(measurement.values["random.highest_loss"].value)
    assert measurement.notes == (f"The loss is not finite at {bad} of 25 points (random), which are left out.",)


EYE = torch.eye(3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"directions": EYE}, "3 directions span no plane"),
        ({"directions": EYE[:, 0]}, r"directions of shape \(3,\) are not valid: \(3, k\)"),
        ({"directions": torch.eye(4)[:, :2]}, r"directions of shape \(4, 2\) are not valid"),
        ({"directions": EYE[:, :2] + 1e-4}, "the directions are not orthonormal"),
        ({"directions": EYE[:, :2] * math.nan}, "the directions hold NaN or infinity"),
        ({"half_width": 0.0}, "half_width=0.0, steps_each_way=12 are not valid"),
        ({"half_width": math.inf}, "half_width=inf"),
        ({"steps_each_way": 0}, "steps_each_way=0 are not valid"),
        ({"data": []}, "the data hold no examples"),
        ({"model": nn.Linear(2, 1).half()}, "parameter 'weight' is torch.float16"),
        ({"data": [(torch.full((2, 2), math.nan), torch.zeros(2, 1))]}, "the loss of the network itself is nan"),
    ],
)
def test_refuses(changes: dict, message: str) -> None:
    arguments = {"model": nn.Linear(2, 1), "loss": F.mse_loss, "data": [(torch.eye(2), torch.zeros(2, 1))]}
    arguments |= {"directions": EYE[:, :2]} | changes
    with pytest.raises(ValueError, match=message):
        loss_on_plane(**arguments)
