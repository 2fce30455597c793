"""Double descent of least squares on random features, and the directions that are not determined."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, frames, logarithmic, name
from measures import draw_random_features, random_feature_regression

NUM_EXAMPLES, NUM_DRAWS = 100, 20
NUM_FEATURES = (10, 20, 40, 60, 80, 90, 95, 98, 100, 102, 105, 110, 120, 140, 180, 300)


def draw() -> Figure:
    """Median, and range of the middle half, of 20 draws of the data, over the number of features."""
    drawing, (axes,) = frames()
    rng = np.random.default_rng(0)
    numbers = np.array([[_one(rng, size) for _ in range(NUM_DRAWS)] for size in NUM_FEATURES])
    low, middle, high = np.quantile(numbers, (0.25, 0.5, 0.75), axis=1)
    for index, text in enumerate(("test error", "undetermined")):
        axes.fill_between(NUM_FEATURES, low[:, index], high[:, index], color=colour(index), alpha=0.2)
        axes.plot(NUM_FEATURES, middle[:, index], color=colour(index))
        name(axes, NUM_FEATURES[-1], float(middle[-1, index]), text, colour(index))
    axes.axvline(NUM_EXAMPLES, color="#555555", linewidth=0.8, zorder=1)
    name(axes, NUM_EXAMPLES, 0.012, "features = examples")
    axes.set(xlim=(8, 900), xlabel=f"features ({NUM_EXAMPLES} examples)", ylabel="error; number of directions")
    logarithmic(axes, "xy")
    return drawing


def _one(rng: np.random.Generator, num_features: int) -> tuple[float, float]:
    """Test error and undetermined directions of one draw."""
    train, test = (draw_random_features(NUM_EXAMPLES, num_features, rng) for _ in range(2))
    found = random_feature_regression(*train, *test, z=0.001 * NUM_EXAMPLES)
    return found.test_error, found.undetermined
