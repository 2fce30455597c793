"""Predictions kept as the weights move along directions of high and of low curvature."""

from matplotlib.figure import Figure

from docs.figures.drawing import colour, frames, means, measured, name
from docs.figures.networks import clusters, perceptron, shuffled, snapshot, training
from measures import homogeneity

LONGEST = 4.0


def draw() -> Figure:
    """Share of the labels kept over the length of the step, on training and held-out examples."""
    drawing, (axes,) = frames()
    train, test = shuffled(clusters(150, seed=1)), clusters(300, seed=2)
    model = perceptron((20, 16, 5), seed=0)
    *_, _ = training(model, train, num_steps=300)
    found = homogeneity(snapshot(model, train, test), max_length=LONGEST, num_lengths=13, num_draws=8, num_excluded=150)
    for index, space in enumerate(("bottom", "top")):
        for split, line, side in (("train", "-", "right-above"), ("test", ":", "right-below")):
            points = means(found.arrays[f"{space}.{split}.labels_kept"])
            measured(axes, found.arrays["lengths"], points, index, line=line)
            name(axes, LONGEST, points[-1].value, f"{space}, {split}", colour(index), side=side)
    axes.set(xlim=(-0.1, 5.2), ylim=(0, 1.05), xlabel="length of the step in weight space", ylabel="labels kept")
    return drawing
