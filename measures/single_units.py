"""What the activation of a single unit tells about the class of an example."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]


def class_selectivity(activations: Tensor, targets: Tensor) -> Floats:
    r"""Class selectivity index (units,) of activations (examples, units), which must not be negative.

    $(\mu_{max} - \mu_{-max}) / (\mu_{max} + \mu_{-max})$ with the largest of the mean activations per class, and the
    mean of those of the other classes, each of which counts the same however many examples it has (Morcos et al., arXiv
    1803.06959, section 2.3). From 0 to 1; NaN for a unit that is never active.

    >>> class_selectivity(torch.tensor([[3.0, 1.0], [1.0, 1.0]]), torch.tensor([0, 1]))
    array([0.5, 0. ])
    """
    rows, classes = _checked(activations, targets)
    if (rows < 0).any():
        raise ValueError(f"{int((rows < 0).sum())} activations are negative; selectivity is of those after a ReLU")
    means = np.stack([rows[classes == c].mean(axis=0) for c in range(classes.max() + 1)])
    largest = means.max(axis=0)
    others = (means.sum(axis=0) - largest) / (len(means) - 1)
    total = largest + others
    return np.divide(largest - others, total, out=np.full_like(total, np.nan), where=total > 0)


def class_information(activations: Tensor, targets: Tensor, *, num_bins: int = 100) -> Floats:
    r"""Mutual information in bits (units,) of the class and each unit's activation (examples, units).

    Activations are put in bins of equal width between a unit's smallest and largest. The plug-in estimate
    $H(C) + H(A) - H(C, A)$ less its bias to first order, $(m_{CA} - m_C - m_A + 1) / 2 n \ln 2$ with m the numbers of
    occupied cells (Miller & Madow 1955); so it may come out below 0. Capped at $\log_2$ of the number of classes.

    >>> class_information(torch.tensor([[0.0], [0.0], [1.0], [1.0]]).repeat(100, 1), torch.tensor([0, 0, 1, 1] * 100))
    array([1.])
    """
    rows, classes = _checked(activations, targets)
    if num_bins < 2:
        raise ValueError(f"num_bins={num_bins} is not valid: at least 2")
    smallest, width = rows.min(axis=0), np.ptp(rows, axis=0)
    share = np.divide(rows - smallest, width, out=np.zeros_like(rows), where=width > 0)
    bins = np.minimum((share * num_bins).astype(np.int64), num_bins - 1)
    num_classes, num_units = int(classes.max()) + 1, rows.shape[1]
    cells = (np.arange(num_units) * num_bins + bins) * num_classes + classes[:, None]
    joint = np.bincount(cells.ravel(), minlength=num_units * num_bins * num_classes)
    joint = joint.reshape(num_units, num_bins, num_classes)
    parts = joint.sum(axis=1), joint.sum(axis=2), joint.reshape(num_units, -1)
    of_class, of_unit, of_both = (_entropy(counts) for counts in parts)
    return np.minimum(of_class + of_unit - of_both, np.log2(num_classes))


def _entropy(counts: NDArray[np.int64]) -> Floats:
    """Entropy in bits of each row of counts, with the correction of Miller and Madow."""
    size = counts.sum(axis=1, keepdims=True)
    shares = counts / size
    logs = np.log2(shares, out=np.zeros_like(shares), where=counts > 0)
    correction = ((counts > 0).sum(axis=1) - 1) / (2 * size[:, 0] * np.log(2))
    return -(shares * logs).sum(axis=1) + correction


def _checked(activations: Tensor, targets: Tensor) -> tuple[Floats, NDArray[np.int64]]:
    """The activations in float64, and the classes that occur, numbered from 0."""
    if activations.ndim != 2 or len(activations) != len(targets):
        raise ValueError(
            f"activations of shape {tuple(activations.shape)} are not (examples, units) of {len(targets)} targets"
        )
    if bad := int((~torch.isfinite(activations)).any(dim=1).sum()):
        raise ValueError(f"activations hold NaN or infinity at {bad} of {len(activations)} examples")
    found, classes = np.unique(targets.cpu().numpy(), return_inverse=True)
    if len(found) < 2:
        raise ValueError(f"the targets hold {len(found)} class; at least 2 are needed")
    return activations.double().cpu().numpy(), classes
