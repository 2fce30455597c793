"""Points to measure: the examples in the rows of an array or tensor, checked, and in float64.

Half precision is taken as it is (float64 holds it exactly), but rounding has already moved the points: results carry
the precision they came in, and a note where that matters.
"""

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Points: TypeAlias = Tensor | NDArray[np.generic]

CHUNK_BYTES = 1 << 27
HALF = ("float16", "bfloat16")
HIGH_DIMENSION = 10
NOTABLE_DROP = 0.01  # of the points
NOTABLE_RANK = 0.1  # of the points


def as_points(x: Points, *, at_least: int = 1) -> Tensor:
    """The examples in float64, detached; an error where they are no matrix of finite real numbers."""
    return checked(x, at_least=at_least).to(torch.float64)


def checked(x: Points, *, at_least: int = 1) -> Tensor:
    """The examples as they came, detached; an error where they are no matrix of finite real numbers."""
    is_real = not x.is_complex() if isinstance(x, Tensor) else x.dtype.kind in "biuf"
    if not is_real:
        raise ValueError(f"dtype {dtype_name(x)} is not valid: real numbers, as float32")
    # An array that is read-only, reversed or of another byte order is copied: torch cannot share those.
    points = x.detach() if isinstance(x, Tensor) else torch.from_numpy(np.require(x, np.float64, ("C", "W")))
    if points.ndim != 2 or len(points) < at_least or points.shape[1] < 1:
        raise ValueError(f"shape {tuple(points.shape)} is not valid: examples in rows, at least {at_least} of them")
    if torch.isfinite(points.sum(dtype=torch.float64)):  # then all are, and this is the faster question
        return points
    finite = torch.isfinite(points).all(dim=1)
    if not finite.all():
        raise ValueError(f"{int((~finite).sum())} of {len(points)} rows hold NaN or infinity")
    return points


def rows_at_once(points: Tensor) -> int:
    """So many rows that a copy of them in float64 takes little memory."""
    return max(1, CHUNK_BYTES // (8 * points.shape[1]))


def dtype_name(x: Points) -> str:
    """The precision that the points came in, as `float32`."""
    return str(x.dtype).removeprefix("torch.") if isinstance(x, Tensor) else x.dtype.name


def notes_on(value: float, num_points: int, num_dropped: int, dtype: str) -> tuple[str, ...]:
    """What limits an estimate of the dimension from distances: saturation, dropped points, half precision."""
    notes: list[str] = []
    if value > HIGH_DIMENSION:
        notes.append(
            f"A dimension above {HIGH_DIMENSION} is underestimated at any number of points; compare equal numbers."
        )
    if num_dropped > NOTABLE_DROP * num_points:
        notes.append(f"{num_dropped} of {num_points} points were dropped as duplicates of another.")
    return (*notes, *half_precision(dtype))


def limited_by_points(value: float, num_points: int, dtype: str) -> tuple[str, ...]:
    """What limits a number of linear directions: too few points to span them, half precision."""
    notes: list[str] = []
    if value > NOTABLE_RANK * num_points:
        notes.append(f"{value:.4g} directions are many for {num_points} points, which limit them.")
    return (*notes, *half_precision(dtype))


def half_precision(dtype: str) -> tuple[str, ...]:
    """That the points came in half precision, if they did."""
    if dtype not in HALF:
        return ()
    return (f"The points came in {dtype}, whose rounding moves near points together; measure in float32.",)


def centred(points: Tensor) -> Tensor:
    """The points about their mean, scaled to a largest coordinate of 1; an error where all are the same point.

    The first point is subtracted first: equal points then give exact zeros, and a large common offset costs nothing.
    """
    moved = points - points[0]
    largest = moved.abs().max()
    if largest == 0:
        raise ValueError(f"all {len(points)} points are equal: they have no dimension")
    moved /= largest
    return moved - moved.mean(dim=0)
