"""What a long step of low curvature and a short one of high curvature do to the classifier of two spirals."""

import math

import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from docs.figures.drawing import colour, frames
from docs.figures.networks import generator, perceptron, training
from measures import Snapshot, Split, classifier_change

LONG, SHORT = 3.0, 0.5


def draw() -> Figure:
    """The decision boundary before (black) and after each of the two steps, among the training examples."""
    titles = f"low curvature, step {LONG:g}", f"high curvature, step {SHORT:g}"
    drawing, panels = frames(*titles)
    data = spirals(300)
    model = perceptron((2, 20, 20, 2), seed=0, activation=torch.nn.ELU)
    *_, _ = training(model, data, num_steps=1500)
    found = classifier_change(
        Snapshot(model, (), data, data, F.cross_entropy),
        bottom_length=LONG,
        top_length=SHORT,
        num_excluded=300,
        resolution=60,
    )
    columns, rows, points = (found.arrays[name] for name in ("columns", "rows", "points"))
    for axes, title, space in zip(panels, titles, ("bottom", "top"), strict=True):
        for label in (0, 1):
            chosen = points[points[:, 2] == label]
            axes.plot(chosen[:, 0], chosen[:, 1], ".", color=colour(label), markersize=3)
        axes.contour(columns, rows, found.arrays["probabilities"], levels=[0.5], colors="black")
        axes.contour(columns, rows, found.arrays[f"{space}.probabilities"], levels=[0.5], colors=colour(3))
        changed = found.values[f"{space}.train.labels_changed"]
        axes.set_title(f"{title}\n{changed.value:.1f} ± {changed.stderr:.1f} of {len(data)} labels change")
        axes.set(xlabel="first input", ylabel="second input")
        axes.grid(visible=False)
        axes.tick_params(labelbottom=False, labelleft=False)
    return drawing


def spirals(num_examples: int) -> Split:
    """Two interleaved spirals with a little noise."""
    turn = torch.rand(num_examples // 2, generator=generator(1)).sqrt() * 3 * math.pi
    arm = torch.stack([-turn * turn.cos(), turn * turn.sin()], dim=1) / 3
    arm = arm + 0.1 * torch.randn(arm.shape, generator=generator(2))
    return Split(torch.cat([arm, -arm]), torch.arange(num_examples) // (num_examples // 2))
