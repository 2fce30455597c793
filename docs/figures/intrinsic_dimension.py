"""The dimension of points from a surface of three dimensions, layer by layer through a network."""

import torch
from matplotlib.figure import Figure
from torch import nn

from docs.figures.drawing import colour, expected, frames, measured, name
from docs.figures.networks import NUM_FEATURES, generator, perceptron, snapshot, training
from measures import Split, intrinsic_dimension

DIMENSION = 3
LAYERS = ("inputs", "1", "2", "3", "4")


def draw() -> Figure:
    """Estimates on 1,000 held-out examples: what a network does can lower the true dimension and never raise it."""
    drawing, (axes,) = frames()
    train, test = _surface(seed=1), _surface(seed=2)
    model = perceptron((NUM_FEATURES, 50, 50, 50, 50, 2), seed=0)
    *_, _ = training(model, train, num_steps=150)
    layered = snapshot(nn.Sequential(nn.Identity(), *model), train, test)
    expected(axes, [0, len(LAYERS) - 1], [DIMENSION, DIMENSION])
    name(axes, len(LAYERS) - 1, DIMENSION, "truth: at most 3", side="right-above")
    twonn = intrinsic_dimension(layered).values
    ratio = intrinsic_dimension(layered, method="participation_ratio").values
    for index, (values, text) in enumerate(((twonn, "TwoNN"), (ratio, "participation ratio"))):
        estimates = [values[f"layer.{layer}"] for layer in layered.layers]
        measured(axes, range(len(LAYERS)), estimates, index)
        name(axes, len(LAYERS) - 1, estimates[-1].value, text, colour(index))
    axes.set(xlim=(-0.3, 5.6), ylim=(0, None), xlabel="hidden layer", ylabel="dimension")
    axes.set_xticks(range(len(LAYERS)), LAYERS)
    return drawing


def _surface(seed: int) -> Split:
    """Three uniform coordinates behind a fixed layer of tanh; the class says whether the first two have one sign."""
    coordinates = 2 * torch.rand(1000, DIMENSION, generator=generator(seed)) - 1
    embedding = torch.randn(DIMENSION, NUM_FEATURES, generator=generator(0))
    return Split((coordinates @ embedding).tanh(), (coordinates[:, 0] * coordinates[:, 1] > 0).long())
