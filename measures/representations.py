"""Two representations of the same examples, checked and centred, and convolutional ones as rows.

Every comparison works in float64 on the device of its input. Half precision is refused rather than converted: its
rounding noise spans all directions, which the rank cannot tell from signal.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Representation = Tensor | NDArray[np.generic]
REFUSED_DTYPES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Centred:
    """A representation (examples, features) in float64 without its column means, and what was known of it before.

    All of it is divided by `scale`, the power of two that brings the largest entry near 1, which changes no comparison
    and keeps fourth powers finite. `largest` is the largest absolute value of each column before centring, `precision`
    the rounding unit of the input.
    """

    rows: Tensor
    means: Tensor
    largest: Tensor
    scale: float
    precision: float

    @property
    def smallest_norm(self) -> Tensor:
        """Norm of each column below which it is constant up to rounding."""
        return 10 * self.precision * len(self.rows) ** 0.5 * self.largest


def centred_pair(x: Representation, y: Representation, *, min_examples: int = 3) -> tuple[Centred, Centred]:
    """Both representations, checked and centred; the errors say which is meant."""
    given_x, given_y = _tensor(x), _tensor(y)
    if given_x.device != given_y.device:
        raise ValueError(f"x is on {given_x.device} and y on {given_y.device}; they must be on one device")
    first, second = centred("x", given_x, min_examples), centred("y", given_y, min_examples)
    if len(first.rows) != len(second.rows):
        raise ValueError(f"x has {len(first.rows)} examples and y {len(second.rows)}; rows must be the same examples")
    return first, second


def centred(name: str, given: Tensor, min_examples: int) -> Centred:
    """One representation, checked and centred."""
    if given.dtype in REFUSED_DTYPES or given.is_complex():
        raise ValueError(f"{name} has dtype {given.dtype}; float32, float64 or integers are valid")
    if given.ndim != 2 or given.shape[1] < 1:
        raise ValueError(
            f"{name} has shape {tuple(given.shape)}; examples must be rows (for n, c, h, w see positions_as_examples)"
        )
    if len(given) < min_examples:
        raise ValueError(f"{name} has {len(given)} examples; at least {min_examples} are needed")
    rows = given.to(torch.float64)
    if not torch.isfinite(rows).all():
        raise ValueError(f"{int((~torch.isfinite(rows)).any(dim=1).sum())} rows of {name} hold NaN or infinity")
    scale = 2.0 ** max(int(torch.frexp(rows.abs().max()).exponent) - 1, -1000)
    rows = rows / scale
    means = rows.mean(dim=0)
    precision = torch.finfo(given.dtype).eps if given.is_floating_point() else torch.finfo(torch.float64).eps
    result = Centred(rows - means, means, rows.abs().amax(dim=0), scale, precision)
    if (torch.linalg.vector_norm(result.rows, dim=0) <= result.smallest_norm).all():
        raise ValueError(f"{name} is constant: all {len(rows)} examples are equal, so there is nothing to compare")
    return result


def positions_as_examples(x: Representation) -> Tensor:
    """Convolutional outputs (n, c, h, w) as (n h w, c): channels compared, every position one more example.

    The choice of SVCCA for layers of equal height and width. Positions of one image are not independent, so standard
    errors come out too small.

    >>> positions_as_examples(torch.zeros(5, 3, 2, 2)).shape
    torch.Size([20, 3])
    """
    return _images(x).permute(0, 2, 3, 1).flatten(0, 2)


def flattened(x: Representation) -> Tensor:
    """Convolutional outputs (n, c, h, w) as (n, c h w): every channel at every position a feature, as usual with CKA.

    >>> flattened(torch.zeros(5, 3, 2, 2)).shape
    torch.Size([5, 12])
    """
    return _images(x).flatten(1)


def spatial_average(x: Representation) -> Tensor:
    """Convolutional outputs (n, c, h, w) as (n, c): the mean over positions; for layers of unequal height and width.

    >>> spatial_average(torch.ones(5, 3, 2, 2)).shape
    torch.Size([5, 3])
    """
    return _images(x).mean(dim=(2, 3))


def _images(x: Representation) -> Tensor:
    images = _tensor(x)
    if images.ndim != 4:
        raise ValueError(f"shape {tuple(images.shape)} is not valid: (examples, channels, height, width)")
    return images


def _tensor(values: Representation) -> Tensor:
    """A tensor; of an array a copy, as torch warns of read-only memory and refuses negative strides."""
    return values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
