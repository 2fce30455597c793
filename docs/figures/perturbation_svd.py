"""What noise takes from the first singular value: measured, by the linear theory, and in closed form."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from docs.figures.drawing import colour, expected, frames, logarithmic, measured
from docs.figures.networks import fitted
from measures import Estimate, Measurement, Snapshot, perturbation_svd
from measures.examples import chosen_examples

SIGMAS = tuple(float(sigma) for sigma in np.geomspace(0.01, 3, 8))
NUM_EXAMPLES, NUM_COPIES = 8, 64
LAYERS = {"input": "input", "layer.1": "first hidden layer", "layer.3": "second hidden layer"}


def draw() -> Figure:
    """1 − share_1 over sigma for the input and both hidden layers of a trained network; dashes: the theory."""
    drawing, (axes,) = frames()
    snapshot = fitted("true")
    measurement = perturbation_svd(snapshot, sigmas=SIGMAS, num_examples=NUM_EXAMPLES, num_copies=NUM_COPIES)
    for index, (layer, text) in enumerate(LAYERS.items()):
        found = _missing(measurement, layer, "share_1")
        measured(axes, SIGMAS, found, index, text, line="none")
        theory = [each.value for each in _missing(measurement, layer, "linear_share_1")]
        expected(axes, SIGMAS, _closed_form(snapshot) if layer == "input" else theory, colour(index))
    axes.set(xlabel="noise sigma (units of the inputs)", ylabel="1 − share_1")
    axes.legend(loc="lower right")
    logarithmic(axes, "xy")
    return drawing


def _closed_form(snapshot: Snapshot) -> NDArray[np.float64]:
    """Of the input, whose Jacobian is the identity, to second order in sigma."""
    inputs = chosen_examples(snapshot.train, NUM_EXAMPLES, seed=0).inputs
    noise_over_signal = float(((inputs.shape[1] - 1) / inputs.square().sum(dim=1)).mean())
    return (NUM_COPIES - 1) / NUM_COPIES * noise_over_signal * np.square(SIGMAS)


def _missing(measurement: Measurement, layer: str, field: str) -> list[Estimate]:
    shares = [measurement.values[f"{layer}.sigma_{sigma}.{field}"] for sigma in SIGMAS]
    return [Estimate(1 - share.value, share.stderr) for share in shares]
