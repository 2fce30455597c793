"""Effective dimensionality of the function at the points seen, and at points that stay the same."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from docs.figures.drawing import colour, frames, logarithmic, measured, name
from measures import Measurement, Snapshot, Split, linear_posterior

COUNTS = (1, 3, 10, 25, 50, 75, 100, 125, 150, 175, 200, 225, 250, 300)
NAMES = {
    "parameter_dimensionality": "parameters",
    "function_dimensionality": "function, points seen",
    "test_function_dimensionality": "function, 300 other points",
}


def draw() -> Figure:
    """The published model of 200 features, after more and more of its points in a random order."""
    drawing, (axes,) = frames()
    rng = np.random.default_rng(0)
    train, test = _features(rng.permutation(np.linspace(0, 50, 300))), _features(rng.uniform(0, 50, 300))
    found = [_posterior(train[:count], test) for count in COUNTS]
    for index, (quantity, text) in enumerate(NAMES.items()):
        measured(axes, COUNTS, [each.values[quantity] for each in found], index)
        name(axes, COUNTS[-1], found[-1].values[quantity].value * (1, 1.25, 0.8)[index], text, colour(index))
    axes.set(xlim=(-8, 500), ylim=(0.01, 300), xlabel="points seen (200 features)", ylabel="effective dimensionality")
    logarithmic(axes, "y")
    return drawing


def _features(x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> torch.Tensor:
    phases = np.pi * x[:, None] * np.arange(1, 101)
    return torch.tensor(np.hstack([np.cos(phases), np.sin(phases)]), dtype=torch.float32)


def _posterior(train: torch.Tensor, test: torch.Tensor) -> Measurement:
    seen, other = (Split(each, torch.zeros(len(each))) for each in (train, test))
    snapshot = Snapshot(nn.Linear(200, 1, bias=False), (), seen, other, nn.functional.mse_loss)
    return linear_posterior(snapshot, prior_variance=3.0, noise_variance=0.1, z=5.0)
