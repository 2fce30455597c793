"""Noise on all hidden units of a network that learned its labels and of one that memorised shuffled ones."""

from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, means, measured, name
from docs.figures.networks import NUM_CLASSES, fitted
from measures import activation_noise


def draw() -> Figure:
    """Accuracy on the training set over the noise, in units of what each unit does anyway, and chance."""
    drawing, (axes,) = frames()
    expected(axes, [0.03, 10], [1 / NUM_CLASSES, 1 / NUM_CLASSES])
    name(axes, 0.03, 1 / NUM_CLASSES, "one in five", side="right-below")
    for index, (labels, x, y) in enumerate((("true", 1.6, 0.85), ("shuffled", 0.25, 0.75))):
        measurement = activation_noise(fitted(labels))
        measured(axes, measurement.arrays["levels"], means(measurement.arrays["accuracy"]), index)
        auc = measurement.values["auc"]
        text = f"{labels} labels\nauc {auc.value:.3f} ± {auc.stderr:.3f}"
        name(axes, x, y, text, colour(index), side="right" if labels == "true" else "left-below")
    axes.set(ylim=(0, 1.05), xlabel="noise (standard deviations of each unit)", ylabel="training accuracy")
    logarithmic(axes, "x")
    return drawing
