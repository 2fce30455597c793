"""Class selectivity of units that know the classes, and of the same units for labels drawn by lot."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from docs.figures.drawing import colour, frames
from docs.figures.networks import NUM_CLASSES, fitted, generator
from measures import class_selectivity, layer_activations

FEW = 20


def draw() -> Figure:
    """Histograms over the units of the hidden layers; what chance gives depends on the examples in a class."""
    drawing, (axes,) = frames()
    snapshot = fitted("true")
    layers = layer_activations(snapshot.model, snapshot.train.inputs, snapshot.layers)
    units, targets = torch.cat(list(layers.values()), dim=1), snapshot.train.targets
    own = class_selectivity(units, targets)
    cases = {f"own labels, {_size(targets)} examples a class": own} | {
        f"labels by lot, {_size(part)} a class": class_selectivity(units[: len(part)], _by_lot(part))
        for part in (targets, targets[:FEW])
    }
    bins = np.linspace(0, 1, 21)
    for index, (text, values) in enumerate(cases.items()):
        counts, edges = np.histogram(values[~np.isnan(values)], bins)
        axes.stairs(counts, edges, fill=index == 0, alpha=1 if index else 0.4, color=colour(index), lw=1.6, label=text)
    axes.set(xlabel="class selectivity", ylabel="hidden units")
    axes.set_axisbelow(True)
    axes.legend(loc="upper right")
    return drawing


def _by_lot(targets: Tensor) -> Tensor:
    return targets[torch.randperm(len(targets), generator=generator(3))]


def _size(targets: Tensor) -> int:
    return len(targets) // NUM_CLASSES
