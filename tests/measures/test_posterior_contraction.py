"""Bayesian linear models: the published values, the contraction identity against dense algebra, and bad input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from measures import posterior_contraction
from measures.posterior_contraction import effective_dimensionality


def published_features(num_points: int, seed: int = 0) -> NDArray[np.float64]:
    """cos(k pi x), sin(k pi x), k = 1 .. 100, at points of 300 between 0 and 50, in random order."""
    x = np.linspace(0, 50, 300)[np.random.default_rng(seed).permutation(300)[:num_points]]
    phases = np.pi * x[:, None] * np.arange(1, 101)
    return np.hstack([np.cos(phases), np.sin(phases)])


@pytest.mark.parametrize(
    ("num_points", "parameters", "function", "contraction"),
    [(1, 74.63, 0.020, 2.999), (50, 56.26, 0.980, None), (100, 37.53, 1.96, None), (300, 0.03, 3.921, 599.867)],
)
def test_published_curves(num_points: int, parameters: float, function: float, contraction: float | None) -> None:
    """To the digits printed, at z = 5, prior variance 3, noise variance 0.1."""
    found = posterior_contraction(published_features(num_points), prior_variance=3.0, noise_variance=0.1)
    assert found.parameter_dimensionality(5.0) == pytest.approx(parameters, abs=0.005)
    assert found.function_dimensionality(5.0) == pytest.approx(function, abs=0.0005 if function != 1.96 else 0.005)
    if contraction is not None:
        assert found.value == pytest.approx(contraction, abs=0.0005)
    assert found.num_unchanged == max(0, 200 - num_points) and found.stderr is None


@pytest.mark.parametrize(("num_points", "value"), [(175, 10.5), (200, 3.3), (225, 0.5)])
def test_published_curve_in_the_middle_depends_on_the_order(num_points: int, value: float) -> None:
    found = [
        posterior_contraction(published_features(num_points, seed), prior_variance=3.0, noise_variance=0.1)
        for seed in range(8)
    ]
    values = [each.parameter_dimensionality(5.0) for each in found]
    assert min(values) - 0.1 * value <= value <= max(values) + 0.1 * value


DESIGNS = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
VARIANCES = st.floats(0.05, 20)


def design(num_points: int, num_features: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(num_points, num_features))


@given(DESIGNS, VARIANCES, VARIANCES)
@settings(max_examples=60, deadline=None)
def test_the_contraction_identity_holds(shape: tuple[int, int, int], prior: float, noise: float) -> None:
    """Theorem 4.1 against the covariance as its definition has it, inverted densely."""
    features = design(*shape)
    found = posterior_contraction(features, prior_variance=prior, noise_variance=noise)
    covariance = np.linalg.inv(features.T @ features / noise + np.eye(shape[1]) / prior)
    assert found.value == pytest.approx(prior * shape[1] - np.trace(covariance), rel=1e-8, abs=1e-9)
    assert found.value == pytest.approx(prior * found.effective_dimensionality, rel=1e-12)
    np.testing.assert_allclose(found.variances, np.linalg.eigvalsh(covariance), rtol=1e-7)
    function = np.linalg.eigvalsh(features @ covariance @ features.T)[-min(shape[:2]) :]
    np.testing.assert_allclose(found.function_variances, function, rtol=1e-7, atol=1e-12)
    expected = effective_dimensionality(np.linalg.eigvalsh(covariance), 0.7)
    assert found.parameter_dimensionality(0.7) == pytest.approx(expected)
    assert found.function_dimensionality(0.7) == pytest.approx(effective_dimensionality(function, 0.7))


def test_directions_that_no_point_sees_keep_the_prior_and_change_no_prediction() -> None:
    """Two of six points repeat others: rank 4 of 9 features."""
    features = design(6, 9, 0)
    features[4:] = features[:2]
    found = posterior_contraction(features, prior_variance=2.0, noise_variance=0.5)
    assert found.num_unchanged == 5
    np.testing.assert_allclose(found.variances[-5:], 2.0, rtol=1e-12)
    assert (found.variances[:4] < 1.9).all()
    covariance = np.linalg.inv(features.T @ features / 0.5 + np.eye(9) / 2)
    unchanged = np.linalg.eigh(covariance)[1][:, -5:]
    assert np.abs(features @ unchanged).max() < 1e-12


def test_more_points_never_contract_less() -> None:
    features = design(20, 7, 1)
    values = [posterior_contraction(features[:n], prior_variance=1.0, noise_variance=0.3).value for n in range(1, 21)]
    assert np.diff(values).min() > 0 and values[-1] < 7


def test_rotations_of_points_and_features_change_nothing() -> None:
    features = design(5, 8, 2)
    left, right = (np.linalg.qr(design(n, n, n))[0] for n in (5, 8))
    one, two = (
        posterior_contraction(x, prior_variance=1.5, noise_variance=0.3) for x in (features, left @ features @ right)
    )
    assert one.value == pytest.approx(two.value, rel=1e-10)
    np.testing.assert_allclose(one.variances, two.variances, rtol=1e-9)


def test_points_without_any_feature_tell_nothing() -> None:
    found = posterior_contraction(np.zeros((3, 4)), prior_variance=2.0, noise_variance=1.0)
    assert found.value == 0.0 and found.num_unchanged == 4 and (found.variances == 2.0).all()


@pytest.mark.parametrize(
    ("features", "variances", "message"),
    [
        (np.ones((2, 2)), {"prior_variance": 0.0}, r"prior_variance=0\.0 is not valid"),
        (np.ones((2, 2)), {"prior_variance": math.inf}, "prior_variance=inf is not valid"),
        (np.ones((2, 2)), {"noise_variance": -1.0}, r"noise_variance=-1\.0 is not valid"),
        (np.ones((2, 2)), {"noise_variance": math.nan}, "noise_variance=nan is not valid"),
        (np.ones(2), {}, r"shape \(2,\) is not valid"),
        (np.full((2, 2), math.nan), {}, "2 of 2 rows hold NaN or infinity"),
    ],
)
def test_refuses(features: NDArray[np.float64], variances: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        posterior_contraction(features, **({"prior_variance": 1.0, "noise_variance": 1.0} | variances))
