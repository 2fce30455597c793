"""The dimension of a point set at growing scale, and whether it stays the same.

Noise adds its own dimension at small scales; curvature, gaps between clusters and the boundary change it at large ones.
A number holds where the curve is flat over a factor of at least four in the number of neighbours: three scales, each
twice the one before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SHORTEST_PLATEAU = 3
TOLERANCE = 0.05  # of the mean: what a reader calls flat
NUM_STDERRS = 2  # what cannot be told from flat


@dataclass(frozen=True)
class Plateau:
    """Scales `first` to `last`, counted from 0, between which the dimension is `value`.

    `stderr` takes the scales as fully correlated: they share their points.
    """

    first: int
    last: int
    value: float
    stderr: float


def find_plateau(values: Sequence[float], stderrs: Sequence[float]) -> Plateau | None:
    """The longest run of scales that agree with their mean to 5 % or two standard errors, the first of equal length.

    >>> find_plateau([2.9, 2.4, 2.0, 2.0, 2.1], [0.01] * 5)
    Plateau(first=2, last=4, value=2.033333333333333, stderr=0.01)
    """
    for length in range(len(values), SHORTEST_PLATEAU - 1, -1):
        for first in range(len(values) - length + 1):
            run = values[first : first + length]
            mean = sum(run) / length
            allowed = [max(TOLERANCE * mean, NUM_STDERRS * error) for error in stderrs[first : first + length]]
            if all(abs(value - mean) <= limit for value, limit in zip(run, allowed, strict=True)):
                return Plateau(first, first + length - 1, mean, sum(stderrs[first : first + length]) / length)
    return None
