"""Figures 1 to 3 of Brown et al. (arXiv 2211.13239), read off their pictures: PID, LLID and test accuracy.

PID to about 0.5, LLID to 0.1, accuracy to 0.001 up to weight decay 8e-4 and dropout 0.30, to 0.006 beyond. On CIFAR-10
their figures have two networks without dropout and none at 0.40.
"""

from functools import cache
from pathlib import Path

from orchestrator.report.derived import with_derived
from orchestrator.report.table import Results, Row, Trial
from sweeps.weight_decay_dimension import LLID, PID, RATIO, weight_decay_dimension

READ_OFF = Path(__file__).parent / "golden" / "published_activation_dimension.txt"
SCHEDULES = {"cifar100": "multi_step", "cifar10": "cosine"}


@cache
def published() -> Results:
    """The tidy table of the figures, as the paper preset would make it."""
    trials: list[Trial] = []
    rows: list[Row] = []
    dataset = sweep = ""
    for i, line in enumerate(READ_OFF.read_text().splitlines()):
        match line.split():
            case [dataset, sweep]:
                pass
            case [at, *numbers]:
                pid, llid, accuracy = map(float, numbers)
                settings = {"optimizer.weight_decay": 0.0, "model.dropout": 0.0}
                settings["model.dropout" if sweep == "dropout" else "optimizer.weight_decay"] = float(at)
                parameters = {"dataset": dataset, "schedule": SCHEDULES[dataset], **settings, "init_seed": i}
                trials.append(Trial(f"{i}", line, parameters, "done", None, "", None, ()))
                values = {PID: pid, LLID: llid, RATIO: pid / llid, "test/error": 1 - accuracy, "train/error": 0.0}
                rows += [Row(f"{i}", 78_200, quantity, value, None) for quantity, value in values.items()]
            case _:
                raise ValueError(f"a line of the file is not as it should be: {line!r}")
    derived = weight_decay_dimension(preset="paper").presentation.derived
    return with_derived(Results(tuple(trials), tuple(rows)), derived)
