"""The Procrustes distance of noisy rotated copies against its value for infinitely many examples."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from measures import procrustes_distance

NOISE = np.geomspace(0.05, 20, 9)
NUM_UNITS = 20


def draw() -> Figure:
    """20 Gaussian units, rotated, with noise of growing size, for two numbers of examples, and the null of each."""
    drawing, (axes,) = frames()
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.normal(size=(NUM_UNITS, NUM_UNITS)))
    expected(axes, NOISE, np.sqrt(2 - 2 / np.sqrt(1 + NOISE**2)))
    name(axes, NOISE[-1], 1.39, "n → ∞")
    for index, num_examples in enumerate((200, 30)):
        sides = [rng.normal(size=(2, num_examples, NUM_UNITS)) for _ in NOISE]
        results = [
            procrustes_distance(x, (x + s * noise) @ rotation) for s, (x, noise) in zip(NOISE, sides, strict=True)
        ]
        measured(axes, NOISE, results, index, line="none")
        expected(axes, [0.05, 20], [results[-1].null] * 2, colour(index))
        name(axes, 0.12, results[-1].null, f"null, n = {num_examples}", colour(index), side="above")
        name(axes, NOISE[-1], results[-1].value, f"n = {num_examples}", colour(index))
    axes.set(xlim=(0.035, 60), ylim=(0, 1.5), xlabel="noise over signal (standard deviations)")
    axes.set_ylabel("Procrustes distance")
    logarithmic(axes, "x")
    return drawing
