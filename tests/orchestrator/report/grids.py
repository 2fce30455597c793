"""Grids of trials with known orders, for the tests of rank statistics and leagues."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def grid(*sizes: int, replicates: int = 1) -> Integers:
    """The level of every trial on every axis of a full grid (trial, axis); replicates follow one another."""
    cells = product(*map(range, sizes))
    return np.array([cell for cell in cells for _ in range(replicates)], dtype=np.int64)


def alone(values: Sequence[float]) -> Integers:
    """Trials that are a cell of their own each, on one axis."""
    return np.arange(len(values), dtype=np.int64)[:, None]


# Where labels are random the narrow networks are left, where they are true the wide ones: measure and target both rise
# with the noise, and against each other along width and along decay.
SIMPSON_LEVELS = np.array([(w + 2 * n, d, n) for n in range(2) for w in range(2) for d in range(2)], dtype=np.int64)
SIMPSON_MEASURE = 10.0 * SIMPSON_LEVELS[:, 2] + (SIMPSON_LEVELS[:, 0] % 2) + 2 * SIMPSON_LEVELS[:, 1]
SIMPSON_TARGET = 10.0 * SIMPSON_LEVELS[:, 2] - (SIMPSON_LEVELS[:, 0] % 2) - 2 * SIMPSON_LEVELS[:, 1]
