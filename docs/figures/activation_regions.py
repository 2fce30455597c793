"""The linear regions of a network on a plane through three examples, and how their count grows with the grid."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.figures.drawing import expected, frames, logarithmic, measured, name
from docs.figures.networks import WIDTHS, fitted, perceptron
from measures import activation_patterns, activation_regions
from measures.activation_patterns import region_numbers
from measures.activation_regions import grid_between
from measures.inputs import Snapshot

RESOLUTIONS = (5, 10, 20, 40, 80)


def draw() -> Figure:
    """The map of one plane; the mean count over twelve planes for trained and untrained networks, and its ceiling."""
    drawing, (plane, counts) = frames("a plane through three examples", "regions of such planes")
    memorised = fitted("shuffled")
    _map(plane, memorised)
    untrained = Snapshot(perceptron(WIDTHS, seed=0), (), memorised.train, memorised.test, memorised.loss)
    cases = {"shuffled labels": memorised, "true labels": fitted("true"), "untrained": untrained}
    expected(counts, [5, 50], [5**2, 50**2])
    name(counts, 16, 16**2, "grid points", side="left")
    for index, (text, snapshot) in enumerate(cases.items()):
        found = [activation_regions(snapshot, resolution=each, num_draws=12).values["regions"] for each in RESOLUTIONS]
        measured(counts, np.array(RESOLUTIONS) * 1.06**index, found, index, text)
    counts.set(xlabel="points on a side of the grid", ylabel="distinct patterns")
    counts.legend(loc="lower right")
    logarithmic(counts, "xy")
    return drawing


def _map(axes: Axes, snapshot: Snapshot) -> None:
    corners = snapshot.train.inputs[[0, 1, 2]]
    regions = region_numbers(activation_patterns(snapshot.model, grid_between(corners, 200))).reshape(200, 200)
    shades = np.random.default_rng(0).random(regions.max() + 1)[regions]
    axes.imshow(shades.T, origin="lower", extent=(0, 1, 0, 1), cmap="Pastel1", interpolation="nearest", aspect="auto")
    axes.set(xlabel="share of the way to example b", ylabel="share of the way to example c")
    axes.grid(visible=False)
