"""For how many points theorem 2 gives a bound, and for how many of them it says more than that the region is known."""

import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from docs.figures.drawing import colour, frames, logarithmic, measured, name
from docs.figures.networks import generator, perceptron, snapshot, training
from measures import Split, far_lipschitz_bound

NUM_TRAINING = (10, 20, 40, 80, 160, 320)


def draw() -> Figure:
    """Shares of 100 held-out and 100 far points over the number of training examples, for a small trained network."""
    drawing, (axes,) = frames()
    train, test = _surface(seed=1), _surface(seed=2)
    model = perceptron((6, 8, 8, 1), seed=0)
    *_, _ = training(model, train, 300, lambda f, y: F.binary_cross_entropy_with_logits(f[:, 0], y))
    data = snapshot(model, train, test)
    measurements = [far_lipschitz_bound(data, num_examples=each, num_points=100) for each in NUM_TRAINING]
    for index, (kind, text) in enumerate({"test": "held out", "far": "noise"}.items()):
        bounded, covered = (
            [each.values[f"{kind}.{field}"] for each in measurements] for field in ("bounded", "covered")
        )
        measured(axes, NUM_TRAINING, bounded, index)
        known = [each.value for each in covered]
        axes.plot(NUM_TRAINING, known, "o", markersize=10, markerfacecolor="none", markeredgecolor=colour(index))
        name(axes, NUM_TRAINING[-1], bounded[-1].value, text, colour(index))
    name(axes, NUM_TRAINING[0], 0.1, "ring: region known")
    axes.set(xlim=(8, 700), ylim=(-0.02, 1.05))
    axes.set(xlabel="training examples that the bound is from", ylabel="share of points with a bound")
    logarithmic(axes, "x")
    return drawing


def _surface(seed: int) -> Split:
    """Two uniform coordinates behind a fixed layer of tanh; the class says whether they have one sign."""
    coordinates = 4 * torch.rand(400, 2, generator=generator(seed)) - 2
    embedding = torch.randn(2, 6, generator=generator(0))
    return Split((coordinates @ embedding).tanh(), (coordinates.prod(dim=1) > 0).float())
