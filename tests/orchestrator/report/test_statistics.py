"""Statistics against scipy and against cases worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from orchestrator.report.statistics import mean, spearman


@pytest.mark.parametrize("seed", range(5))
def test_spearman_agrees_with_scipy_with_and_without_ties(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.normal(size=12).tolist(), generator.integers(0, 4, size=12).astype(float).tolist()
    expected = stats.spearmanr(first, second).statistic
    assert spearman(first, second, generator).rho == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("second", "rho"), [([1.0, 8, 27, 64, 125], 1.0), ([5.0, 4, 3, 2, 1], -1.0)])
def test_spearman_of_monotone_pairs_is_one_and_so_is_its_interval(second: list[float], rho: float) -> None:
    result = spearman([1.0, 2, 3, 4, 5], second, np.random.default_rng(0))
    assert (result.rho, result.low, result.high, result.n) == pytest.approx((rho, rho, rho, 5))


def test_interval_agrees_with_the_bootstrap_of_scipy() -> None:
    generator = np.random.default_rng(1)
    first = generator.normal(size=40)
    second = first + generator.normal(size=40)
    ours = spearman(first.tolist(), second.tolist(), generator, resamples=4000)

    def rho(one: np.ndarray, other: np.ndarray) -> float:
        return float(stats.spearmanr(one, other).statistic)

    theirs = stats.bootstrap(
        (first, second), rho, paired=True, vectorized=False, method="percentile", n_resamples=2000, rng=generator
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_interval_depends_on_nothing_but_data_and_seed() -> None:
    values = [3.0, 1, 2, 5, 4], [1.0, 2, 3, 5, 4]
    assert spearman(*values, np.random.default_rng(7)) == spearman(*values, np.random.default_rng(7))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_mean_and_standard_error_agree_with_scipy(values: list[float]) -> None:
    result = mean(values)
    assert result.n == len(values)
    assert result.value == pytest.approx(np.mean(values), abs=1e-6)
    assert result.stderr == pytest.approx(stats.sem(values), abs=1e-6)


def test_one_value_has_no_standard_error() -> None:
    assert mean([3.0]).stderr is None


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "rank correlation of 2 pairs"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "3 and 2 values do not pair up"),
        ([1.0, math.nan, 3.0], [1.0, 2.0, 3.0], "rank correlation with nan"),
        ([1.0, 2.0, 3.0], [4.0, 4.0, 4.0], r"values that are all 4\.0"),
    ],
)
def test_what_cannot_be_ranked_is_refused(first: list[float], second: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spearman(first, second, np.random.default_rng(0))


def test_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="mean of no values"):
        mean([])
