"""The slope in the first bias over training, and the bounds that it gives of the local Lipschitz constant."""

from matplotlib.figure import Figure

from docs.figures.drawing import colour, frames, logarithmic, measured, name
from docs.figures.networks import NUM_CLASSES, NUM_FEATURES, clusters, perceptron, shuffled, snapshot, training
from measures import Estimate, bias_gradient, lipschitz

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def draw() -> Figure:
    """Mean over the training examples, while a network memorises them; the first layer has fewer units than inputs."""
    drawing, (axes,) = frames()
    data = shuffled(clusters(200, seed=1))
    model = perceptron((NUM_FEATURES, 12, 40, NUM_CLASSES), seed=0)
    current = snapshot(model, data, data)
    found: list[tuple[Estimate, Estimate, float, float]] = []
    for step in training(model, data, num_steps=STEPS[-1]):
        if step in STEPS:
            slopes, constants = bias_gradient(current).values, lipschitz(current).values
            bounds = slopes["lipschitz_lower"].value, slopes["lipschitz_upper"].value
            found.append((slopes["mean"], constants["train.mean"], *bounds))
    slopes, constants, lower, upper = zip(*found, strict=True)
    axes.fill_between(STEPS, lower, upper, color="#e4e4e4", zorder=1)
    for index, (values, text) in enumerate(((slopes, "bias_gradient"), (constants, "Lipschitz constant"))):
        measured(axes, STEPS, values, index)
        name(axes, STEPS[-1], values[-1].value, text, colour(index))
    name(axes, STEPS[-1], upper[-1], "bounds of the constant")
    axes.set(xlim=(0.8, 6000), xlabel="training steps", ylabel="mean slope (logits per unit)")
    logarithmic(axes, "xy")
    return drawing
