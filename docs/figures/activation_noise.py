"""Noise on all hidden units of a network that learned its labels and of one that memorised shuffled ones."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from docs.figures.networks import NUM_CLASSES, fitted
from measures import Estimate, activation_noise


def draw() -> Figure:
    """Accuracy on the training set over the noise, in units of what each unit does anyway, and chance."""
    drawing, (axes,) = frames()
    expected(axes, [0.03, 10], [1 / NUM_CLASSES, 1 / NUM_CLASSES])
    name(axes, 0.03, 1 / NUM_CLASSES, "one in five", side="right-below")
    for index, (labels, x, y) in enumerate((("true", 1.6, 0.85), ("shuffled", 0.25, 0.75))):
        measurement = activation_noise(fitted(labels))
        accuracy = measurement.arrays["accuracy"].astype(np.float64)
        errors = accuracy.std(axis=0, ddof=1) / np.sqrt(len(accuracy))
        points = [Estimate(*each) for each in zip(accuracy.mean(axis=0), errors, strict=True)]
        measured(axes, measurement.arrays["levels"], points, index)
        auc = measurement.values["auc"]
        text = f"{labels} labels\nauc {auc.value:.3f} ± {auc.stderr:.3f}"
        name(axes, x, y, text, colour(index), side="right" if labels == "true" else "left-below")
    axes.set(ylim=(0, 1.05), xlabel="noise (standard deviations of each unit)", ylabel="training accuracy")
    logarithmic(axes, "x")
    return drawing
