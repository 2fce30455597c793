"""PAC-Bayes sigma of a linear classifier, where the expected error at every noise level has a closed form."""

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.optimize import root_scalar
from scipy.stats import norm
from torch import Tensor

from docs.figures.drawing import expected, frames, logarithmic, measured, name
from docs.figures.networks import NUM_FEATURES, generator, perceptron, snapshot
from measures import Split, pac_bayes_sigma

NUM_DRAWS = (2, 3, 5, 10, 20, 50)
TARGET = 0.1


def draw() -> Figure:
    """The estimate for three sets of draws over their number, with the exact value."""
    drawing, (axes,) = frames()
    model = perceptron((NUM_FEATURES, 1), seed=0)
    inputs = torch.randn(500, NUM_FEATURES, generator=generator(1))
    with torch.no_grad():
        outputs = model(inputs)[:, 0]
    split = Split(inputs, (outputs > 0).long())
    exact = _sigma(outputs, inputs)
    expected(axes, [1.8, 58], [exact, exact])
    name(axes, 58, exact, "closed form")
    for seed in range(3):
        found = [
            pac_bayes_sigma(snapshot(model, split, split), target=TARGET, num_draws=n, seed=seed) for n in NUM_DRAWS
        ]
        sigmas = [each.values["sigma"] for each in found]
        measured(axes, np.array(NUM_DRAWS) * 1.08 ** (seed - 1), sigmas, seed, f"seed {seed}", line="none")
    axes.set(xlim=(1.5, 150), xlabel="draws", ylabel=f"sigma (rise of the error: {TARGET})")
    axes.legend(loc="upper right")
    logarithmic(axes, "x")
    return drawing


def _sigma(outputs: Tensor, inputs: Tensor) -> float:
    """Noise on weights and bias flips the sign of an output f(x) with the probability Phi(-|f| / (sigma |(x, 1)|))."""
    scaled = (outputs.abs() / (inputs.square().sum(dim=1) + 1).sqrt()).double().numpy()
    found = root_scalar(lambda sigma: float(norm.cdf(-scaled / sigma).mean()) - TARGET, bracket=(1e-3, 10.0))
    return float(found.root)
