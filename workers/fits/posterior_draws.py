"""What draws from the posterior of a network say: effective dimensionalities, as published and as they should be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measures import effective_dimensionality, predictive_dimensionality

Floats = NDArray[np.float64]

PUBLISHED_Z = 1e-10


@dataclass(frozen=True)
class PosteriorDraws:
    """Draws in rows: all parameters (m, d), the precision of the noise (m,), and the function at points (m, n)."""

    parameters: Floats
    precision: Floats
    function: Floats


def dimensionalities(draws: PosteriorDraws, *, z: float, function_z: float, noise: Floats) -> dict[str, float]:
    """Effective dimensionality of parameters and function, by the released code's recipes and by plain ones.

    Released: of the parameters and the precision not centred; of the function with observation noise, `noise` in units
    of its deviation, divided by the number of draws twice, at z = 1e-10. So the second one is its `ceiling`, the number
    of points or of draws less one, whatever the function.
    """
    count = len(draws.parameters) - 1
    joint = np.column_stack([draws.parameters, draws.precision])
    observed = draws.function + noise / np.sqrt(draws.precision)[:, None]
    published = effective_dimensionality(_variances(observed - observed.mean(axis=0)) / count, PUBLISHED_Z)
    centred = _variances(draws.parameters - draws.parameters.mean(axis=0))
    found = predictive_dimensionality(draws.function, z=function_z)
    ceiling = min(count, draws.function.shape[1])
    return {
        "posterior/published_parameter_dimensionality": effective_dimensionality(_variances(joint), z),
        "posterior/parameter_dimensionality": effective_dimensionality(centred, z),
        "posterior/published_function_dimensionality": published,
        "posterior/share_of_ceiling": published / ceiling,
        "posterior/function_dimensionality": found.value,
        **({} if found.stderr is None else {"posterior/function_dimensionality.stderr": found.stderr}),
    }


def _variances(rows: Floats) -> Floats:
    """Squares of the singular values over the number of rows less one."""
    return np.square(np.linalg.svd(rows, compute_uv=False)) / (len(rows) - 1)
