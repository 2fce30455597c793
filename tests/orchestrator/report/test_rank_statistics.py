"""Rank statistics against scipy, against their definitions, and on cases whose answer is known."""

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy import stats

from orchestrator.report.pairs import Pairs, pairs_of_cells, replicate_counts, weights, with_intervals
from orchestrator.report.rank_statistics import (
    conditional_information,
    environments,
    granulated_kendall,
    kendall,
    partial_kendall,
    sign_errors,
)
from tests.orchestrator.report.grids import SIMPSON_LEVELS, SIMPSON_MEASURE, SIMPSON_TARGET, alone, grid

SEEDS = range(5)


def drawn(seed: int, count: int, *, ties: bool) -> np.ndarray:
    """Two rows of numbers, of which some are equal if `ties`."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 4, size=(2, count)).astype(float) if ties else generator.normal(size=(2, count))


def tau(pairs: Pairs, x: np.ndarray, y: np.ndarray) -> float:
    return float(kendall(pairs.signs(x), pairs.signs(y), pairs.equally)[0])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_tau_agrees_with_scipy(seed: int, ties: bool) -> None:
    x, y = drawn(seed, 15, ties=ties)
    assert tau(pairs_of_cells(alone(x)), x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_tau_of_a_resample_agrees_with_scipy_on_the_drawn_trials(ties: bool) -> None:
    x, y = drawn(0, 12, ties=ties)
    pairs = pairs_of_cells(alone(x))
    counts = np.random.default_rng(1).integers(0, 3, size=(6, 12))
    (weight,) = weights(pairs, counts.astype(float))
    expected = [stats.kendalltau(x.repeat(count), y.repeat(count)).statistic for count in counts]
    assert kendall(pairs.signs(x), pairs.signs(y), weight) == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_partial_tau_is_that_of_regression_residuals_and_for_one_covariate_kendalls_formula(seed: int) -> None:
    pairs = pairs_of_cells(alone(range(20)))
    values = np.random.default_rng(seed).normal(size=(4, 20))
    x, y, *given = (pairs.signs(row) for row in values)
    design = np.column_stack(given)
    left = [row - design @ np.linalg.lstsq(design, row)[0] for row in (x, y)]
    expected = left[0] @ left[1] / np.linalg.norm(left[0]) / np.linalg.norm(left[1])
    assert partial_kendall(x, y, np.stack(given), pairs.equally)[0] == pytest.approx(expected, abs=1e-10)

    xy, xz, yz = (stats.kendalltau(values[i], values[j]).statistic for i, j in ((0, 1), (0, 2), (1, 2)))
    formula = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert partial_kendall(x, y, given[0][None], pairs.equally)[0] == pytest.approx(formula, abs=1e-10)


@pytest.mark.parametrize("sign", [1, -1])
def test_nothing_is_left_of_a_measure_that_orders_like_a_covariate(sign: int) -> None:
    pairs = pairs_of_cells(grid(4, replicates=3))
    signs = pairs.signs(np.random.default_rng(0).normal(size=12))
    width = pairs.signs(sign * np.exp(pairs.levels[:, 0]))
    assert np.isnan(partial_kendall(width, signs, pairs.signs(pairs.levels[:, 0])[None], pairs.equally)).all()


@pytest.mark.parametrize("ties", [False, True])
def test_granulated_tau_is_the_mean_of_scipys_over_lines(ties: bool) -> None:
    pairs = pairs_of_cells(grid(4, 3, 5))
    x, y = drawn(3, 60, ties=ties)
    found = granulated_kendall(pairs.signs(x), pairs.signs(y), pairs, pairs.equally)[0]
    for axis in range(3):
        others = np.delete(pairs.levels, axis, axis=1)
        lines = [np.flatnonzero((others == line).all(axis=1)) for line in np.unique(others, axis=0)]
        # A constant line has no tau in scipy, and counts as 0.
        each = [
            stats.kendalltau(x[line], y[line]).statistic if np.ptp(x[line]) and np.ptp(y[line]) else 0.0
            for line in lines
        ]
        assert found[axis] == pytest.approx(np.mean(each), abs=1e-12)


def test_an_axis_along_which_nothing_differs_alone_has_no_coefficient() -> None:
    pairs = pairs_of_cells(SIMPSON_LEVELS)
    found = granulated_kendall(pairs.signs(SIMPSON_MEASURE), pairs.signs(SIMPSON_TARGET), pairs, pairs.equally)[0]
    assert np.isnan(found).tolist() == [False, False, True]


def test_simpsons_paradox_overall_positive_and_every_granulated_coefficient_negative() -> None:
    pairs = pairs_of_cells(SIMPSON_LEVELS)
    measure, target = pairs.signs(SIMPSON_MEASURE), pairs.signs(SIMPSON_TARGET)
    assert tau(pairs, SIMPSON_MEASURE, SIMPSON_TARGET) == pytest.approx(1 / 7)  # 16 of 28 pairs agree
    assert granulated_kendall(measure, target, pairs, pairs.equally)[0, :2].tolist() == [-1, -1]
    noise = pairs.signs(SIMPSON_LEVELS[:, 2])
    assert partial_kendall(measure, target, noise[None], pairs.equally)[0] < -0.7


def test_a_function_of_one_setting_tells_along_that_axis_only_and_adds_no_information() -> None:
    pairs = pairs_of_cells(grid(3, 3, 2, replicates=3))
    target = np.random.default_rng(0).normal(size=54) * 0.1 + pairs.levels @ [1.0, 0.5, 0.3]
    measure = pairs.signs(np.exp(pairs.levels[:, 0]))
    width, *others = granulated_kendall(measure, pairs.signs(target), pairs, pairs.equally)[0]
    assert width > 0.9 and others == [0, 0]
    assert conditional_information(measure, pairs.signs(target), pairs, pairs.equally)[0] == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_measure_is_perfect_by_every_statistic_and_its_reverse_tells_as_much(sign: int) -> None:
    pairs = pairs_of_cells(grid(3, 3, 2, replicates=3))
    values = np.random.default_rng(0).normal(size=54) + pairs.levels.sum(axis=1)
    measure, target = pairs.signs(sign * np.exp(values)), pairs.signs(values)
    assert tau(pairs, sign * values, values) == pytest.approx(sign)
    assert granulated_kendall(measure, target, pairs, pairs.equally)[0] == pytest.approx([sign] * 3)
    given = pairs.signs(pairs.levels[:, 0])[None]
    assert partial_kendall(measure, target, given, pairs.equally)[0] == pytest.approx(sign)
    assert conditional_information(measure, target, pairs, pairs.equally)[0] == pytest.approx(1)


def test_the_intervals_of_an_independent_measure_cover_zero() -> None:
    generator = np.random.default_rng(3)
    pairs = pairs_of_cells(grid(3, 3, 2, replicates=3))
    measure, target = pairs.signs(generator.normal(size=54)), pairs.signs(generator.normal(size=54))
    given = pairs.signs(pairs.levels[:, 0])[None]

    def statistics(weight: np.ndarray) -> np.ndarray:
        granulated = granulated_kendall(measure, target, pairs, weight)
        partial = partial_kendall(measure, target, given, weight)
        return np.column_stack([kendall(measure, target, weight), partial, granulated.mean(axis=1), granulated])

    intervals = with_intervals(statistics, pairs, replicate_counts(pairs.cells, 400, generator))
    assert all(each.low is not None and each.high is not None and each.low < 0 < each.high for each in intervals)


def information_by_definition(pairs: Pairs, x: np.ndarray, y: np.ndarray) -> float:
    """The minimum over sets of axes, of sums over the joint probabilities of every ordered pair."""
    ordered = [(i, j) for i, j in permutations(range(len(x)), 2) if tuple(pairs.levels[i]) != tuple(pairs.levels[j])]
    shares: list[float] = []
    axes = range(pairs.levels.shape[1])
    for given in (chosen for size in range(3) for chosen in combinations(axes, size)):
        rows = [
            (
                tuple(pairs.levels[i, list(given)]) + tuple(pairs.levels[j, list(given)]),
                np.sign(x[i] - x[j]),
                np.sign(y[i] - y[j]),
            )
            for i, j in ordered
        ]
        information = entropy = 0.0
        for setting in {u for u, _, _ in rows}:
            inside = [(s, t) for u, s, t in rows if u == setting]
            share = len(inside) / len(rows)
            for t in {t for _, t in inside}:
                p_t = sum(other == t for _, other in inside) / len(inside)
                entropy -= share * p_t * math.log2(p_t)
                for s in {s for s, _ in inside}:
                    p_s = sum(other == s for other, _ in inside) / len(inside)
                    if joint := inside.count((s, t)) / len(inside):
                        information += share * joint * math.log2(joint / (p_s * p_t))
        shares.append(information / entropy)
    return min(shares)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_conditional_information_is_what_its_definition_says(seed: int, ties: bool) -> None:
    pairs = pairs_of_cells(grid(2, 2, 2, replicates=2))
    x, y = drawn(seed, 16, ties=ties)
    found = conditional_information(pairs.signs(x), pairs.signs(y), pairs, pairs.equally)[0]
    assert found == pytest.approx(information_by_definition(pairs, x, y), abs=1e-10)


def test_environments_are_the_pairs_of_cells_that_differ_on_one_axis() -> None:
    pairs = pairs_of_cells(grid(2, 3, replicates=2))
    found = environments(pairs, np.arange(12.0))
    expected = [(a, b) for a, b in combinations(range(6), 2) if (a // 3 == b // 3) or (a % 3 == b % 3)]
    assert [tuple(pair) for pair in found.cells] == expected
    assert found.axis.tolist() == [int(a // 3 == b // 3) for a, b in expected]
    assert np.bincount(found.number).tolist() == [4] * len(expected)


def test_the_weight_of_an_environment_is_the_certainty_of_welchs_test() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=12) * generator.uniform(0.1, 2, size=12) + np.repeat([0.0, 0.5, 3.0], 4)
    found = environments(pairs_of_cells(grid(3, replicates=4)), values)
    parts = values.reshape(3, 4)
    p = [stats.ttest_ind(parts[a], parts[b], equal_var=False).pvalue for a, b in found.cells]
    assert found.weight == pytest.approx(np.maximum(0, 1 - 2 * np.array(p)), abs=1e-10)


def test_differences_within_the_noise_or_of_unknown_noise_do_not_count_and_certain_ones_fully() -> None:
    levels = np.array([[0], [0], [1], [1], [2], [2], [3], [3], [4]])
    found = environments(pairs_of_cells(levels), np.array([0.0, 2, 1, 1.2, 5, 5, 7, 7, 9]))
    weight = {tuple(cells): value for cells, value in zip(found.cells.tolist(), found.weight, strict=True)}
    assert weight[0, 1] == 0
    assert weight[2, 3] == 1
    assert [weight[cell, 4] for cell in range(4)] == [0] * 4


def test_sign_errors_are_against_the_mean_target_and_a_tie_is_half_an_error() -> None:
    pairs = pairs_of_cells(grid(2, replicates=2))
    where = environments(pairs, np.array([0.0, 1, 5, 6]))
    for measure, error in (([0, 1, 2, 3], 0), ([3, 2, 1, 0], 1), ([0, 2, 1, 3], 0.25), ([0, 1, 1, 1], 0.25)):
        assert sign_errors(pairs.signs(measure), where, pairs.equally)[0] == pytest.approx([error])
        assert where.mean(sign_errors(pairs.signs(measure), where, pairs.equally)) == pytest.approx([error])


def test_there_is_no_mean_error_where_no_target_differs_by_more_than_noise() -> None:
    pairs = pairs_of_cells(grid(2, replicates=2))
    where = environments(pairs, np.array([0.0, 3, 1, 2]))
    assert np.isnan(where.mean(sign_errors(pairs.signs([1, 2, 3, 4]), where, pairs.equally))).all()


def test_trials_of_which_no_two_differ_on_one_axis_alone_are_refused() -> None:
    with pytest.raises(ValueError, match="no two of 3 trials differ on one axis alone"):
        environments(pairs_of_cells(np.array([[0, 0], [1, 1], [2, 2]])), np.arange(3.0))
