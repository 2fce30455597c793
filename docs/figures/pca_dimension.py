"""Principal components, of all points and of neighbourhoods, for curved surfaces of known dimension."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, measured, name
from measures import local_pca_dimension, pca_dimension

DIMENSIONS = (1, 2, 3, 5, 8, 12, 16)
NUM_POINTS, NUM_FEATURES = 600, 40


def draw() -> Figure:
    """Both dimensions of d uniform coordinates behind a random layer of sines, over d, with the diagonal."""
    drawing, (axes,) = frames()
    expected(axes, [1, 16], [1, 16])
    name(axes, 16, 16, "truth")
    surfaces = [_surface(dimension) for dimension in DIMENSIONS]
    series = {
        "90 % of the variance": [pca_dimension(surface) for surface in surfaces],
        "local, k = 10": [local_pca_dimension(surface, num_neighbors=10) for surface in surfaces],
        "local, k = 50": [local_pca_dimension(surface, num_neighbors=50) for surface in surfaces],
    }
    for index, (text, values) in enumerate(series.items()):
        measured(axes, DIMENSIONS, values, index)
        name(axes, DIMENSIONS[-1], values[-1].value, text, colour(index), side="right-above" if index == 0 else "right")
    axes.set(xlim=(0, 25), ylim=(0, None), xlabel="true dimension of the surface", ylabel="components counted")
    axes.set_xticks([1, 5, 10, 15])
    return drawing


def _surface(dimension: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    coordinates = rng.uniform(-1, 1, size=(NUM_POINTS, dimension))
    return np.sin(coordinates @ rng.normal(size=(dimension, NUM_FEATURES)) * 0.5 + rng.uniform(0, 6, NUM_FEATURES))
