"""Singular values of perturbed activations: closed forms, numpy, the theory of small noise, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Measurement, Snapshot, Split, perturbation_spectra, perturbation_svd
from measures.directional_derivatives import directional_derivatives
from measures.perturbation_svd import singular_values


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_model() -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.Softplus(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 5),
        nn.ELU(inplace=True),
        nn.Linear(5, 3),
    ).double()
    for i, parameter in enumerate(model.parameters()):
        parameter.data = gaussian(*parameter.shape, seed=i)
    return model.eval()


LAYERS = ("0", "2", "5")


def measure(model: nn.Module, layers: tuple[str, ...], x: Tensor, **settings: Any) -> Measurement:
    data = Split(x, torch.zeros(len(x)).long())
    return perturbation_svd(
        Snapshot(model, layers, data, Split(x * math.nan, data.targets), F.cross_entropy), **settings
    )


def test_input_has_the_known_shares_of_an_image() -> None:
    # 784 pixels, squared norm 100: the shares of noise in closed form.
    x = math.sqrt(100 / 784) * torch.ones(20, 784)
    found = measure(nn.Sequential(nn.Flatten(), nn.Linear(784, 2)), (), x)
    for sigma, rounded in ((0.2, 0.76), (0.1, 0.928), (0.01, 0.9992)):
        share = found.values[f"input.sigma_{sigma}.share_1"]
        noise = sigma**2 * 784
        assert share.value == pytest.approx(
            (128 * 100 + noise) / (128 * 100 + 128 * noise), abs=4 * share.stderr + 1e-3
        )
        assert share.value == pytest.approx(rounded, rel=6e-3)
        tail = np.square(found.arrays[f"input.sigma_{sigma}"][:, 1:]).sum(axis=1)
        np.testing.assert_allclose(tail, 127 * noise, rtol=0.03)
    ratio = found.values["input.jacobian_over_activation"]
    assert abs(ratio.value - 7.84) < 4 * ratio.stderr


def test_linear_layer_converges_to_its_jacobian_and_the_mean_direction() -> None:
    layer, x, sigma = nn.Linear(6, 4).double(), gaussian(6, seed=3), 0.3
    with torch.no_grad():
        columns = torch.cat([layer(x)[:, None], sigma * layer.weight], dim=1)
    limit, errors = torch.linalg.svdvals(columns).numpy(), []
    for num_copies in (400, 40_000):
        draws = gaussian(num_copies, 6, seed=1)
        (spectrum,) = perturbation_spectra(nn.Sequential(layer), x, draws, ["0"], [sigma])["layer.0"]
        np.testing.assert_allclose(spectrum.measured, spectrum.linear, rtol=1e-12)
        errors.append(np.abs(spectrum.measured / math.sqrt(num_copies) / limit - 1).max())
    assert errors[1] < 0.02 and errors[1] < 0.5 * errors[0]
    frobenius = float(layer.weight.detach().square().sum() / columns[:, 0].square().sum())
    assert spectrum.jacobian_over_activation == pytest.approx(frobenius, rel=0.03)


def test_equals_a_loop_over_copies_with_numpy() -> None:
    model, x, draws = make_model(), gaussian(1, 4, 4, seed=5), gaussian(9, 1, 4, 4, seed=6)
    found = perturbation_spectra(model, x, draws, LAYERS, (0.5, 0.1))
    for index, sigma in enumerate((0.5, 0.1)):
        for layer in LAYERS:
            part = model[: int(layer) + 1]
            rows = np.stack([part((x + sigma * z)[None]).detach().numpy().ravel() for z in draws])
            spectrum = found[f"layer.{layer}"][index]
            np.testing.assert_allclose(spectrum.measured, np.linalg.svd(rows, compute_uv=False), atol=1e-12)
            centred = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
            np.testing.assert_allclose(spectrum.centred, centred, atol=1e-12)


def test_derivatives_equal_those_of_whole_jacobians() -> None:
    model, x, draws = make_model(), gaussian(1, 4, 4, seed=5), gaussian(9, 1, 4, 4, seed=6)
    found = directional_derivatives(model, x.expand_as(draws), draws, LAYERS)
    for layer in LAYERS:
        part = model[: int(layer) + 1]
        jacobian = torch.autograd.functional.jacobian(lambda x, part=part: part(x[None]).flatten(), x).flatten(1)
        torch.testing.assert_close(found[layer], draws.flatten(1) @ jacobian.T, rtol=1e-12, atol=1e-12)
        assert not found[layer].requires_grad


def test_theory_is_approached_as_the_square_of_the_noise() -> None:
    model, x, draws = make_model(), gaussian(1, 4, 4, seed=5), gaussian(30, 1, 4, 4, seed=6)
    found = perturbation_spectra(model, x, draws, ["2"], (1e-2, 1e-3, 1e-4))["layer.2"]
    gaps = [np.abs(s.measured - s.linear)[0] for s in found]  # type: ignore[operator]  # all have a theory here
    assert gaps[1] < 0.05 * gaps[0] and gaps[2] < 0.05 * gaps[1]
    with torch.no_grad():
        activation = model[:3](x[None]).flatten()
    derivative = directional_derivatives(model, x.expand_as(draws), draws, ["2"])["2"]
    across = derivative - torch.outer(derivative @ activation, activation) / activation.square().sum()
    noise = (across - across.mean(dim=0)).square().sum() / (30 * activation.square().sum())
    squares = np.square(found[2].measured)
    assert squares[1:].sum() / squares.sum() == pytest.approx(1e-4**2 * float(noise), rel=1e-3)


def test_shares_do_not_feel_scale_rotation_or_the_order_of_units() -> None:
    model, x = make_model(), gaussian(5, 1, 4, 4, seed=7)
    before = measure(model, ("5",), x)
    rotation = torch.linalg.qr(gaussian(5, 5, seed=8)).Q
    for change in (3 * torch.eye(5).double(), rotation, torch.eye(5)[[2, 0, 4, 1, 3]].double()):
        changed = make_model()
        changed[5].weight.data, changed[5].bias.data = change @ model[5].weight.data, change @ model[5].bias.data
        after = measure(changed, ("5",), x)
        for name in ("share_1", "share_2", "share_rest", "centred_share_1", "linear_share_1"):
            field = f"layer.5.sigma_0.1.{name}"
            assert after.values[field].value == pytest.approx(before.values[field].value, rel=1e-9)
            assert after.values[field].stderr == pytest.approx(before.values[field].stderr, rel=1e-6)


def test_summary_over_examples() -> None:
    found = measure(make_model(), ("5",), gaussian(6, 1, 4, 4, seed=7), num_copies=20)
    values = found.arrays["layer.5.sigma_0.2"]
    assert values.shape == (6, 5) and found.arrays["input.sigma_0.2"].shape == (6, 16)
    shares = np.square(values) / np.square(values).sum(axis=1, keepdims=True)
    share = found.values["layer.5.sigma_0.2.share_1"]
    assert share.value == pytest.approx(shares[:, 0].mean())
    assert share.stderr == pytest.approx(shares[:, 0].std(ddof=1) / math.sqrt(6))
    assert found.values["layer.5.sigma_0.2.singular_value_2"].value == pytest.approx(values[:, 1].mean())
    linear = found.arrays["layer.5.sigma_0.2.linear"]
    assert found.values["layer.5.sigma_0.2.linear_singular_value_2"].value == pytest.approx(linear[:, 1].mean())
    assert found.notes == ()


def test_draws_are_common_to_checkpoints_and_sigmas() -> None:
    x = gaussian(6, 1, 4, 4, seed=7)
    one, other = measure(make_model(), LAYERS, x), measure(make_model(), ("5",), x, sigmas=(0.1,), num_examples=3)
    assert np.array_equal(one.arrays["layer.5.sigma_0.1"][:3], other.arrays["layer.5.sigma_0.1"])


@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (7, 1), (1, 7)])
def test_singular_values_of_wide_and_tall_matrices(shape: tuple[int, int]) -> None:
    matrix = gaussian(*shape) @ torch.diag(torch.logspace(0, -9, shape[1], dtype=torch.float64))
    expected = np.linalg.svd(matrix.numpy(), compute_uv=False)
    np.testing.assert_allclose(singular_values(matrix), expected, atol=1e-14 * expected[0])


def test_dead_layer_and_layer_of_one_unit() -> None:
    model = nn.Sequential(nn.Linear(4, 1), nn.ReLU(), nn.Linear(1, 2)).double()
    model[0].bias.data -= 100
    found = measure(model, ("0", "1"), gaussian(6, 4))
    assert found.values["layer.0.sigma_0.1.share_1"].value == 1.0
    assert found.values["layer.0.sigma_0.1.singular_value_2"].value == 0.0
    assert math.isnan(found.values["layer.1.sigma_0.1.share_1"].value)
    assert math.isnan(found.values["layer.1.jacobian_over_activation"].value)
    assert found.notes == ("Layer 1 is 0 on all copies of 6 of 6 examples, which have no shares.",)


class Doubled(torch.autograd.Function):
    """Has no forward mode."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x


