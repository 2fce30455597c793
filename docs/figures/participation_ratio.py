"""The participation ratio of directions that all have the same variance, over the number of examples."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from measures import Estimate, participation_ratio

NUM_EXAMPLES = np.array([20, 50, 100, 200, 500, 1000, 2000])
NUM_DIRECTIONS = 50


def draw() -> Figure:
    """The value, the value less the jackknife's bias, the truth and what few examples are expected to give."""
    drawing, (axes,) = frames()
    rng = np.random.default_rng(0)
    ratios = [participation_ratio(rng.normal(size=(each, NUM_DIRECTIONS))) for each in NUM_EXAMPLES]
    corrected = [Estimate(ratio.value - ratio.bias, ratio.stderr) for ratio in ratios]
    expected(axes, NUM_EXAMPLES, NUM_DIRECTIONS * NUM_EXAMPLES / (NUM_EXAMPLES + NUM_DIRECTIONS))
    expected(axes, NUM_EXAMPLES, np.full(len(NUM_EXAMPLES), NUM_DIRECTIONS))
    name(axes, 20, NUM_DIRECTIONS, "truth", side="above")
    name(axes, 110, 32, "d n / (n + d)")
    for index, (values, text) in enumerate(((ratios, "value"), (corrected, "value − bias"))):
        measured(axes, NUM_EXAMPLES, values, index, line="none")
        name(axes, NUM_EXAMPLES[1], values[1].value, text, colour(index), side="below" if index else "right")
    axes.set(ylim=(0, 60), xlabel=f"examples n ({NUM_DIRECTIONS} equal directions)", ylabel="participation ratio")
    logarithmic(axes, "x")
    return drawing
