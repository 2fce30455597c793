"""The measure lipschitz and its product bound: layers against dense matrices, networks against their Jacobians."""

import math

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Snapshot, Split, lipschitz, lipschitz_bound, local_lipschitz, spectral_norm
from measures.lipschitz import far_points


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filled(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in model.double().parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand(buffer.shape, generator=generator, dtype=torch.float64) + ("var" in name))
    return model.eval()


def dense(layer: nn.Module, shape: tuple[int, ...]) -> np.ndarray:
    """The matrix of the layer's linear part, column by column."""
    with torch.no_grad():
        rows = torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, *shape)
        return (layer(rows) - layer(torch.zeros_like(rows))).flatten(1).T.numpy()


LAYERS = [
    (nn.Linear(4, 3), (4,)),
    (nn.Conv1d(2, 3, 3, padding=1), (2, 6)),
    (nn.Conv2d(2, 3, 3), (2, 5, 5)),
    (nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False), (2, 6, 6)),
    (nn.Conv2d(2, 4, 3, groups=2, padding=2, dilation=2), (2, 5, 5)),
    (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), (2, 5, 5)),
    (nn.AvgPool2d(3, 2, padding=1), (2, 6, 6)),
    (nn.AdaptiveAvgPool2d(1), (2, 6, 6)),
    (nn.BatchNorm2d(3), (3, 2, 2)),
    (nn.BatchNorm1d(3, affine=False), (3,)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_spectral_norm_is_that_of_the_dense_matrix(layer: nn.Module, shape: tuple[int, ...]) -> None:
    layer = filled(layer)
    found, matrix = spectral_norm(layer, shape), dense(layer, shape)
    assert found.value == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-6)
    assert abs(found.value - np.linalg.norm(matrix, 2)) <= found.residual + 1e-12 * found.value


def test_spectral_norm_of_a_large_layer_against_svds() -> None:
    layer = filled(nn.Linear(700, 600, bias=False))
    expected = scipy.sparse.linalg.svds(layer.weight.detach().numpy(), k=1, return_singular_vectors=False)[0]
    found = spectral_norm(layer, (700,))
    assert found.value == pytest.approx(expected, rel=1e-5)
    assert 0 < found.residual < 1e-3 * found.value


def test_the_reshaped_kernel_has_another_norm() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False).double()
    layer.weight.data.fill_(1.0)
    assert np.linalg.norm(layer.weight.detach().reshape(1, -1).numpy(), 2) == pytest.approx(3.0)
    assert 8.5 < spectral_norm(layer, (1, 20, 20)).value < 9.0  # of a blur: nearly the sum of its weights


@pytest.mark.parametrize(
    ("layer", "message"),
    [(nn.Tanh(), "Tanh has no spectral norm"), (nn.BatchNorm1d(3, track_running_stats=False), "no running statistics")],
)
def test_spectral_norm_refuses(layer: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spectral_norm(layer, (3,))


def test_bound_of_layers_in_a_row_is_their_product() -> None:
    model = filled(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 3), nn.Sigmoid()))
    norms = [np.linalg.norm(model[i].weight.detach().numpy(), 2) for i in (0, 3)]
    assert lipschitz_bound(model, gaussian(3, 4)) == pytest.approx(norms[0] * norms[1] / 4)


class Shifted(nn.Module):
    """Adds up three paths and a trained constant."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.shift = nn.Linear(4, 4), nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        y = x + F.relu(self.inner(x)) - x + self.shift + 1
        return torch.cat([y, y], dim=1)


def test_bound_adds_where_paths_meet() -> None:
    model = filled(Shifted())
    norm = np.linalg.norm(model.inner.weight.detach().numpy(), 2)
    assert lipschitz_bound(model, gaussian(3, 4)) == pytest.approx(math.sqrt(2) * (2 + norm))


NETWORKS = [
    nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)),
    nn.Sequential(nn.MaxPool2d(3, 1, padding=1), nn.Flatten()),
    nn.Sequential(nn.MaxPool2d(3, 2, dilation=2), nn.Flatten()),
    nn.Sequential(nn.LeakyReLU(2.0), nn.AvgPool2d(2), nn.Flatten(), nn.Unflatten(1, (2, 9))),
]


@pytest.mark.parametrize("model", NETWORKS)
def test_bound_is_above_every_local_constant(model: nn.Module) -> None:
    x = gaussian(40, 2, 6, 6)
    assert local_lipschitz(filled(model), x).largest <= lipschitz_bound(model, x) * (1 + 1e-9)


def test_overlapping_windows_reach_the_bound() -> None:
    """An entry above all others is the maximum of every window it lies in."""
    x = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    x[0, 0, 2, 2] = 1.0
    model = nn.Sequential(nn.MaxPool2d(3, 1), nn.Flatten())
    assert local_lipschitz(model, x).value == pytest.approx(3.0) == lipschitz_bound(model, x)


class FunctionalDropout(nn.Module):
    """Doubles its input; drops part of it in training only."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x + x, training=self.training)


