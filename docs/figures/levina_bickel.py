"""Levina-Bickel of a cube over the number of neighbours: more neighbours, more bias, a smaller error bar."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from measures import levina_bickel, nearest_neighbors

NUM_NEIGHBORS = (3, 5, 10, 20, 50, 100)
DIMENSION = 5


def draw() -> Figure:
    """Estimates for two sample sizes, from neighbours found once, with the true dimension."""
    drawing, (axes,) = frames()
    expected(axes, [3, 100], [DIMENSION, DIMENSION])
    name(axes, 100, DIMENSION, "truth")
    for index, num_points in enumerate((500, 3000)):
        cube = np.random.default_rng(0).random(size=(num_points, DIMENSION))
        kept = nearest_neighbors(cube, NUM_NEIGHBORS[-1])
        estimates = [levina_bickel(kept, num_neighbors=each) for each in NUM_NEIGHBORS]
        measured(axes, NUM_NEIGHBORS, estimates, index)
        name(axes, NUM_NEIGHBORS[-1], estimates[-1].value, f"N = {num_points}", colour(index))
    axes.set(xlim=(2.5, 230), xlabel="neighbours used, k", ylabel="Levina-Bickel dimension")
    logarithmic(axes, "x")
    return drawing
