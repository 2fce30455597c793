"""CKA of independent data against features per example: the biased value rises to 1, the debiased one stays at 0."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from measures import linear_cka

NUM_EXAMPLES = 100
NUM_FEATURES = np.array([2, 5, 10, 25, 50, 100, 250, 500, 1000])


def draw() -> Figure:
    """Linear CKA of two independent Gaussian sides of equal width, one draw for each width."""
    drawing, (axes,) = frames()
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, NUM_EXAMPLES, width)) for width in NUM_FEATURES]
    share = NUM_FEATURES / NUM_EXAMPLES
    expected(axes, share, NUM_FEATURES / (NUM_EXAMPLES + NUM_FEATURES))
    expected(axes, share, np.zeros(len(share)))
    name(axes, 0.75, 0.3, "expected: p / (n + p)")
    for index, (debiased, text) in enumerate(((False, "biased"), (True, "debiased"))):
        values = [linear_cka(x, y, debiased=debiased) for x, y in pairs]
        measured(axes, share, values, index, line="none")
        name(axes, share[-1], values[-1].value, text, colour(index))
    axes.set(xlim=(0.015, 60), ylim=(-0.25, 1.05))
    axes.set(xlabel=f"features per example p / n (n = {NUM_EXAMPLES})", ylabel="linear CKA")
    logarithmic(axes, "x")
    return drawing
