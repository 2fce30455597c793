"""Function space: Gram matrices against parameter space, draws of a known covariance, the ceiling, and bad input."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.func import functional_call, jacrev
from torch.nn import functional as F

from measures import (
    dense_spectrum,
    function_space_dimensionality,
    ggn_operator,
    posterior_contraction,
    predictive_dimensionality,
)
from measures.posterior_contraction import effective_dimensionality

DECAYING = 1 / np.arange(1, 41)


def normal(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


def functions(num_draws: int, seed: int = 0) -> NDArray[np.float64]:
    """Draws at 40 points, with the covariance eigenvalues 1/k."""
    rotation = np.linalg.qr(normal(40, 40, seed=99))[0]
    return 5 + (normal(num_draws, 40, seed=seed) * np.sqrt(DECAYING)) @ rotation


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (6, 6)])
def test_function_space_and_parameter_space_have_one_number(shape: tuple[int, int]) -> None:
    features = normal(*shape)
    for z in (0.1, 3.0):
        found = function_space_dimensionality(features, z=z)
        for matrix in (features @ features.T, features.T @ features):
            eigenvalues = np.linalg.eigvalsh(matrix).clip(min=0)
            assert found.value == pytest.approx((eigenvalues / (eigenvalues + z)).sum(), rel=1e-10)
    assert found.ceiling == min(shape) == len(found.eigenvalues) and found.stderr is None and found.bias is None


def test_it_is_the_contraction_of_the_posterior_in_units_of_the_prior() -> None:
    features = normal(7, 12)
    contraction = posterior_contraction(features, prior_variance=3.0, noise_variance=0.4)
    found = function_space_dimensionality(features, z=0.4 / 3.0)
    assert found.value == pytest.approx(contraction.effective_dimensionality, rel=1e-12)


def test_of_a_jacobian_it_is_that_of_the_gauss_newton_matrix() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    x, weights = torch.from_numpy(normal(8, 3)), dict(model.named_parameters())
    parts = jacrev(lambda parameters: functional_call(model, parameters, (x,))[:, 0])(weights)
    jacobian = torch.cat([part.flatten(start_dim=1) for part in parts.values()], dim=1).detach()
    operator = ggn_operator(model, F.mse_loss, [(x, torch.zeros(8, 1, dtype=torch.float64))])
    expected = dense_spectrum(operator).effective_dimensionality(0.05).value
    assert function_space_dimensionality(jacobian / math.sqrt(8 / 2), z=0.05).value == pytest.approx(expected)


def test_a_number_that_the_points_limit_is_said() -> None:
    features = normal(10, 200)
    found = function_space_dimensionality(features, z=0.1)
    assert found.ceiling == 10 and found.value > 9.9
    (note,) = found.notes
    assert note.startswith(f"{found.value:.4g} is near the most that 10 points can show: it says how many there are")
    assert function_space_dimensionality(features, z=100.0).notes == ()
    assert function_space_dimensionality(features.T, z=0.1).notes == ()  # 10 features and no more


def test_draws_of_a_known_covariance() -> None:
    expected = effective_dimensionality(DECAYING, 0.1)
    found = predictive_dimensionality(functions(4000), z=0.1)
    assert found.stderr is not None and found.bias is not None
    assert abs(found.value - found.bias - expected) < 3 * found.stderr < 0.02 * expected
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(np.cov(functions(4000).T)), rtol=1e-9)
    assert found.notes == () and found.ceiling == 40


def test_standard_error_is_the_spread_of_other_draws() -> None:
    found = [predictive_dimensionality(functions(300, seed), z=0.1) for seed in range(60)]
    spread = np.std([each.value for each in found], ddof=1)
    assert 0.75 < np.mean([each.stderr for each in found]) / spread < 1.35


def test_bias_is_what_few_draws_miss() -> None:
    found = [predictive_dimensionality(functions(400, seed), z=0.1) for seed in range(20)]
    missing = np.mean([each.value for each in found]) - effective_dimensionality(DECAYING, 0.1)
    assert missing < 0 and np.mean([each.bias for each in found]) == pytest.approx(missing, rel=0.25)


def test_blocks_keep_the_draws_of_a_chain_together() -> None:
    """Every draw three times in a row holds no more than the draws once: the error must not fall by sqrt(3)."""
    once = predictive_dimensionality(functions(400), z=0.1)
    chain = predictive_dimensionality(np.repeat(functions(400), 3, axis=0), z=0.1)
    assert once.stderr is not None and chain.stderr == pytest.approx(once.stderr, rel=0.05)


def test_an_offset_and_the_order_of_points_change_nothing() -> None:
    draws = functions(100)
    one, two = (predictive_dimensionality(x, z=0.1) for x in (draws, draws[:, ::-1] - 3 * draws[0]))
    assert one.value == pytest.approx(two.value, rel=1e-9) and one.stderr == pytest.approx(two.stderr, rel=1e-6)


@pytest.mark.parametrize(("num_draws", "z", "limit"), [(30, 1e-10, "30 draws"), (3000, 1e-10, "40 points")])
def test_the_published_curve_is_its_ceiling(num_draws: int, z: float, limit: str) -> None:
    """At z = 1e-10 the value is the number of draws less one, or that of points, whatever the function is."""
    found = predictive_dimensionality(functions(num_draws), z=z)
    assert found.value == pytest.approx(min(num_draws - 1, 40), rel=1e-6) and found.ceiling == min(num_draws - 1, 40)
    assert any(f"is near the most that {limit} can show" in note for note in found.notes)


def test_directions_that_are_many_for_their_draws_are_said() -> None:
    found = predictive_dimensionality(functions(45), z=0.1)
    assert found.notes == (f"{found.value:.4g} directions are many for 45 draws: the value is too low; see its bias.",)


def test_few_draws_have_no_standard_error() -> None:
    found = predictive_dimensionality(functions(39), z=100.0)
    assert found.stderr is None and found.bias is None
    assert found.notes == ("39 draws are too few for a standard error: 40 are needed.",)


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        (np.ones((1, 5)), r"shape \(1, 5\) is not valid: examples in rows, at least 2"),
        (np.ones((4, 5)), "all 4 points are equal"),
        (np.full((4, 5), math.nan), "4 of 4 rows hold NaN or infinity"),
    ],
)
def test_refuses_draws(draws: NDArray[np.float64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictive_dimensionality(draws, z=1.0)


def test_refuses_features_and_z() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\) is not valid"):
        function_space_dimensionality(np.ones(3), z=1.0)
    for measure in (function_space_dimensionality, predictive_dimensionality):
        with pytest.raises(ValueError, match=r"z=-1\.0 is not valid"):
            measure(normal(50, 3), z=-1.0)
