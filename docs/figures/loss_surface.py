"""The loss around a trained network: a plane of high curvature, and profiles of three planes against the curvature."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, name
from docs.figures.networks import clusters, perceptron, shuffled, snapshot, training
from measures import loss_surface

NUM_EXCLUDED = 150


def draw() -> Figure:
    """Contours of the loss on the top plane; the loss along the first axis of each plane, dashed the parabola of H."""
    drawing, (plane, profile) = frames("loss on the top plane", "loss along one axis")
    data = shuffled(clusters(100, seed=1))
    model = perceptron((20, 16, 5), seed=0)
    *_, _ = training(model, data, num_steps=150)
    current = snapshot(model, data, data)
    found = loss_surface(current, half_width=2.0, steps_each_way=10, num_excluded=NUM_EXCLUDED)
    s, loss = found.arrays["coordinates"].astype(np.float64), found.values["loss"].value
    for index, kind in enumerate(("top", "random", "bottom")):
        losses = found.arrays[f"{kind}.losses"].astype(np.float64)
        slope, curvature = (found.values[f"{kind}.{field}"].value for field in ("slope_1", "curvature_1"))
        profile.plot(s, losses[:, len(s) // 2], color=colour(index))
        expected(profile, s, loss + slope * s + curvature * s**2 / 2, colour(index))
        name(profile, s[-1], losses[-1, len(s) // 2], kind, colour(index))
        if kind == "top":
            lines = plane.contour(s, s, losses.T, levels=[0.05, 0.2, 0.5, 1, 2, 4], colors=colour(index))
            plane.clabel(lines, fmt="%g", fontsize=8)
            plane.plot(0, 0, "+", color=colour(index))
    plane.set(xlabel="step along the first direction", ylabel="step along the second direction")
    plane.grid(visible=False)
    profile.set(xlim=(-2, 3.2), ylim=(1e-2, 10), xlabel="step along the first direction", ylabel="training loss (nats)")
    logarithmic(profile, "y")
    return drawing
