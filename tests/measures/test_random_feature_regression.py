"""Random-feature regression: the published table, least squares by NumPy, and bad input."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from measures import draw_random_features, random_feature_regression


def test_published_table() -> None:
    """The notebook's own draws, in its order: 200 points to train on and 200 to test on for d = 5, 7 .. 399."""
    expected = {
        75: (0.1339, 0.0878, 0.1165),
        175: (0.1742, 0.0207, 1.4229),
        199: (1.9625, 0.0033, 5.9328),
        201: (1.3401, 0, 6.4193),
        225: (0.2251, 0, 1.5364),
        399: (0.0628, 0, 0.2042),
    }
    draws, found = np.random.RandomState(88), {}
    for num_features in range(5, 400, 2):
        train, test = (draw_random_features(200, num_features, draws) for _ in range(2))
        if num_features in expected:
            result = random_feature_regression(*train, *test, z=0.001 * 200)
            found[num_features] = (result.test_error, result.train_error, result.undetermined)
            assert result.effective_dimensionality + result.undetermined == pytest.approx(min(200, num_features))
    for num_features, values in expected.items():
        assert found[num_features] == pytest.approx(values, abs=5.1e-5)


def test_is_least_squares_of_minimum_norm() -> None:
    rng = np.random.default_rng(0)
    for num_features in (4, 30):
        x, y, x_test, y_test = *draw_random_features(20, num_features, rng), *draw_random_features(9, num_features, rng)
        x[:, 1] = 2 * x[:, 0]  # a feature that adds nothing
        found = random_feature_regression(x, y, x_test, y_test, z=0.5)
        weights = np.linalg.lstsq(x, y, rcond=None)[0]
        for error, inputs, targets in ((found.train_error, x, y), (found.test_error, x_test, y_test)):
            direct = np.linalg.norm(inputs @ weights - targets) / np.linalg.norm(targets)
            assert error == pytest.approx(direct, rel=1e-9, abs=1e-12)
        gram = np.linalg.eigvalsh(x @ x.T)
        assert found.effective_dimensionality == pytest.approx((gram / (gram + 0.5)).sum())


def test_features_are_noisy_copies_of_the_target() -> None:
    x, y = draw_random_features(20_000, 5, np.random.default_rng(1), num_informative=3)
    noise = x - np.array([1, 1, 1, 0, 0]) * y[:, None]
    np.testing.assert_allclose(np.cov(np.column_stack([noise, y]).T), np.eye(6), atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.eye(3), np.ones(2), np.eye(3), np.ones(3)), "3 examples have 2 targets"),
        ((np.eye(3), np.ones(3), np.eye(2), np.ones(2)), "3 features to train on and 2 to test on"),
        ((np.eye(3), np.zeros(3), np.eye(3), np.ones(3)), "all targets are 0"),
        ((np.full((3, 3), math.inf), np.ones(3), np.eye(3), np.ones(3)), "3 of 3 rows hold NaN or infinity"),
    ],
)
def test_refuses(arguments: tuple[NDArray[np.float64], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_feature_regression(*arguments, z=1.0)


def test_refuses_a_z_that_is_not_positive() -> None:
    with pytest.raises(ValueError, match="z=0 is not valid"):
        random_feature_regression(np.eye(3), np.ones(3), np.eye(3), np.ones(3), z=0)
