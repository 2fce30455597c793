"""Local Lipschitz constants of three networks of one architecture, at training examples and far away."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, name
from docs.figures.networks import WIDTHS, fitted, perceptron, snapshot
from measures import lipschitz


def draw() -> Figure:
    """Share of the points below each constant: training examples solid, noise dotted; the product bound dashed."""
    drawing, (axes,) = frames()
    memorised = fitted("shuffled")
    untrained = snapshot(perceptron(WIDTHS, seed=0), memorised.train, memorised.test)
    cases = {"untrained": untrained, "true labels": fitted("true"), "shuffled labels": memorised}
    for index, (text, case) in enumerate(cases.items()):
        measurement = lipschitz(case)
        constants = measurement.arrays["train"].astype(np.float64)
        axes.ecdf(constants, color=colour(index))
        height, side = ((0.3, "right"), (0.7, "left"), (0.5, "right"))[index]
        name(axes, float(np.quantile(constants, height)), height, text, colour(index), side=side)
        axes.ecdf(measurement.arrays["far"], color=colour(index), linestyle=":")
        bound = measurement.values["product_bound"].value
        expected(axes, [bound, bound], [0, 1], colour(index))
    name(axes, 50, 0.06, "product bounds", side="left")
    axes.set(xlim=(0.8, 150), ylim=(0, 1.02), xlabel="local Lipschitz constant (logits per input unit)")
    axes.set_ylabel("share of points below")
    logarithmic(axes, "x")
    return drawing