def test_bound_is_of_evaluation_mode_and_leaves_the_mode_alone() -> None:
    model = FunctionalDropout().train()
    assert lipschitz_bound(model, gaussian(3, 4)) == 2.0 and model.training


class Branching(nn.Module):
    """Cannot be traced."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Branching(), "the forward pass of Branching cannot be traced"),
        (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), r"LayerNorm \(_1\) has no Lipschitz bound here"),
    ],
)
def test_bound_refuses(model: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lipschitz_bound(model.double(), gaussian(3, 4))


def make_snapshot(model: nn.Module, num_examples: int = 60) -> Snapshot:
    train, test = (Split(gaussian(num_examples, 4, seed=s), torch.zeros(num_examples)) for s in (1, 2))
    return Snapshot(filled(model), (), train, test, F.cross_entropy)


def test_points_are_those_of_the_splits_and_the_noise_follows_the_training_set() -> None:
    snapshot = make_snapshot(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)))
    snapshot.train.inputs[:, 0] = 7.0
    measurement = lipschitz(snapshot, num_examples=60)
    for name, split in (("train", snapshot.train), ("test", snapshot.test)):
        expected = local_lipschitz(snapshot.model, split.inputs)
        np.testing.assert_allclose(np.sort(measurement.arrays[name]), np.sort(expected.per_point), rtol=1e-12)
        assert measurement.values[f"{name}.mean"].value == pytest.approx(expected.value)
        assert measurement.values[f"{name}.mean"].stderr == pytest.approx(expected.stderr)
        assert measurement.values[f"{name}.largest"].value == pytest.approx(expected.largest)
    assert measurement.values["test.over_train"].value == pytest.approx(
        measurement.values["test.mean"].value / measurement.values["train.mean"].value
    )
    differences = snapshot.test.inputs[:, None] - snapshot.train.inputs[None]
    nearest = differences.norm(dim=2).amin(dim=1).mean()
    assert measurement.values["test.distance"].value == pytest.approx(float(nearest)) and measurement.notes == ()


def test_fewer_examples_are_a_part_of_more() -> None:
    snapshot = make_snapshot(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)))
    few, many = (lipschitz(snapshot, num_examples=n).arrays for n in (10, 30))
    for name in ("train", "test"):
        np.testing.assert_allclose(few[name], many[name][:10], rtol=1e-10)
    other = lipschitz(snapshot, num_examples=10, seed=1).arrays
    assert not np.allclose(few["far"], other["far"]) and not np.allclose(few["train"], other["train"])


def test_noise_has_the_moments_of_the_training_set_and_no_correlation() -> None:
    x = gaussian(50, 1) @ torch.ones(1, 3, dtype=torch.float64) + torch.tensor([1.0, -2.0, 3.0])
    noise = far_points(x, 20000, 0).numpy()
    np.testing.assert_allclose(noise.mean(axis=0), x.mean(dim=0), atol=0.04)
    np.testing.assert_allclose(noise.std(axis=0), x.std(dim=0, correction=0), rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(3), atol=0.03)


def test_steep_where_there_are_no_data() -> None:
    """Data on a line, and a ridge beside it: only the noise, off the line, meets the ridge."""
    model = nn.Sequential(nn.Linear(2, 1), nn.ReLU(), nn.Linear(1, 1)).double()
    model[0].weight.data, model[0].bias.data = torch.tensor([[9.0, -9.0]]).double(), torch.tensor([-0.1]).double()
    model[2].weight.data.fill_(1.0)
    line = gaussian(200, 1) @ torch.ones(1, 2, dtype=torch.float64)
    data = Split(line, torch.zeros(200))
    values = lipschitz(Snapshot(model, (), data, data, F.mse_loss)).values
    assert values["train.mean"].value == values["test.mean"].value == 0.0
    assert values["far.mean"].value > 1 and math.isnan(values["far.over_train"].value)


def test_untraceable_network_has_no_product_bound_and_says_so() -> None:
    measurement = lipschitz(make_snapshot(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))))
    assert math.isnan(measurement.values["product_bound"].value)
    assert measurement.notes == ("There is no product bound: LayerNorm (_1) has no Lipschitz bound here.",)


def test_standard_error_covers_the_mean_of_all_points() -> None:
    snapshot = make_snapshot(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), 1500)
    whole = lipschitz(snapshot, num_examples=1500).values["train.mean"]
    parts = [lipschitz(snapshot, num_examples=40, seed=seed).values["train.mean"] for seed in range(20)]
    z = [(part.value - whole.value) / part.stderr for part in parts]
    assert 0.6 < np.std(z) < 1.5
