"""Least squares on more and more random features: double descent where the model is linear and solved exactly."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from measures.points import Points, as_points
from measures.posterior_contraction import effective_dimensionality

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RandomFeatureRegression:
    """Relative errors of the minimum norm solution, and how many directions of the features the data determine.

    `undetermined` is min(n, d) less the effective dimensionality. Of one data set: its own randomness is in no field.
    """

    train_error: float
    test_error: float
    effective_dimensionality: float
    undetermined: float


def random_feature_regression(
    x_train: Points, y_train: Points, x_test: Points, y_test: Points, *, z: float
) -> RandomFeatureRegression:
    r"""Least squares of minimum norm on features (n, d), and the effective dimensionality of their Gram matrix.

    Errors are $\|X w - y\| / \|y\|$; $N_\mathrm{eff}(X^T X, z)$. Maddox, Benton, Wilson, arXiv 2003.02139, random
    features; their curve named effective dimensionality is min(n, d) less it, here `undetermined`. Costs a singular
    value decomposition of (n, d).

    >>> x, y = np.eye(3)[:, :2], np.array([1.0, 2.0, 2.0])
    >>> found = random_feature_regression(x, y, x[:2], y[:2], z=1.0)
    >>> round(found.train_error, 6), round(found.test_error, 6), found.effective_dimensionality
    (0.666667, 0.0, 1.0)
    """
    train, test = (_checked(x, y) for x, y in ((x_train, y_train), (x_test, y_test)))
    if train[0].shape[1] != test[0].shape[1]:
        raise ValueError(f"{train[0].shape[1]} features to train on and {test[0].shape[1]} to test on must be as many")
    x, y = train
    left, singular_values, right = np.linalg.svd(x, full_matrices=False)
    known = singular_values > np.finfo(np.float64).eps * max(x.shape) * singular_values.max()
    inverse = np.divide(1.0, singular_values, out=np.zeros_like(singular_values), where=known)
    weights = right.T @ (inverse * (left.T @ y))
    found = effective_dimensionality(np.square(singular_values), z)
    return RandomFeatureRegression(
        _relative_error(weights, *train), _relative_error(weights, *test), found, min(x.shape) - found
    )


def _relative_error(weights: Floats, x: Floats, y: Floats) -> float:
    return float(np.linalg.norm(x @ weights - y) / np.linalg.norm(y))


def draw_random_features(
    num_examples: int,
    num_features: int,
    draws: np.random.Generator | np.random.RandomState,
    *,
    num_informative: int = 1000,
) -> tuple[Floats, Floats]:
    """Features (n, d) and Gaussian targets (n,): copies of the target with unit Gaussian noise, later ones noise alone.

    Targets are drawn first, as in the published notebook.

    >>> x, y = draw_random_features(1000, 3, np.random.default_rng(0), num_informative=2)
    >>> [round(float(column @ y / (y @ y)), 1) for column in x.T]
    [1.0, 1.0, 0.0]
    """
    y = draws.standard_normal(num_examples)
    x = draws.standard_normal((num_examples, num_features))
    x[:, :num_informative] += y[:, None]
    return x, y


def _checked(x: Points, y: Points) -> tuple[Floats, Floats]:
    points = as_points(x)
    targets = as_points(y[:, None])[:, 0]
    if len(points) != len(targets):
        raise ValueError(f"{len(points)} examples have {len(targets)} targets: one each is valid")
    if not torch.any(targets):
        raise ValueError("all targets are 0: there is no relative error")
    return points.cpu().numpy(), targets.cpu().numpy()