class Layer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Doubled.apply(x)


def test_network_without_forward_mode_has_no_theory() -> None:
    found = measure(nn.Sequential(Layer()), ("0",), gaussian(6, 4))
    assert found.notes == ("Layer 0 cannot be differentiated at 6 of 6 examples: no linear theory.",)
    assert math.isnan(found.values["layer.0.sigma_0.1.linear_share_1"].value)
    assert found.values["layer.0.sigma_0.1.share_1"] == found.values["input.sigma_0.1.share_1"]
    assert np.isnan(found.arrays["layer.0.sigma_0.1.linear"]).all()


def test_infinite_slope_has_no_theory() -> None:
    class Root(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.abs().sqrt()

    x = gaussian(6, 4)
    x[0] = 0
    found = measure(nn.Sequential(Root()), ("0",), x)
    assert found.notes == ("Layer 0 cannot be differentiated at 1 of 6 examples: no linear theory.",)
    assert np.isnan(found.arrays["layer.0.sigma_0.1.linear"]).all(axis=1).sum() == 1


def test_layer_that_does_not_depend_on_the_input() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(len(x), 3).double()

    found = measure(nn.Sequential(Constant()), ("0",), gaussian(6, 4))
    assert (
        found.values["layer.0.sigma_0.2.share_1"].value == found.values["layer.0.sigma_0.2.linear_share_1"].value == 1
    )
    assert found.values["layer.0.jacobian_over_activation"].value == 0.0


@pytest.mark.parametrize(
    ("x", "layers", "message"),
    [
        (torch.zeros(4, 3).long(), (), "inputs are torch.int64"),
        (torch.full((4, 3), math.nan), (), "4 of 4 inputs hold NaN"),
        (gaussian(4, 3), ("7",), "unknown layer '7'"),
        (gaussian(4, 3), ("0",), "layer.0 holds NaN or infinity at 128 of 128 noisy copies, sigma=0.2"),
    ],
)
def test_refuses(x: Tensor, layers: tuple[str, ...], message: str) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).double()
    model[0].weight.data[:] = 1e308
    model[0].bias.data[:] = 1.7e308
    with pytest.raises(ValueError, match=message):
        measure(model, layers, 1e3 * x if x.is_floating_point() else x)


def test_refuses_half_precision() -> None:
    with pytest.raises(ValueError, match=r"parameter '0\.weight' is torch\.float16"):
        measure(nn.Sequential(nn.Linear(3, 2)).half(), (), gaussian(4, 3))
