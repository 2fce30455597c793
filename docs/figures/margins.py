"""The first-order distance to the decision boundary against the true one, in a plane where that can be found."""

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor, nn

from docs.figures.drawing import colour, expected, frames, logarithmic, name
from docs.figures.networks import generator, perceptron, snapshot, training
from measures import Split, margins
from measures.examples import chosen_examples

NUM_EXAMPLES = 150
SIDE = 800  # of the grid in which the boundary is searched


def draw() -> Figure:
    """Every training example of a ring around a disc, fitted with true labels and with a fifth of them wrong."""
    drawing, (axes,) = frames()
    expected(axes, [0.01, 4], [0.01, 4])
    name(axes, 0.03, 0.03, "equal", side="right-below")
    inputs = torch.randn(NUM_EXAMPLES, 2, generator=generator(1))
    inside = (inputs.norm(dim=1) < 1).long()
    wrong = (torch.arange(NUM_EXAMPLES) % 5 == 0).long()
    for index, (text, targets) in enumerate({"true labels": inside, "a fifth wrong": inside ^ wrong}.items()):
        data = Split(inputs, targets)
        model = perceptron((2, 40, 40, 2), seed=0)
        *_, _ = training(model, data, num_steps=400)
        first_order = np.abs(margins(snapshot(model, data, data)).arrays["distance"].astype(np.float64))
        true = _distances(model, chosen_examples(data, NUM_EXAMPLES, seed=0).inputs)
        axes.plot(true, first_order, ".", color=colour(index), markersize=4, label=text)
    axes.set(xlabel="true distance to the decision boundary (input units)", ylabel="distance to first order")
    axes.legend(loc="upper left")
    axes.set(xlim=(0.01, 4), ylim=(0.01, 20))
    logarithmic(axes, "xy")
    return drawing


def _distances(model: nn.Module, points: Tensor) -> NDArray[np.float64]:
    """From each point to the nearest place on a grid where the prediction changes."""
    line = torch.linspace(-4, 4, SIDE)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        classes = model(grid).argmax(dim=1).reshape(SIDE, SIDE).numpy()
    changes = [np.argwhere(np.diff(classes, axis=axis)) + 0.5 * (np.arange(2) == axis) for axis in (0, 1)]
    boundary = -4 + np.concatenate(changes) * 8 / (SIDE - 1)
    return KDTree(boundary).query(points.numpy())[0]
