"""Each layer during training against its final self, and against the same layer of a network of another seed."""

import copy

from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from docs.figures.networks import NUM_CLASSES, NUM_FEATURES, clusters, perceptron, shuffled, snapshot, training
from measures import Snapshot, SnapshotPair, representation_similarity

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def draw() -> Figure:
    """Debiased CKA over training steps; dashed: of the final networks of two seeds."""
    drawing, (axes,) = frames()
    run, other = _run(seed=0), _run(seed=1)
    pairs = [SnapshotPair(each, run[-1]) for each in run]
    similarities = [representation_similarity(pair).values for pair in pairs]
    seeds = representation_similarity(SnapshotPair(other[-1], run[-1])).values
    for index, layer in enumerate(run[0].layers):
        field = f"layer.{layer}"
        measured(axes, STEPS, [each[field] for each in similarities], index, f"hidden layer {index + 1}")
        expected(axes, [1, STEPS[-1]], [seeds[field].value] * 2, colour(index))
    name(axes, STEPS[-1], seeds["layer.1"].value, "another seed")
    axes.set(xlim=(0.8, 1500), ylim=(0, 1.05), xlabel="training steps", ylabel="debiased CKA with the final network")
    axes.legend(loc="lower right")
    logarithmic(axes, "x")
    return drawing


def _run(seed: int) -> list[Snapshot]:
    """Snapshots of a network of three hidden layers that memorises shuffled labels."""
    train, test = shuffled(clusters(300, seed=1)), clusters(500, seed=2)
    model = perceptron((NUM_FEATURES, 60, 60, 60, NUM_CLASSES), seed)
    steps = training(model, train, num_steps=STEPS[-1])
    return [snapshot(copy.deepcopy(model), train, test) for step in steps if step in STEPS]
