"""The terms of the Dropout bound while a network grows confident: they leave the network's slopes far below."""

import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from docs.figures.drawing import colour, frames, logarithmic, measured, name
from docs.figures.networks import NUM_FEATURES, clusters, perceptron, training
from measures import Estimate, Split, dropout_bound_terms

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def draw() -> Figure:
    """The constant of a steady learner, the largest slope there is, and the least confidence, over training."""
    drawing, (axes,) = frames()
    examples = clusters(200, seed=1)
    data = Split(examples.inputs, (examples.targets % 2).float())
    model = nn.Sequential(*perceptron((NUM_FEATURES, 40, 1), seed=0), nn.Dropout(0.5)).train()
    with torch.random.fork_rng(devices=[]):  # Dropout draws from the global stream
        torch.manual_seed(0)
        steps = training(model, data, STEPS[-1], lambda f, y: F.binary_cross_entropy_with_logits(f[:, 0], y))
        terms = [dropout_bound_terms(model, data.inputs) for step in steps if step in STEPS]
    series = {
        "steady_lipschitz": [each.steady_lipschitz for each in terms],
        "phi": [each.phi for each in terms],
        "mu": [each.mu for each in terms],
    }
    for index, (text, values) in enumerate(series.items()):
        measured(axes, STEPS, [Estimate(value) for value in values], index)
        name(axes, STEPS[-1], values[-1], text, colour(index))
    axes.set(xlim=(0.8, 8000), xlabel="training steps", ylabel="value of the term")
    logarithmic(axes, "xy")
    return drawing
