"""How far the posterior contracts with the number of points, for three noises, and what no noise can exceed."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, measured, name
from measures import Estimate, posterior_contraction

PRIOR_VARIANCE = 3.0
COUNTS = (1, 25, 50, 75, 100, 125, 150, 175, 200, 225, 250, 275, 300)


def draw() -> Figure:
    """The published model of 200 features: prior less posterior variance, and the prior variance seen by no point."""
    drawing, (axes,) = frames()
    x = np.linspace(0, 50, 300)[np.random.default_rng(0).permutation(300)]
    phases = np.pi * x[:, None] * np.arange(1, 101)
    features = np.hstack([np.cos(phases), np.sin(phases)])
    expected(axes, [0, 200, 300], PRIOR_VARIANCE * np.array([0, 200, 200]))
    name(axes, 200, PRIOR_VARIANCE * 200, "prior variance × min(n, d)", side="left")
    for index, noise in enumerate((0.1, 100.0, 1000.0)):
        found = [
            posterior_contraction(features[:count], prior_variance=PRIOR_VARIANCE, noise_variance=noise)
            for count in COUNTS
        ]
        measured(axes, COUNTS, [Estimate(each.value) for each in found], index)
        name(axes, COUNTS[-1], found[-1].value, f"noise variance {noise:g}", colour(index))
    axes.set(
        xlim=(-5, 460), ylim=(0, 650), xlabel="points seen, n (200 features)", ylabel="variance taken away (prior: 600)"
    )
    return drawing
