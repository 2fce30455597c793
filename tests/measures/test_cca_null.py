"""The null law of canonical correlations against moments known exactly, brute force and published values."""

import numpy as np
import pytest
from scipy.special import beta

from measures import mean_cca, r2_cca, svcca
from measures.cca_null import null_correlations, null_mean_correlation, null_mean_square, num_forced


@pytest.mark.parametrize(
    ("p", "q", "n"), [(1, 1, 9), (2, 5, 20), (6, 6, 30), (4, 4, 7), (5, 3, 8), (3, 2, 4), (9, 9, 10)]
)
def test_mean_square_is_the_exact_one_and_forced_correlations_are_one(p: int, q: int, n: int) -> None:
    rng = np.random.default_rng(0)
    draws = np.array([null_correlations(p, q, n, rng) for _ in range(3000)])
    assert draws.shape[1] == min(p, q)
    assert np.mean(draws**2) == pytest.approx(null_mean_square(p, q, n), rel=0.03)
    forced = num_forced(p, q, n)
    assert np.all(np.sort(draws, axis=1)[:, min(p, q) - forced :] == 1.0)


@pytest.mark.parametrize(("p", "q", "n"), [(2, 2, 8), (5, 3, 20), (4, 4, 7), (3, 5, 8)])
def test_law_is_that_of_gaussian_data(p: int, q: int, n: int) -> None:
    rng = np.random.default_rng(1)
    brute = []
    for _ in range(2000):
        x, y = (side - side.mean(axis=0) for side in (rng.normal(size=(n, p)), rng.normal(size=(n, q))))
        brute.append(np.linalg.svd(np.linalg.qr(x)[0].T @ np.linalg.qr(y)[0], compute_uv=False))
    drawn = np.array([np.sort(null_correlations(p, q, n, rng))[::-1] for _ in range(2000)])
    np.testing.assert_allclose(drawn.mean(axis=0), np.mean(brute, axis=0), rtol=0.05)
    np.testing.assert_allclose((drawn**4).mean(axis=0), (np.array(brute) ** 4).mean(axis=0), rtol=0.2)


@pytest.mark.parametrize(("p", "n"), [(1, 10), (1, 1000), (7, 30)])
def test_one_unit_has_a_closed_form_that_the_draws_agree_with(p: int, n: int) -> None:
    rng = np.random.default_rng(0)
    draws = [null_correlations(p, 1, n, rng) for _ in range(5000)]
    assert null_mean_correlation(p, 1, n) == pytest.approx(np.mean(draws), rel=0.04)
    if p == 1:
        expected = beta(1, n / 2 - 1) / beta(1 / 2, n / 2 - 1)
        assert null_mean_correlation(1, 1, n) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("n", "published"),
    [(101, 1.0), (200, 0.639), (500, 0.393), (1000, 0.269), (2000, 0.191), (5000, 0.120), (10000, 0.085)],
)
def test_published_null_of_a_hundred_units(n: int, published: float) -> None:
    """Single draws, whose standard deviation is 0.0035 at n = 200 and falls from there."""
    assert null_mean_correlation(100, 100, n) == pytest.approx(published, abs=0.0055)


@pytest.mark.parametrize(("p", "q", "n", "published"), [(500, 500, 10000, 0.1906), (20, 20, 10000, 0.0352)])
def test_gaussian_baselines_of_the_svcca_tutorial(p: int, q: int, n: int, published: float) -> None:
    assert null_mean_correlation(p, q, n) == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize(("measure", "num_draws"), [(mean_cca, 30), (r2_cca, 30), (svcca, 30)])
def test_values_of_independent_data_lie_around_the_null_beside_them(measure, num_draws: int) -> None:
    rng = np.random.default_rng(0)
    results = [measure(rng.normal(size=(60, 8)), rng.uniform(size=(60, 5)) ** 2) for _ in range(num_draws)]
    spread = np.std([result.value for result in results])
    assert abs(np.mean([result.value - result.null for result in results])) < 4 * spread / num_draws**0.5
