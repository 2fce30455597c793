"""Class selectivity of units that know the classes, and of the same units for labels drawn by lot."""

import numpy as np
import torch
from matplotlib.figure import Figure

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
    lot = targets[torch.randperm(len(targets), generator=generator(3))]
    cases = {
        f"own labels, {len(targets) // NUM_CLASSES} examples a class": class_selectivity(units, targets),
        f"labels by lot, {len(targets) // NUM_CLASSES} a class": class_selectivity(units, lot),
        f"labels by lot, {FEW // NUM_CLASSES} a class": class_selectivity(units[:FEW], lot[:FEW]),
    }
    bins = np.linspace(0, 1, 21)
    for index, (text, values) in enumerate(cases.items()):
        counts, edges = np.histogram(values[~np.isnan(values)], bins)
        axes.stairs(counts, edges, fill=index == 0, alpha=1 if index else 0.4, color=colour(index), lw=1.6, label=text)
    axes.set_axisbelow(True)
    axes.legend(loc="upper right")
    return drawing
