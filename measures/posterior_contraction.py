"""Bayesian linear models: how much the data narrow the posterior, and in how many directions.

Everything follows from the singular values of the design matrix, so no covariance matrix is formed or inverted.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from measures.points import Points, as_points
from measures.spectrum import Spectrum

Floats = NDArray[np.float64]

ROUNDING = 1e-12  # relative: below it a singular value is 0


@dataclass(frozen=True)
class PosteriorContraction:
    r"""Prior minus posterior variance, summed over all directions; exact, so `stderr` is None.

    `effective_dimensionality` is that of the Gram matrix, `value` over the prior variance. `variances` (d,), ascending,
    are the eigenvalues of the posterior covariance S, and `function_variances` (min(n, d),), ascending, those of the
    covariance $\Phi S \Phi^T$ of the function at the points that are not 0 by the shape of $\Phi$. `num_unchanged`
    directions have the posterior variance of the prior and leave every prediction at the points as it is.
    """

    value: float
    effective_dimensionality: float
    variances: Floats
    function_variances: Floats
    num_unchanged: int
    stderr: float | None = None

    def parameter_dimensionality(self, z: float) -> float:
        r"""Effective dimensionality $\sum_i s_i / (s_i + z)$ of the posterior covariance of the parameters."""
        return effective_dimensionality(self.variances, z)

    def function_dimensionality(self, z: float) -> float:
        """The same of the posterior covariance of the function at the points, of which it is at most the number."""
        return effective_dimensionality(self.function_variances, z)


def posterior_contraction(features: Points, *, prior_variance: float, noise_variance: float) -> PosteriorContraction:
    r"""How far the posterior of a Bayesian linear model has contracted after seeing the points in the rows.

    For weights $w \sim N(0, \alpha^2 I)$ and targets $\Phi w + N(0, \sigma^2 I)$ the posterior covariance is
    $S = (\Phi^T \Phi / \sigma^2 + I / \alpha^2)^{-1}$ whatever the targets, and

    $$\mathrm{tr}\,\alpha^2 I - \mathrm{tr}\,S = \alpha^2 N_\mathrm{eff}(\Phi^T \Phi, \sigma^2 / \alpha^2)$$

    Maddox, Benton, Wilson, arXiv 2003.02139, theorem 4.1. Costs the singular values of (n, d).

    >>> features = np.array([[2.0, 0.0, 0.0]])
    >>> found = posterior_contraction(features, prior_variance=3.0, noise_variance=0.5)
    >>> found.value, found.variances.tolist(), found.num_unchanged  # 3 - 1 / (4 / 0.5 + 1 / 3)
    (2.88, [0.12, 3.0, 3.0], 2)
    """
    _check_variances(prior_variance, noise_variance)
    points = as_points(features)
    num_features = points.shape[1]
    squares = np.zeros(num_features)
    singular_values = torch.linalg.svdvals(points).cpu().numpy()
    squares[: len(singular_values)] = np.square(singular_values)
    variances = prior_variance * noise_variance / (prior_variance * squares + noise_variance)
    found = effective_dimensionality(squares, noise_variance / prior_variance)
    rank = int((singular_values > ROUNDING * singular_values.max()).sum())
    return PosteriorContraction(
        value=prior_variance * found,
        effective_dimensionality=found,
        variances=np.sort(variances),
        function_variances=np.sort((squares * variances)[: len(singular_values)]),
        num_unchanged=num_features - rank,
    )


def effective_dimensionality(eigenvalues: Floats, z: float) -> float:
    """The sum of l / (l + z) over known eigenvalues, of which negative ones count as 0.

    >>> effective_dimensionality(np.array([3.0, 1.0, -1e-9]), 1.0)
    1.25
    """
    nothing = np.empty((0, 0))
    return Spectrum(len(eigenvalues), eigenvalues, nothing, nothing).effective_dimensionality(z).value


def _check_variances(prior_variance: float, noise_variance: float) -> None:
    for name, variance in (("prior_variance", prior_variance), ("noise_variance", noise_variance)):
        if not 0 < variance < math.inf:
            raise ValueError(f"{name}={variance} is not valid: a finite number above 0")
