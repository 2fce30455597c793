"""Pairs of trials, and the bootstrap over replicates."""

import math
from itertools import combinations, product

import numpy as np
import pytest

from orchestrator.report.pairs import Pairs, pairs_of_cells, replicate_counts, with_intervals
from orchestrator.report.rank_statistics import kendall
from tests.orchestrator.report.grids import alone, grid


def test_pairs_are_of_different_cells_and_know_where_they_differ() -> None:
    pairs = pairs_of_cells(grid(2, 2, replicates=2))
    expected = [(i, j) for i, j in combinations(range(8), 2) if i // 2 != j // 2]
    assert list(zip(pairs.first, pairs.second, strict=True)) == expected
    assert pairs.cells.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    along = [[(pairs.first[i] // 2, pairs.second[i] // 2) for i in pairs.along(axis)] for axis in (0, 1)]
    assert set(along[0]) == {(0, 2), (1, 3)}
    assert set(along[1]) == {(0, 1), (2, 3)}
    assert len(along[0]) == len(along[1]) == 8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0], "2 values do not belong to 3 trials"),
        ([1.0, math.inf, 3.0], "rank correlation with inf"),
        ([4.0, 4.0, 4.0], "rank correlation of values that are all 4: they have no order"),
    ],
)
def test_values_without_an_order_are_refused_in_one_line(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        pairs_of_cells(alone(range(3))).signs(values)
    assert "\n" not in str(refused.value)


def test_too_few_trials_or_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="rank correlation of 2 trials: give at least 3"):
        pairs_of_cells(grid(2))
    with pytest.raises(ValueError, match="3 trials share one cell of the grid"):
        pairs_of_cells(grid(1, replicates=3))


def test_replicates_are_drawn_inside_their_cell_and_a_single_one_always() -> None:
    cells = np.array([0, 1, 1, 2, 2, 2, 2])
    counts = replicate_counts(cells, 500, np.random.default_rng(0))
    for cell, size in enumerate((1, 2, 4)):
        assert counts[:, cells == cell].sum(axis=1) == pytest.approx(np.full(500, size))
    assert (counts[:, 0] == 1).all()
    assert set(map(tuple, counts[:, 1:3])) == {(2.0, 0.0), (0.0, 2.0)}


@pytest.mark.parametrize("replicates", [2, 3, 5])
def test_the_variance_of_a_mean_is_the_unbiased_one(replicates: int) -> None:
    values = np.random.default_rng(1).normal(size=replicates)
    counts = replicate_counts(np.zeros(replicates, dtype=np.int64), 40_000, np.random.default_rng(2))
    means = counts @ values / replicates
    assert means.mean() == pytest.approx(values.mean(), abs=0.02)
    assert means.var() == pytest.approx(values.var(ddof=1) / replicates, rel=0.03)


def test_without_replicates_there_is_a_value_and_no_interval() -> None:
    pairs = pairs_of_cells(grid(4))
    signs = pairs.signs([1.0, 2.0, 3.0, 4.0])
    counts = replicate_counts(pairs.cells, 50, np.random.default_rng(0))
    (interval,) = with_intervals(lambda weights: kendall(signs, signs, weights)[:, None], pairs, counts)
    assert (interval.value, interval.low, interval.high) == (1.0, None, None)


def test_many_trials_are_weighed_in_pieces_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = pairs_of_cells(grid(3, 3, replicates=3))
    x, y = np.random.default_rng(0).normal(size=(2, 27))
    signs = pairs.signs(x), pairs.signs(y)

    def intervals() -> object:
        counts = replicate_counts(pairs.cells, 100, np.random.default_rng(5))
        return with_intervals(lambda weights: kendall(*signs, weights)[:, None], pairs, counts)

    whole = intervals()
    monkeypatch.setattr("orchestrator.report.pairs.WEIGHTS_AT_ONCE", 7 * len(pairs.first))
    assert intervals() == whole


def expected_tau(truth: np.ndarray) -> float:
    """What tau is on average, of values (2, cell) with independent standard normal noise."""
    chances = [
        math.erf((truth[0, a] - truth[0, b]) / 2) * math.erf((truth[1, a] - truth[1, b]) / 2)
        for a, b in combinations(range(truth.shape[1]), 2)
    ]
    return float(np.mean(chances))


def covered(pairs: Pairs, truth: np.ndarray, replicates: int, generator: np.random.Generator) -> bool:
    values = truth.repeat(replicates, axis=1) + generator.normal(size=(2, len(pairs.levels)))
    signs = pairs.signs(values[0]), pairs.signs(values[1])
    counts = replicate_counts(pairs.cells, 200, generator)
    (tau,) = with_intervals(lambda weights: kendall(*signs, weights)[:, None], pairs, counts)
    assert tau.low is not None and tau.high is not None
    return tau.low <= expected_tau(truth) <= tau.high


@pytest.mark.parametrize(("replicates", "scale"), list(product((2, 3), (0.5, 1.5))))
def test_of_a_hundred_intervals_about_95_contain_the_truth(replicates: int, scale: float) -> None:
    generator = np.random.default_rng(0)
    pairs = pairs_of_cells(grid(3, 3, replicates=replicates))
    truth = scale * generator.normal(size=(2, 9))
    hits = [covered(pairs, truth, replicates, generator) for _ in range(300)]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.03)  # 2.4 standard errors of such a share
