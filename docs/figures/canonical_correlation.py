"""Mean CCA of independent and of dependent data over the number of examples: read it against its null."""

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import colour, expected, frames, logarithmic, measured, name
from measures import mean_cca
from orchestrator.report.drawing import THRESHOLD_COLOUR

NUM_EXAMPLES = (45, 60, 100, 200, 400, 800, 1600, 3200)
NUM_UNITS = 20
CORRELATION = 0.5


def draw() -> Figure:
    """20 units against 20, each pair with the same true correlation, with the null that comes with each value."""
    drawing, (axes,) = frames()
    for index, true in enumerate((CORRELATION, 0.0)):
        rng = np.random.default_rng(0)
        results = [mean_cca(*_pair(rng, each, true)) for each in NUM_EXAMPLES]
        measured(axes, NUM_EXAMPLES, results, index, line="none")
        expected(axes, [NUM_EXAMPLES[0], NUM_EXAMPLES[-1]], [true, true], colour(index))
        name(axes, NUM_EXAMPLES[-1], true, f"truth {true:g}", colour(index))
        if true == 0:
            axes.plot(NUM_EXAMPLES, [each.null for each in results], color=THRESHOLD_COLOUR)
            name(axes, NUM_EXAMPLES[-1], results[-1].null, "null")
    axes.set(xlim=(38, 9000), ylim=(-0.03, 1), xlabel=f"examples ({NUM_UNITS} units against {NUM_UNITS})")
    axes.set_ylabel("mean canonical correlation")
    logarithmic(axes, "x")
    return drawing


def _pair(rng: np.random.Generator, num_examples: int, true: float) -> tuple[np.ndarray, np.ndarray]:
    x, noise = rng.normal(size=(2, num_examples, NUM_UNITS))
    return x, true * x + np.sqrt(1 - true**2) * noise
