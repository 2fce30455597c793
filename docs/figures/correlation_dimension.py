"""The correlation dimension of Gaussians against the exact slope of their correlation integral."""

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import chi2

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from measures import correlation_dimension

NUM_POINTS = 1000


def draw() -> Figure:
    """The estimate at growing radii; two points of a Gaussian are nearer than r as often as chi2 is below r²/2."""
    drawing, (axes,) = frames()
    for index, dimension in enumerate((2, 5, 10, 20)):
        points = np.random.default_rng(0).normal(size=(NUM_POINTS, dimension))
        results = [correlation_dimension(points, ranks=(rank, 2 * rank)) for rank in (4, 8, 16, 32, 64, 128)]
        radii = np.array([np.sqrt(result.radii[0] * result.radii[1]) for result in results])
        smaller = np.geomspace(radii[0] / 6, radii[-1], 50)
        half = smaller**2 / 2
        expected(axes, smaller, 2 * half * chi2.pdf(half, dimension) / chi2.cdf(half, dimension), colour(index))
        measured(axes, radii, results, index, line="none")
        name(axes, radii[-1], results[-1].value, f"{dimension} dimensions", colour(index))
    axes.set(xlim=(0.02, 30), ylim=(0, 21), yticks=[2, 5, 10, 15, 20])
    axes.set(xlabel="distance r (standard deviations)", ylabel="slope of log C(r) on log r")
    logarithmic(axes, "x")
    return drawing
