"""Norms of layers and paths: by hand, by listing every path, folded batch norm, invariances, and what is refused."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Snapshot, Split, norms, path_norm, spectral_norm


def filled(model: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.double().parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand(buffer.shape, generator=generator, dtype=torch.float64) + ("var" in name))
    return model.eval()


def snapshot_of(model: nn.Module, *shape: int) -> Snapshot:
    data = Split(torch.zeros(3, *shape, dtype=torch.float64), torch.zeros(3, dtype=torch.long))
    return Snapshot(model, (), data, data, F.cross_entropy)


def affine(layer: nn.Module, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and bias of a layer on flattened inputs."""
    with torch.no_grad():
        bias = layer(torch.zeros(1, *shape, dtype=torch.float64))
        rows = layer(torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, *shape)) - bias
    return rows.flatten(1).T.numpy(), bias.flatten().numpy()


def test_every_path_of_a_small_network() -> None:
    """Paths begin at an input or at a bias, which is an input of 1."""
    model = filled(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)))
    weights = [model[i].weight.detach().numpy() for i in (0, 2, 4)]
    biases = [model[i].bias.detach().numpy() for i in (0, 2, 4)]
    total = 0.0
    for i, j, k, o in itertools.product(range(2), range(3), range(2), range(2)):
        total += (weights[0][j, i] * weights[1][k, j] * weights[2][o, k]) ** 2
    for j, k, o in itertools.product(range(3), range(2), range(2)):
        total += (biases[0][j] * weights[1][k, j] * weights[2][o, k]) ** 2
    total += sum((biases[1][k] * weights[2][o, k]) ** 2 for k, o in itertools.product(range(2), range(2)))
    total += sum(biases[2] ** 2)
    assert path_norm(model, torch.zeros(1, 2)) == pytest.approx(math.sqrt(total), rel=1e-12)


CHAINS = [
    ((2, 4, 4), nn.Conv2d(2, 3, 3, padding=1), nn.AvgPool2d(2), nn.Flatten()),
    ((2, 6), nn.Conv1d(2, 4, 3, stride=2, groups=2, bias=False), nn.AvgPool1d(2), nn.Flatten()),
    ((4,), nn.BatchNorm1d(4), nn.Linear(4, 3)),
    ((4,), nn.BatchNorm1d(4, affine=False), nn.Dropout(), nn.Identity(), nn.Linear(4, 3, bias=False)),
    ((3,), nn.Linear(3, 6), nn.Unflatten(1, (2, 3)), nn.Linear(3, 2)),
]


