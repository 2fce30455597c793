"""Point sets of known dimension, and those of the reference values."""

import numpy as np
from scipy.special import gammainc


def uniform_ball(num_points: int, dimension: int, rng: np.random.RandomState | np.random.Generator) -> np.ndarray:
    x = rng.normal(size=(num_points, dimension))
    squares = np.sum(x**2, axis=1, keepdims=True)
    return x * gammainc(dimension / 2, squares / 2) ** (1 / dimension) / np.sqrt(squares)


def scikit_dimension_ball() -> np.ndarray:
    """The set of scikit-dimension's own tests: 30 points in a 5-ball in 10 dimensions."""
    return np.hstack([uniform_ball(30, 5, np.random.RandomState(0)), np.zeros((30, 5))])


def reference_cube() -> np.ndarray:
    return np.random.RandomState(0).rand(1000, 5)


def sphere(num_points: int, dimension: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=(num_points, dimension + 1))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def flat_torus(num_points: int, dimension: int, rng: np.random.Generator) -> np.ndarray:
    """No boundary and no curvature of its own: nothing biases an estimate at large N."""
    angles = 2 * np.pi * rng.random((num_points, dimension))
    return np.hstack([np.cos(angles), np.sin(angles)])


def swiss_roll(num_points: int, rng: np.random.Generator) -> np.ndarray:
    angle, height = 1.5 * np.pi * (1 + rng.random(num_points)), 21 * rng.random(num_points)
    return np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], axis=1)


def moved(x: np.ndarray, rng: np.random.Generator, scale: float, shift: float) -> np.ndarray:
    """The same points turned into three more dimensions, scaled, shifted and in another order."""
    num_features = x.shape[1] + 3
    rotation, _ = np.linalg.qr(rng.normal(size=(num_features, num_features)))
    return scale * (np.hstack([x, np.zeros((len(x), 3))]) @ rotation)[rng.permutation(len(x))] + shift


LATTICE = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
