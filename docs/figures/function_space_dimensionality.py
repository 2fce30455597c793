"""Effective dimensionality from draws of a random function, against its true value and the ceiling of few draws."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from measures import Estimate, predictive_dimensionality

NUM_DRAWS = (25, 50, 100, 200, 400, 800, 1600)
NUM_POINTS = 200
Z = 0.02


def draw() -> Figure:
    """A Gaussian process whose covariance has the eigenvalues 1 / k, at 200 points."""
    drawing, (axes,) = frames()
    eigenvalues = 1 / np.arange(1, NUM_POINTS + 1)
    truth = float(np.sum(eigenvalues / (eigenvalues + Z)))
    draws = np.random.default_rng(0).normal(size=(NUM_DRAWS[-1], NUM_POINTS)) * np.sqrt(eigenvalues)
    found = [predictive_dimensionality(draws[:count], z=Z) for count in NUM_DRAWS]
    repaired = [Estimate(each.value - (each.bias or 0), each.stderr) for each in found]
    expected(axes, NUM_DRAWS, [truth] * len(NUM_DRAWS))
    name(axes, NUM_DRAWS[0], truth, "truth", side="above")
    expected(axes, NUM_DRAWS[:3], [each.ceiling for each in found[:3]])
    name(axes, NUM_DRAWS[2], found[2].ceiling, "ceiling")
    for index, (values, text) in enumerate(((found, "value"), (repaired, "value − bias"))):
        measured(axes, NUM_DRAWS, values, index)
        name(axes, NUM_DRAWS[1], values[1].value, text, colour(index), side="left-above" if index else "right-below")
    axes.set(
        ylim=(0, 110), xlabel=f"draws of the function (at {NUM_POINTS} points)", ylabel=f"dimensionality at z = {Z}"
    )
    logarithmic(axes, "x")
    return drawing
