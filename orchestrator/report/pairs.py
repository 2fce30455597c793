"""Pairs of trials: what every rank statistic of a grid is made of.

A rank statistic asks of two trials whether two quantities put them in the same order, so it is a function of the signs
of differences and of how much each pair counts. Trials in one cell of the grid are replicates: they differ by chance
alone and are not paired. A bootstrap over replicates leaves the signs as they are and changes only what counts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Statistics = Callable[[Floats], Floats]  # weights (draw, pair) -> values (draw, statistic)

MINIMUM_TRIALS = 3
WEIGHTS_AT_ONCE = 2**22  # 32 MB; all resamples of a thousand trials would be gigabytes


@dataclass(frozen=True)
class Interval:
    """A statistic and the ends of its bootstrap interval; none where no cell has replicates, or none is finite."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Pairs:
    """The trials of a grid, by the level of each on every axis (trial, axis), and all pairs of different cells."""

    levels: Integers
    first: Integers
    second: Integers

    @cached_property
    def cells(self) -> Integers:
        """The cell of every trial, as a number."""
        return codes(self.levels)

    @cached_property
    def differs(self) -> NDArray[np.bool_]:
        """On which axes the trials of a pair differ, (pair, axis)."""
        return self.levels[self.first] != self.levels[self.second]

    @property
    def equally(self) -> Floats:
        """Weights that count every pair once, (1, pair)."""
        return np.ones((1, len(self.first)))

    def along(self, axis: int) -> Integers:
        """The pairs that differ on this axis alone."""
        return np.flatnonzero(self.differs[:, axis] & (self.differs.sum(axis=1) == 1))

    def signs(self, values: Sequence[float] | Floats) -> Floats:
        """The sign of each pair's difference; ValueError for values that have no order."""
        array = np.asarray(values, dtype=np.float64)
        if len(array) != len(self.levels):
            raise ValueError(f"{len(array)} values do not belong to {len(self.levels)} trials: give as many of each")
        if not np.isfinite(array).all():
            raise ValueError(f"rank correlation with {array[~np.isfinite(array)][0]}: give finite values")
        if array.min() == array.max():
            raise ValueError(f"rank correlation of values that are all {array[0]:g}: they have no order")
        return np.sign(array[self.first] - array[self.second])


def pairs_of_cells(levels: Integers) -> Pairs:
    """All pairs of trials in different cells of a grid, given the level of each trial on every axis (trial, axis)."""
    if len(levels) < MINIMUM_TRIALS:
        raise ValueError(f"rank correlation of {len(levels)} trials: give at least {MINIMUM_TRIALS}")
    first, second = np.triu_indices(len(levels), 1)
    different = (levels[first] != levels[second]).any(axis=1)
    if not different.any():
        raise ValueError(f"{len(levels)} trials share one cell of the grid: give at least 2 cells")
    return Pairs(levels, first[different], second[different])


def codes(rows: Integers) -> Integers:
    """A number for each different row, counted from 0."""
    if rows.shape[1] == 0:
        return np.zeros(len(rows), dtype=np.int64)
    return np.unique(rows, axis=0, return_inverse=True)[1].ravel()


def replicate_counts(cells: Integers, resamples: int, generator: np.random.Generator) -> Floats:
    """How much each trial counts in each resample of the replicates, (resample, trial).

    Of the m replicates in a cell, m - 1 are drawn with replacement and count m / (m - 1) times: draws of m would make
    every variance too small by the factor (m - 1) / m, which is a half for two replicates. The noise of a cell with a
    single one is not known, and not in the interval.
    """
    counts = np.ones((resamples, len(cells)))
    for cell in np.unique(cells):
        members = np.flatnonzero(cells == cell)
        m = len(members)
        if m > 1:
            counts[:, members] = generator.multinomial(m - 1, np.full(m, 1 / m), size=resamples) * (m / (m - 1))
    return counts


def weights(pairs: Pairs, counts: Floats) -> Iterator[Floats]:
    """How much each pair counts, given how much the trials do (draw, trial), in pieces (part of the draws, pair)."""
    at_once = max(1, WEIGHTS_AT_ONCE // len(pairs.first))
    for start in range(0, len(counts), at_once):
        piece = counts[start : start + at_once]
        yield np.take(piece, pairs.first, axis=1) * np.take(piece, pairs.second, axis=1)


def with_intervals(
    statistics: Statistics, pairs: Pairs, counts: Floats, *, level: float = 0.95
) -> tuple[Interval, ...]:
    """Every statistic of the pairs as they are, with the percentile interval of what the resamples give."""
    values = statistics(pairs.equally)[0]
    draws = np.concatenate([statistics(piece) for piece in weights(pairs, counts)])
    replicated = len(np.unique(pairs.cells)) < len(pairs.cells)
    return tuple(
        _interval(float(value), draws[:, index] if replicated else draws[:0, index], level)
        for index, value in enumerate(values)
    )


def _interval(value: float, draws: Floats, level: float) -> Interval:
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return Interval(value, None, None)
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
