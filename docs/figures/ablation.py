"""Ablation curves of a network that learned its labels and of one that memorised shuffled ones."""

from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, means, measured, name
from docs.figures.networks import NUM_CLASSES, fitted
from measures import ablation


def draw() -> Figure:
    """Accuracy on the training set over the share of hidden units held at 0, in 20 random orders, and chance."""
    drawing, (axes,) = frames()
    expected(axes, [0, 1], [1 / NUM_CLASSES, 1 / NUM_CLASSES])
    name(axes, 0.06, 1 / NUM_CLASSES, "one in five", side="below")
    for index, (labels, x, y) in enumerate((("true", 0.55, 0.85), ("shuffled", 0.3, 0.46))):
        measurement = ablation(fitted(labels), num_orders=20)
        measured(axes, measurement.arrays["fractions"], means(measurement.arrays["accuracy"]), index)
        auc = measurement.values["auc"]
        text = f"{labels} labels\nauc {auc.value:.3f} ± {auc.stderr:.3f}"
        name(axes, x, y, text, colour(index), side="right")
    axes.set(ylim=(0, 1.05), xlabel="share of hidden units held at 0", ylabel="training accuracy")
    return drawing
