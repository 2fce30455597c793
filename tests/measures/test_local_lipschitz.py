"""Local Lipschitz constants: closed forms, explicit Jacobians, finite differences, invariances, and what is refused."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from measures import local_lipschitz


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filled(model: nn.Module, seed: int = 0) -> nn.Module:
    """The network with normal weights and running statistics, in float64."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.double().state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_var.abs_()
    return model


def mlp(num_outputs: int, activation: nn.Module | None = None) -> nn.Sequential:
    layers = (nn.Linear(5, 7), activation or nn.ReLU(), nn.BatchNorm1d(7), nn.Dropout(), nn.Linear(7, num_outputs))
    return filled(nn.Sequential(*layers))


def convolutional() -> nn.Sequential:
    parts = (nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return filled(nn.Sequential(*parts, nn.Linear(12, 4)))


@pytest.mark.parametrize("num_outputs", [1, 2, 9])
def test_linear_network_has_the_spectral_norm_everywhere(num_outputs: int) -> None:
    model = filled(nn.Linear(5, num_outputs))
    result = local_lipschitz(model, gaussian(20, 5))
    expected = np.linalg.norm(model.weight.detach().numpy(), 2)
    np.testing.assert_allclose(result.per_point, expected, rtol=1e-13)
    assert (result.value, result.largest) == (pytest.approx(expected, rel=1e-13), pytest.approx(expected, rel=1e-13))
    assert result.stderr < 1e-13


def test_two_layers_by_hand() -> None:
    """f(x) = 3 relu(x) - 2 relu(-x) has slope 3 on the right and 2 on the left; the sigmoid takes f (1 - f) of it."""
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    model[0].weight.data = torch.tensor([[1.0], [-1.0]]).double()
    model[2].weight.data = torch.tensor([[3.0, -2.0]]).double()
    x = torch.tensor([[0.5], [-0.5], [2.0], [-4.0]], dtype=torch.float64)
    result = local_lipschitz(model, x)
    assert result.per_point.tolist() == [3.0, 2.0, 3.0, 2.0]
    assert (result.value, result.largest) == (2.5, 3.0)
    assert result.stderr == pytest.approx(math.sqrt(1 / 3) / 2)
    f = 1 / (1 + np.exp(-np.array([1.5, -1.0, 6.0, -8.0])))
    expected = np.array([3.0, 2.0, 3.0, 2.0]) * f * (1 - f)
    np.testing.assert_allclose(local_lipschitz(model, x, sigmoid=True).per_point, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("model", "shape"),
    [(mlp(1), (5,)), (mlp(3), (5,)), (mlp(9), (5,)), (mlp(3, nn.Tanh()), (5,)), (convolutional(), (2, 4, 4))],
)
def test_explicit_jacobian(model: nn.Module, shape: tuple[int, ...]) -> None:
    x = gaussian(6, *shape)
    model.eval()
    expected = [
        np.linalg.norm(torch.func.jacrev(lambda z: model(z[None])[0])(row).detach().reshape(-1, row.numel()).numpy(), 2)
        for row in x
    ]
    np.testing.assert_allclose(local_lipschitz(model, x).per_point, expected, rtol=1e-10)


def test_finite_differences() -> None:
    model, x = mlp(3).eval(), gaussian(4, 5)
    steps = 1e-6 * torch.eye(5, dtype=torch.float64)
    with torch.no_grad():
        columns = [(model(x + step) - model(x - step)) / 2e-6 for step in steps]
    expected = torch.linalg.matrix_norm(torch.stack(columns, dim=2), 2).numpy()
    np.testing.assert_allclose(local_lipschitz(model, x).per_point, expected, rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_batches_do_not_matter(batch_size: int) -> None:
    model, x = convolutional(), gaussian(9, 2, 4, 4)
    whole = local_lipschitz(model, x).per_point
    np.testing.assert_allclose(local_lipschitz(model, x, batch_size=batch_size).per_point, whole, rtol=1e-12)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100))
def test_invariances(seed: int, scale: float) -> None:
    """Permuting the units and moving a factor between ReLU layers changes nothing; scaling the output scales it."""
    model = filled(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)), seed)
    x = gaussian(8, 4, seed=seed)
    before = local_lipschitz(model, x).per_point
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    first, _, last = model
    first.weight.data, first.bias.data = scale * first.weight.data[order], scale * first.bias.data[order]
    last.weight.data = last.weight.data[:, order] / scale
    np.testing.assert_allclose(local_lipschitz(model, x).per_point, before, rtol=1e-10)
    last.weight.data *= scale
    np.testing.assert_allclose(local_lipschitz(model, x).per_point, scale * before, rtol=1e-10)