@pytest.mark.parametrize(("shape", "layers"), [(chain[0], chain[1:]) for chain in CHAINS])
def test_layers_are_the_dense_matrices_they_stand_for(shape: tuple[int, ...], layers: tuple[nn.Module, ...]) -> None:
    model = filled(nn.Sequential(*layers))
    values, x = np.ones(math.prod(shape)), torch.zeros(1, *shape, dtype=torch.float64)
    for layer in model:
        matrix, bias = affine(layer, tuple(x.shape[1:]))
        values, x = matrix**2 @ values + bias**2, layer(x).detach()
    assert path_norm(model, torch.zeros(1, *shape)) == pytest.approx(math.sqrt(values.sum()), rel=1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_batch_norm_is_folded_into_the_layer_before_it(bias: bool) -> None:
    for layer, norm, shape in (
        (nn.Conv2d(2, 3, 3, bias=bias), nn.BatchNorm2d(3), (2, 4, 4)),
        (nn.Linear(4, 3, bias=bias), nn.BatchNorm1d(3), (4,)),
    ):
        model = filled(nn.Sequential(layer, norm, nn.ReLU(), nn.Flatten()))
        fuse = nn.utils.fuse_conv_bn_eval if isinstance(layer, nn.Conv2d) else nn.utils.fuse_linear_bn_eval
        fused = nn.Sequential(fuse(copy.deepcopy(model[0]), model[1]), nn.ReLU(), nn.Flatten())
        assert path_norm(model, torch.zeros(1, *shape)) == pytest.approx(path_norm(fused, torch.zeros(1, *shape)))


class Residual(nn.Module):
    """x + W x, and then a trained constant."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.shift = nn.Linear(3, 3, bias=False), nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.inner(x)) + self.shift


def test_residual_sums_add_paths() -> None:
    model = filled(Residual())
    expected = 3 + model.inner.weight.square().sum() + model.shift.square().sum()
    assert path_norm(model, torch.zeros(1, 3)) == pytest.approx(math.sqrt(float(expected.detach())))


def test_max_pooling_takes_the_heaviest_sum() -> None:
    model = filled(nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (1, 4)), nn.MaxPool1d(4), nn.Flatten()))
    sums = model[0].weight.detach().square().sum(dim=1) + model[0].bias.detach().square()
    assert path_norm(model, torch.zeros(1, 2)) == pytest.approx(math.sqrt(float(sums.max())))


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100))
def test_moving_a_factor_between_layers_and_permuting_units_changes_nothing(seed: int, scale: float) -> None:
    model = filled(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)), seed)
    before = path_norm(model, torch.zeros(1, 3))
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    model[0].weight.data, model[0].bias.data = scale * model[0].weight.data[order], scale * model[0].bias.data[order]
    model[2].weight.data = model[2].weight.data[:, order] / scale
    assert path_norm(model, torch.zeros(1, 3)) == pytest.approx(before, rel=1e-12)
    if not 0.9 < scale < 1.1:
        values = norms(snapshot_of(model, 3)).values
        assert values["layer.0.spectral"].value / scale == pytest.approx(
            np.linalg.norm(model[0].weight.detach().numpy() / scale, 2)
        )


def test_norms_of_every_layer() -> None:
    model = filled(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4)))
    values = {name: estimate.value for name, estimate in norms(snapshot_of(model, 2, 4, 4)).values.items()}
    kernel, matrix = model[0].weight.detach().numpy(), model[3].weight.detach().numpy()
    assert values["layer.0.frobenius"] == pytest.approx(np.linalg.norm(kernel.ravel()))
    assert values["layer.0.spectral"] == spectral_norm(model[0], (2, 4, 4)).value
    assert values["layer.3.frobenius"] == pytest.approx(np.linalg.norm(matrix))
    assert values["layer.3.spectral"] == pytest.approx(np.linalg.norm(matrix, 2))
    for kind in ("frobenius", "spectral"):
        assert values[f"{kind}_product"] == pytest.approx(values[f"layer.0.{kind}"] * values[f"layer.3.{kind}"])
    flat = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    assert values["parameter_norm"] == pytest.approx(float(flat.norm()))
    assert 0 <= values["spectral_residual"] < 1e-3
    assert values["path_norm"] == pytest.approx(path_norm(model, torch.zeros(1, 2, 4, 4)))


def test_layers_that_take_no_part_are_left_out_and_a_network_can_be_one_layer() -> None:
    model = filled(nn.Linear(4, 2))
    assert norms(snapshot_of(model, 4)).values["layer.whole.frobenius"].value > 0
    model.weight.data.zero_()
    values = norms(snapshot_of(model, 4)).values
    assert values["spectral_product"].value == values["layer.whole.spectral"].value == 0.0


class Branching(nn.Module):
    """Cannot be traced."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.Tanh()), r"Tanh \(1\) has no path norm: layers of a ReLU network have"),
        (Branching(), "the forward pass of Branching cannot be traced"),
        (nn.Sequential(nn.Unflatten(1, (1, 4)), nn.AvgPool1d(2, padding=1)), "AvgPool1d.* has no path norm here"),
        (nn.Linear(4, 4).bfloat16(), "parameter 'weight' is torch.bfloat16"),
    ],
)
def test_path_norm_refuses_in_one_line(model: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        path_norm(model, torch.zeros(1, 4))
    assert "\n" not in str(caught.value)


class Odd(nn.Module):
    """Adds a number, or takes a sine."""

    def __init__(self, sine: bool) -> None:
        super().__init__()
        self.sine = sine

    def forward(self, x: Tensor) -> Tensor:
        return x.sin() if self.sine else x + 1


@pytest.mark.parametrize(("sine", "message"), [(True, "sin has no path norm"), (False, "add of a number that is no")])
def test_path_norm_refuses_functions(sine: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        path_norm(Odd(sine), torch.zeros(1, 4))


def test_path_norm_that_overflows() -> None:
    model = nn.Sequential(*[nn.Linear(1, 1, bias=False).double() for _ in range(3)])
    for layer in model:
        layer.weight.data.fill_(1e100)
    with pytest.raises(ValueError, match="the path norm is inf"):
        path_norm(model, torch.zeros(1, 1))
    values = norms(snapshot_of(model, 1)).values
    assert values["spectral_product"].value == pytest.approx(1e300) and math.isnan(values["path_norm"].value)


def test_note_where_there_is_no_path_norm() -> None:
    measurement = norms(snapshot_of(filled(nn.Sequential(nn.Linear(4, 4), nn.Tanh())), 4))
    assert math.isnan(measurement.values["path_norm"].value)
    assert measurement.notes == ("The path norm is NaN: Tanh (1) has no path norm: layers of a ReLU network have.",)
