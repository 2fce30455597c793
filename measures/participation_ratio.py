"""The participation ratio of a covariance matrix: how many directions share the variance.

It needs two traces and no eigenvalues, and leaving out one example changes both by closed forms, so that the jackknife
over all examples costs as much as the number itself.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from measures.points import Points, as_points, centred, dtype_name, limited_by_points

# Below this part of the whole, what is left without one example is computed from the others, not by subtraction.
CANCELLATION = 1e-6


@dataclass(frozen=True)
class ParticipationRatio:
    """The participation ratio, its standard error, and the jackknife's estimate of its `bias` (subtract it).

    `dtype` is the precision the points came in, and `notes` say what limits the number.
    """

    value: float
    stderr: float
    bias: float
    num_points: int
    num_features: int
    dtype: str
    notes: tuple[str, ...]


def participation_ratio(x: Points) -> ParticipationRatio:
    r"""Participation ratio $(\mathrm{tr}\, C)^2 / \mathrm{tr}\, C^2$ of the covariance of the examples in the rows.

    It is $(\sum \lambda)^2 / \sum \lambda^2$ of the eigenvalues: d where d directions have equal variance and the
    others none. Linear: a curved line fills many directions. Of n examples it is at most n - 1, and biased downwards by
    a part of about value / n. Error and bias by the jackknife (Efron, Stein, Annals of Statistics 9 (1981) 586). Costs
    4 n d min(n, d) operations.

    >>> points = np.random.default_rng(0).normal(size=(2000, 3))
    >>> round(participation_ratio(points).value, 2)
    2.99
    """
    points = centred(as_points(x, at_least=3))
    size = len(points)
    value, left_out = _ratios(points)
    for i in left_out.isnan().nonzero().flatten().tolist():
        left_out[i] = _ratios(centred(torch.cat([points[:i], points[i + 1 :]])))[0]
    mean = left_out.mean()
    return ParticipationRatio(
        value=value,
        stderr=float(((size - 1) / size * (left_out - mean).square().sum()).sqrt()),
        bias=float((size - 1) * (mean - value)),
        num_points=size,
        num_features=points.shape[1],
        dtype=dtype_name(x),
        notes=limited_by_points(value, size, dtype_name(x)),
    )


def _ratios(points: Tensor) -> tuple[float, Tensor]:
    """The ratio, and the one without each example; NaN where hardly any variance is left without it.

    Without example c, the scatter matrix S of the centred points loses n / (n - 1) c c', as the mean moves with it.
    """
    lengths = points.square().sum(dim=1)
    if points.shape[0] < points.shape[1]:
        forms = (points @ points.T).square().sum(dim=1)  # c' S c
    else:
        forms = ((points @ (points.T @ points)) * points).sum(dim=1)
    weight = len(points) / (len(points) - 1)
    trace, square = lengths.sum(), forms.sum()
    left = trace - weight * lengths
    without = left**2 / (square - 2 * weight * forms + weight**2 * lengths**2)
    return float(trace**2 / square), torch.where(left < CANCELLATION * trace, torch.nan, without)
