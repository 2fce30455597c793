"""Effective dimensionality in the space of functions: of a Gram matrix of features, or of draws of a function.

Either is seen at a number of points, and draws are a number of draws: no more directions than that can appear, however
small z is. A published curve of it was this ceiling and nothing else, so results carry it.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from measures.points import Points, as_points, centred
from measures.posterior_contraction import effective_dimensionality

Floats = NDArray[np.float64]

NEAR = 0.9  # of the ceiling
MANY = 0.1  # of the draws
NUM_GROUPS = 20


@dataclass(frozen=True)
class FunctionSpaceDimensionality:
    """The effective dimensionality, its standard error over draws (None where there are none), and its `ceiling`.

    `bias` is the jackknife's estimate, to be subtracted: fewer draws give a lower value. `eigenvalues`, ascending, are
    all of the matrix that are not 0 by its shape; `effective_dimensionality` of them gives any other z. `notes` say
    where the number is the ceiling's.
    """

    value: float
    stderr: float | None
    bias: float | None
    ceiling: int
    eigenvalues: Floats
    notes: tuple[str, ...]


def function_space_dimensionality(features: Points, *, z: float) -> FunctionSpaceDimensionality:
    r"""Effective dimensionality of the Gram matrix $\Phi \Phi^T$ of the features (n, d) of n points.

    $\sum_i g_i / (g_i + z)$ over its eigenvalues, which are those of $\Phi^T \Phi$ but for zeros: function space and
    parameter space have one number. With the features of a Bayesian linear model and z the ratio of noise to prior
    variance it is the contraction of its posterior in units of the prior; with the Jacobian of a network over
    $\sqrt{n / 2}$ it is that of the Gauss-Newton matrix of the mean squared error. Maddox, Benton, Wilson, arXiv
    2003.02139, section 4. Costs the singular values of (n, d).

    >>> found = function_space_dimensionality(np.diag([2.0, 1.0, 0.0]), z=1.0)
    >>> round(found.value, 12), found.ceiling
    (1.3, 3)
    """
    points = as_points(features)
    num_points, num_features = points.shape
    eigenvalues = _squares(points)
    value = effective_dimensionality(eigenvalues, z)
    ceiling = min(num_points, num_features)
    notes: tuple[str, ...] = ()
    if num_points < num_features and value > NEAR * ceiling:
        notes = (_ceiling_note(value, f"{num_points} points"),)
    return FunctionSpaceDimensionality(value, None, None, ceiling, eigenvalues, notes)


def predictive_dimensionality(draws: Points, *, z: float) -> FunctionSpaceDimensionality:
    r"""Effective dimensionality of the covariance of a random function, from draws of it in rows, points in columns.

    $\sum_i c_i / (c_i + z)$ over the eigenvalues of the covariance of the draws, which the paper takes of a posterior
    predictive. z is in units of the function's variance. Draws without observation noise: noise fills every direction.
    Standard error and bias are a jackknife's over 20 blocks of successive draws, which takes 40 of them. Maddox,
    Benton, Wilson, arXiv 2003.02139, figure 4; the released code divides by the number of draws twice, and takes
    z = 1e-10, where its curve is the number of draws less one.
    Costs 21 times the singular values of (draws, points).

    >>> draws = np.random.default_rng(0).normal(size=(4000, 3)) * [10.0, 1.0, 0.0]
    >>> found = predictive_dimensionality(draws, z=1.0)  # 100/101 + 1/2
    >>> abs(found.value - 1.490099) < 3 * found.stderr < 0.05
    True
    """
    points = as_points(draws, at_least=2)
    centred(points)  # an error where all draws are equal
    num_draws, num_points = points.shape
    eigenvalues = _covariance_eigenvalues(points)
    value = effective_dimensionality(eigenvalues, z)
    ceiling = min(num_draws - 1, num_points)
    return FunctionSpaceDimensionality(
        value, *_jackknife(points, value, z), ceiling, eigenvalues, _notes(value, ceiling, num_draws, num_points)
    )


def _squares(points: Tensor) -> Floats:
    return np.sort(np.square(torch.linalg.svdvals(points).cpu().numpy()))


def _covariance_eigenvalues(draws: Tensor) -> Floats:
    return _squares(draws - draws.mean(dim=0)) / (len(draws) - 1)


def _jackknife(draws: Tensor, value: float, z: float) -> tuple[float | None, float | None]:
    """Standard error and bias, from leaving out a block of successive draws at a time: those of a chain are alike."""
    if len(draws) < 2 * NUM_GROUPS:
        return None, None
    blocks = torch.arange(len(draws), device=draws.device) * NUM_GROUPS // len(draws)
    kept = [_covariance_eigenvalues(draws[blocks != block]) for block in range(NUM_GROUPS)]
    values = [effective_dimensionality(eigenvalues, z) for eigenvalues in kept]
    error = math.sqrt((NUM_GROUPS - 1) * float(np.var(values)))
    return error, (NUM_GROUPS - 1) * (float(np.mean(values)) - value)


def _notes(value: float, ceiling: int, num_draws: int, num_points: int) -> tuple[str, ...]:
    notes: list[str] = []
    if value > NEAR * ceiling:
        notes.append(_ceiling_note(value, f"{num_draws} draws" if num_draws <= num_points else f"{num_points} points"))
    elif value > MANY * num_draws:
        notes.append(f"{value:.4g} directions are many for {num_draws} draws: the value is too low; see its bias.")
    if num_draws < 2 * NUM_GROUPS:
        notes.append(f"{num_draws} draws are too few for a standard error: {2 * NUM_GROUPS} are needed.")
    return tuple(notes)


def _ceiling_note(value: float, limit: str) -> str:
    return f"{value:.4g} is near the most that {limit} can show: it says how many there are, not what the function is."
