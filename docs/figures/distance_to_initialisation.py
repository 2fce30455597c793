"""The distance of the weights from where they started: memorising takes them farther, and on when all is fitted."""

import copy

import torch
from matplotlib.figure import Figure

from docs.figures.drawing import colour, frames, logarithmic, measured, name
from docs.figures.networks import NUM_EXAMPLES, WIDTHS, clusters, perceptron, shuffled, training
from measures import Estimate, distance_to_initialisation

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


def draw() -> Figure:
    """Distance over training steps for true and shuffled labels; a ring marks the first step without an error."""
    drawing, (axes,) = frames()
    data = clusters(NUM_EXAMPLES, seed=1)
    for index, (text, train) in enumerate({"true labels": data, "shuffled labels": shuffled(data)}.items()):
        model = perceptron(WIDTHS, seed=0)
        initial, distances, fit = copy.deepcopy(model), list[Estimate](), 0
        for step in training(model, train, num_steps=STEPS[-1]):
            if step in STEPS:
                distances.append(Estimate(distance_to_initialisation(model, initial)["all"]))
                with torch.no_grad():
                    is_fitted = bool((model(train.inputs).argmax(dim=1) == train.targets).all())
                fit = fit or step * is_fitted
        measured(axes, STEPS, distances, index)
        at = STEPS.index(fit)
        axes.plot(fit, distances[at].value, "o", ms=11, mfc="none", mec=colour(index))
        name(axes, STEPS[-1], distances[-1].value, text, colour(index))
    axes.set(xlim=(0.8, 60000), xlabel="training steps", ylabel="distance from the initial weights")
    logarithmic(axes, "x")
    return drawing
