"""The plane of the data: slopes, and which regions have training points, a bound, or none."""

import math

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch.nn import functional as F

from docs.figures.drawing import colour, frames
from docs.figures.networks import generator, perceptron, snapshot, training
from measures import Split, region_map

RESOLUTION = 100


def draw() -> Figure:
    """The map of a small network that has learned a sinusoid on a plane of ten dimensions."""
    drawing, (slopes, kinds) = frames("slope", "what is known of a region")
    train = _sinusoid()
    model = perceptron((10, 8, 20, 1), seed=0)
    *_, _ = training(model, train, 600, lambda f, y: F.mse_loss(f[:, 0], y))
    found = region_map(snapshot(model, train, train), resolution=RESOLUTION).arrays
    x, y = found["x"], found["y"]
    extent = (float(x[0]), float(x[-1]), float(y[0]), float(y[-1]))
    slopes.imshow(found["lipschitz"], origin="lower", extent=extent, cmap="viridis", interpolation="nearest")
    slopes.set_title(f"slope, 0 (dark) to {found['lipschitz'].max():.1f} (bright)")
    slopes.plot(*found["train_points"].T, ".", color="white", markersize=2)
    colours = ListedColormap(["#f0f0f0", colour(0), colour(1)])
    kinds.imshow(found["kinds"], origin="lower", extent=extent, cmap=colours, vmin=0, vmax=2, interpolation="nearest")
    for axes in (slopes, kinds):
        _plain(axes)
    return drawing


def _plain(axes: Axes) -> None:
    axes.set(xlabel="first side of the plane", ylabel="second side")
    axes.grid(visible=False)


def _sinusoid() -> Split:
    points = 2 * torch.rand(200, 2, generator=generator(1)) - 1
    rotation, _ = torch.linalg.qr(torch.randn(10, 10, generator=generator(2)))
    return Split(3 * points @ rotation[:2], torch.cos(math.pi * points).prod(dim=1))
