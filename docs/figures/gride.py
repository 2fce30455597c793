"""GRIDE of a plane with noise in all directions: the scale decides which dimension is seen."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from measures import gride

RANKS = (1, 2, 4, 8, 16, 32, 64, 128)
NUM_FEATURES = 20


def draw() -> Figure:
    """The dimension over the distance to the neighbours compared, for three levels of noise."""
    drawing, (axes,) = frames()
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2000, NUM_FEATURES)) * (np.arange(NUM_FEATURES) < 2)
    noise = rng.normal(size=plane.shape)
    for truth, text in ((2, "plane: 2"), (NUM_FEATURES, f"noise: {NUM_FEATURES}")):
        expected(axes, [0.052, 4], [truth, truth])
        name(axes, 0.052, truth, text, side="above" if truth == 2 else "below")
    for index, (level, side) in enumerate(((0.0, "below"), (0.02, "above"), (0.1, "above"))):
        scales = gride(plane + level * noise, ranks=RANKS).scales
        measured(axes, [scale.radius for scale in scales], scales, index)
        name(axes, scales[0].radius, scales[0].value, f"noise {level:g}", colour(index), side=side)
    axes.set(xlim=(0.04, 2), ylim=(1.5, 25))
    axes.set(xlabel="mean distance to the 2n-th neighbour (units of the data)", ylabel="GRIDE dimension")
    logarithmic(axes, "xy")
    return drawing
