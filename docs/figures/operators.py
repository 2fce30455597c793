"""How far Gauss-Newton and the empirical Fisher are from the Hessian while a network fits its training set."""

import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from docs.figures.networks import clusters, perceptron, shuffled, training
from measures import Estimate, fisher_operator, ggn_operator, hessian_operator

STEPS = (0, 5, 20, 50, 100, 200, 500)


def draw() -> Figure:
    """Relative differences in the Frobenius norm over the training loss; from whole matrices, so without error bars."""
    drawing, (axes,) = frames()
    model, data = perceptron((20, 8, 5), seed=0), shuffled(clusters(40, seed=1))
    batches, losses = [(data.inputs, data.targets)], list[float]()
    differences: tuple[list[Estimate], list[Estimate]] = ([], [])
    for step in training(model, data, num_steps=STEPS[-1]):
        if step in STEPS:
            hessian = hessian_operator(model, F.cross_entropy, batches)
            whole = hessian @ torch.eye(hessian.shape[0])
            losses.append(hessian.loss)
            for found, make in zip(differences, (ggn_operator, fisher_operator), strict=True):
                other = make(model, F.cross_entropy, batches) @ torch.eye(len(whole))
                found.append(Estimate(float((other - whole).norm() / whole.norm())))
    expected(axes, [losses[0], losses[-1]], [1, 1])
    name(axes, losses[2], 1, "a matrix of zeros", side="right-above")
    for index, (text, values) in enumerate(zip(("Gauss-Newton", "empirical Fisher"), differences, strict=True)):
        measured(axes, losses, values, index)
        name(axes, losses[-1], values[-1].value, text, colour(index), side="left-above" if index else "left-below")
    axes.set(xlabel="training loss (nats), falling", ylabel="difference from the Hessian / Hessian")
    logarithmic(axes, "xy")
    axes.invert_xaxis()
    return drawing
