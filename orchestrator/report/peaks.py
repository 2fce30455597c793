"""Peaks of a measured curve, told apart from noise.

The double-descent peak need not be the highest point of a curve: a network too narrow to learn can be worse (Maddox et
al., arXiv 2003.02139, figure 1: test loss 3.32 at width 1, 2.31 at the peak). So a peak here is the interior point that
stands out most on both sides: it maximises the smaller of its *rise*, above the lowest point before it, and its *fall*,
to the last point.

Both must exceed twice the noise of a difference. With two replicates or more at either end of the difference this noise
is the combined standard error. With fewer nobody knows the seed-to-seed error; the curve's own roughness from point to
point stands in (or the estimator's error, if that is larger), and such a curve can confirm a peak but not refute it.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from orchestrator.report.curves import Point

Verdict = Literal["holds", "does not hold", "cannot be judged"]

MINIMUM_POINTS = 3
NOISE_FACTOR = 2


@dataclass(frozen=True)
class Peak:
    """The most prominent interior point of a curve, the lowest point before it, and what the differences are worth."""

    index: int
    top: Point
    valley: Point
    last: Point
    rise_noise: float
    fall_noise: float
    replicated: bool

    @property
    def rise(self) -> float:
        return self.top.mean - self.valley.mean

    @property
    def fall(self) -> float:
        return self.top.mean - self.last.mean

    @property
    def verdict(self) -> Verdict:
        if self.rise > NOISE_FACTOR * self.rise_noise and self.fall > NOISE_FACTOR * self.fall_noise:
            return "holds"
        return "does not hold" if self.replicated else "cannot be judged"


def find_peak(points: tuple[Point, ...]) -> Peak | None:
    """The most prominent interior point; none if no interior point lies above both an earlier one and the last."""
    if len(points) < MINIMUM_POINTS:
        raise ValueError(f"peak of {len(points)} points: give at least {MINIMUM_POINTS}")
    last, prominence = points[-1], prominences(points)
    best = int(np.argmax(prominence)) + 1
    if prominence[best - 1] <= 0:
        return None
    top, valley = points[best], _valley(points, best)
    rough = roughness(points)
    return Peak(
        index=best,
        top=top,
        valley=valley,
        last=last,
        rise_noise=difference_noise(top, valley, rough),
        fall_noise=difference_noise(top, last, rough),
        replicated=all(point.n > 1 for point in (top, valley, last)),
    )


def prominences(points: tuple[Point, ...]) -> list[float]:
    """Of each interior point, the smaller of its rise above the lowest point before it and its fall to the last."""
    return [
        min(points[index].mean - _valley(points, index).mean, points[index].mean - points[-1].mean)
        for index in range(1, len(points) - 1)
    ]


def _valley(points: tuple[Point, ...], index: int) -> Point:
    return min(points[:index], key=lambda point: point.mean)


def roughness(points: tuple[Point, ...]) -> float:
    """Standard deviation of the noise on a locally straight curve, from its second differences.

    The median ignores a sharp peak, which has few of them; independent noise of deviation s gives second differences of
    deviation sqrt(6) s, and 1.4826 takes the median of their sizes to a standard deviation.
    """
    second_differences = np.diff([point.mean for point in points], n=2)
    return float(1.4826 * np.median(np.abs(second_differences)) / math.sqrt(6))


def difference_noise(first: Point, second: Point, rough: float) -> float:
    """The standard error of a difference, as far as it is known; at least the roughness without replicates."""
    known = math.hypot(*(point.stderr for point in (first, second) if point.stderr is not None))
    if first.n > 1 and second.n > 1:
        return known
    return max(known, math.sqrt(2) * rough)
