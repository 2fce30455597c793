"""Norms of networks that are one function: factors moved from unit to unit change all norms but the path norm."""

import torch
from matplotlib.figure import Figure
from torch import nn

from docs.figures.drawing import colour, frames, logarithmic, measured, name
from docs.figures.networks import WIDTHS, clusters, generator, perceptron, snapshot
from measures import Estimate, norms

FIELDS = ("parameter_norm", "frobenius_product", "spectral_product", "path_norm")
SPREADS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


def draw() -> Figure:
    """Each norm over its value without factors exp(spread z), z normal, on hidden units, divided out behind."""
    drawing, (axes,) = frames()
    data = clusters(10, seed=1)
    values = [norms(snapshot(_rescaled(spread), data, data)).values for spread in SPREADS]
    for index, field in enumerate(FIELDS):
        ratios = [Estimate(each[field].value / values[0][field].value) for each in values]
        measured(axes, SPREADS, ratios, index)
        name(axes, SPREADS[-1], ratios[-1].value, field, colour(index))
    axes.set(xlim=(-0.05, 2.2), xlabel="spread of the logarithm of the factors", ylabel="norm / norm without factors")
    axes.set_xticks(SPREADS[::2])
    logarithmic(axes, "y")
    return drawing


def _rescaled(spread: float) -> nn.Sequential:
    """The same function at every spread: a ReLU lets a positive factor through."""
    model, stream = perceptron(WIDTHS, seed=0), generator(1)
    for before, after in ((0, 2), (2, 4)):
        first, second = model[before], model[after]
        assert isinstance(first, nn.Linear) and isinstance(second, nn.Linear)  # as `perceptron` alternates
        factors = torch.exp(spread * torch.randn(first.out_features, generator=stream))
        with torch.no_grad():
            first.weight.mul_(factors[:, None])
            first.bias.mul_(factors)
            second.weight.div_(factors)
    return model
