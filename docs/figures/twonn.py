"""TwoNN of points against their true dimension: how much is underestimated, and that the bars do not show it."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import expected, frames, logarithmic, measured, name
from measures import twonn

DIMENSIONS = (1, 2, 3, 5, 10, 20, 50, 100)


def draw() -> Figure:
    """Estimates for Gaussians and cubes, with the diagonal on which they should lie."""
    drawing, (axes,) = frames()
    expected(axes, [1, 120], [1, 120])
    name(axes, 60, 75, "truth", side="left")
    for index, (num_points, shape) in enumerate(((100, "Gaussian"), (2000, "Gaussian"), (2000, "cube"))):
        rng = np.random.default_rng(3)
        sample = rng.standard_normal if shape == "Gaussian" else rng.random
        estimates = [twonn(sample(size=(num_points, dimension))) for dimension in DIMENSIONS]
        measured(axes, DIMENSIONS, estimates, index, f"{shape}, N = {num_points}")
    axes.set(xlabel="true dimension", ylabel="TwoNN dimension")
    axes.legend(loc="lower right")
    logarithmic(axes, "xy")
    return drawing
