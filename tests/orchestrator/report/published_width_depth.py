"""Figure 2 of Maddox, Benton & Wilson (arXiv 2003.02139), as its authors saved it: the numbers behind the three maps.

A line for each width; after it effective dimensionality (z = 1, of their recipe, at most 100), test loss and train
loss, each for depths 0 to 8.
"""

from functools import cache
from pathlib import Path

import torch

from measures.registry import Component
from orchestrator.report.table import Results, Row, Trial
from workers.models import models

SAVED = Path(__file__).parent / "golden" / "published_width_depth.txt"


@cache
def published() -> Results:
    """The tidy table of the figure; the numbers of parameters are those of our networks."""
    trials: list[Trial] = []
    rows: list[Row] = []
    for line in SAVED.read_text().splitlines():
        width, *quantities = line.split(" | ")
        for depth, numbers in enumerate(zip(*(each.split() for each in quantities), strict=True)):
            parameters = {"model.width": int(width), "model.depth": depth}
            trial = Trial(f"{width}-{depth}", f"width={width} depth={depth}", parameters, "done", None, "", None, ())
            with torch.device("meta"):
                network = models.call(Component("convnet", width=int(width), depth=depth), (3, 32, 32), 100)
            named = zip(("n_eff", "test/loss", "train/loss"), map(float, numbers), strict=True)
            trials.append(trial)
            rows += [Row(trial.trial_id, 78_200, name, value, None) for name, value in named]
            rows.append(Row(trial.trial_id, 78_200, "parameters", network.num_parameters, None))
    return Results(tuple(trials), tuple(rows))
