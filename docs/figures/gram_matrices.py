"""The Gram matrices of the first and the last hidden layer of a trained network, examples sorted by class."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import frames
from docs.figures.networks import NUM_CLASSES, fitted
from measures import gram_matrices
from measures.examples import chosen_examples

NUM_EXAMPLES = 100


def draw() -> Figure:
    """Signed square roots of the entries, so that the diagonal does not outshine the rest."""
    snapshot = fitted("true")
    found = gram_matrices(snapshot, num_examples=NUM_EXAMPLES)
    targets = chosen_examples(snapshot.test, NUM_EXAMPLES, seed=0).targets.numpy()
    order = np.argsort(targets, kind="stable")
    names = (f"layer.{snapshot.layers[0]}", f"layer.{snapshot.layers[-1]}")
    counts = [f"{found.values[name].value:.1f}" for name in names]
    titles = [
        f"{place} hidden layer: {count} directions" for place, count in zip(("first", "last"), counts, strict=True)
    ]
    drawing, row = frames(*titles)
    for axes, name in zip(row, names, strict=True):
        gram = found.arrays[name][np.ix_(order, order)]
        shown = np.sign(gram) * np.sqrt(np.abs(gram))
        most = float(np.abs(shown).max())
        axes.imshow(shown, cmap="RdBu_r", vmin=-most, vmax=most, origin="lower", interpolation="nearest")
        axes.set(xlabel=f"test example, by its {NUM_CLASSES} classes", ylabel="test example")
        axes.grid(visible=False)
    return drawing
