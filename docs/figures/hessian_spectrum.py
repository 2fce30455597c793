"""The Hessian's spectrum by Lanczos quadrature against all its eigenvalues, for a small trained network."""

import numpy as np
from matplotlib.figure import Figure
from torch.nn import functional as F

from docs.figures.drawing import colour, expected, frames, logarithmic, measured
from docs.figures.networks import clusters, perceptron, shuffled, training
from measures import Estimate, dense_spectrum, hessian_operator, lanczos_quadrature

LEVELS = np.geomspace(1e-3, 1, 7)


def draw() -> Figure:
    """Density by both; the effective dimensionality over its exact value, for many z and two numbers of steps."""
    drawing, (density, ratio) = frames("spectral density", "effective dimensionality")
    model, data = perceptron((20, 16, 5), seed=0), shuffled(clusters(200, seed=1))
    *_, _ = training(model, data, num_steps=100)
    hessian = hessian_operator(model, F.cross_entropy, [(data.inputs, data.targets)])
    exact = dense_spectrum(hessian)
    grid = np.arange(-0.75, exact.exact.max() + 0.5, 0.5)
    density.stairs(exact.density(grid), grid, fill=True, color="#c8c8c8", label="all eigenvalues")
    expected(ratio, LEVELS[[0, -1]], [1, 1])
    for index, num_steps in enumerate((40, 5)):
        spectrum = lanczos_quadrature(hessian, num_steps=num_steps, num_probes=8, seed=0)
        truth = [exact.effective_dimensionality(z).value for z in LEVELS]
        found = [spectrum.effective_dimensionality(z) for z in LEVELS]
        relative = [Estimate(f.value / t, (f.stderr or 0) / t) for f, t in zip(found, truth, strict=True)]
        measured(ratio, LEVELS * 1.08**index, relative, index, f"{num_steps} steps")
        if index == 0:
            density.stairs(spectrum.density(grid), grid, color=colour(index), label="8 probes, 40 steps")
    density.set(yscale="log", ylim=(2e-3, 4), xlabel="eigenvalue λ", ylabel="share of eigenvalues per unit of λ")
    density.legend(loc="upper right")
    density.set_axisbelow(True)
    ratio.legend(loc="upper right")
    ratio.set(ylim=(0.92, 1.42), xlabel="z", ylabel="quadrature / exact")
    logarithmic(ratio, "x")
    logarithmic(density, "y")
    return drawing