def test_is_the_normalised_step_of_the_first_bias_behind_an_identity() -> None:
    """What a training with plain SGD sees (arXiv 2106.04186): ||dl/db1|| / |dl/df| = ||df/dx||, example by example."""
    model, x, y = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), mlp(1)).double().eval(), gaussian(20, 5), gaussian(20, 1)
    model[0].weight.data = torch.eye(5, dtype=torch.float64)
    steps = []
    for i in range(20):
        outputs = model(x[i : i + 1])
        loss = (outputs - y[i : i + 1]).square().sum() / 2
        (gradient,) = torch.autograd.grad(loss, model[0].bias)
        steps.append(float(gradient.norm() / (outputs.detach() - y[i : i + 1]).abs().sum()))
    np.testing.assert_allclose(local_lipschitz(model, x).per_point, steps, rtol=1e-11)


def test_differences_of_outputs_never_exceed_it_in_a_linear_region() -> None:
    model, x = mlp(3).eval(), gaussian(30, 5)
    small = 1e-7 * gaussian(30, 5, seed=1)
    with torch.no_grad():
        ratios = (model(x + small) - model(x)).norm(dim=1) / small.norm(dim=1)
    assert (ratios.numpy() <= local_lipschitz(model, x).per_point * (1 + 1e-6)).all()


def test_float32_arrays_single_points_and_constant_networks() -> None:
    model, x = mlp(3), gaussian(5, 5)
    exact = local_lipschitz(model, x)
    np.testing.assert_allclose(local_lipschitz(model.float(), x.float().numpy()).per_point, exact.per_point, rtol=1e-4)
    assert math.isnan(local_lipschitz(model, x[:1].float()).stderr)
    dead = nn.Sequential(nn.Linear(5, 2), nn.ReLU()).double()
    dead[0].bias.data -= 100
    assert local_lipschitz(dead, x).largest == 0.0


def test_layers_that_flatten_to_one_number_an_example_are_one_output() -> None:
    model = nn.Sequential(filled(nn.Linear(5, 1)), nn.Flatten(0))
    expected = float(model[0].weight.detach().norm())
    assert local_lipschitz(model, gaussian(3, 5)).value == pytest.approx(expected)


class Constant(nn.Module):
    """Puts out numbers that do not depend on its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.new_ones(len(x), 2)


def test_network_without_a_path_from_its_input() -> None:
    assert local_lipschitz(Constant(), gaussian(3, 5)).per_point.tolist() == [0.0, 0.0, 0.0]


def poisoned() -> Tensor:
    x = gaussian(4, 5)
    x[1, 2] = math.nan
    return x


class Root(nn.Module):
    """Its derivative is infinite at 0."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs().sqrt()


@pytest.mark.parametrize(
    ("model", "x", "options", "message"),
    [
        (mlp(2), poisoned(), {}, "1 of 4 inputs hold NaN or infinity"),
        (mlp(2).half(), gaussian(4, 5).half(), {}, "parameter '0.weight' is torch.float16; this measure needs float32"),
        (nn.ReLU(), gaussian(4, 5).half(), {}, "inputs are torch.float16"),
        (nn.Embedding(3, 2), torch.zeros(4, 2, dtype=torch.long), {}, "inputs are torch.int64; derivatives"),
        (mlp(2), gaussian(0, 5), {}, r"inputs of shape \(0, 5\) are not valid"),
        (mlp(2), gaussian(5), {}, r"inputs of shape \(5,\) are not valid"),
        (mlp(2), gaussian(4, 5), {"sigmoid": True}, "sigmoid=True is not valid for 2 outputs"),
        (mlp(2), gaussian(4, 5), {"batch_size": 0}, "batch_size=0 is not valid"),
        (nn.Flatten(0), gaussian(4, 5), {}, r"4 examples gave outputs of shape \(20,\)"),
        (Root(), torch.zeros(3, 2), {}, "the Jacobian holds NaN or infinity at 3 of 3 points"),
    ],
)
def test_refuses(model: nn.Module, x: Tensor, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        local_lipschitz(model, x, **options)


def test_refuses_weights_that_are_not_finite() -> None:
    model = mlp(2)
    model[0].bias.data[0] = math.inf
    with pytest.raises(ValueError, match=r"parameter '0\.bias' holds NaN or infinity"):
        local_lipschitz(model, gaussian(3, 5))
