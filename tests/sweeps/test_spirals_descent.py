"""The study of two spirals over width and depth: the published grids and networks, its verdicts, its first steps."""

import re
from dataclasses import replace

import pytest

from measures import measures
from measures.inputs import Snapshot
from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.table import Results, Row, Trial
from sweeps import studies
from sweeps.spirals_descent import PRESENTATION, PROTOCOLS, n_eff, spirals_descent
from tests.workers.memory_session import MemorySession
from workers.building import build_problem
from workers.models import models
from workers.runtime import Runtime
from workers.training import train


def test_the_paper_preset_has_the_published_protocol_and_plans() -> None:
    study = spirals_descent(preset="paper")
    assert study.name == "spirals_descent_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 14 * 25 + 2 * 29 * 5
    parameters = [trial.parameters for trial in study.trials]
    over_depth = [each for each in parameters if each["dataset.noise"] == 1.5]
    assert {(each["model.depth"], each["model.width"]) for each in over_depth} == {(d, 20) for d in range(1, 15)}
    assert {each["optimizer.weight_decay"] for each in over_depth} == {0.0} and len(over_depth) == 350
    over_width = [each for each in parameters if each["dataset.noise"] == 1.0]
    grid = {(each["model.depth"], each["model.width"]) for each in over_width}
    assert grid == {(depth, width) for depth in (3, 5) for width in range(1, 30)}
    assert {each["optimizer.weight_decay"] for each in over_width} == {1e-4} and len(over_width) == 290
    for each in parameters:
        assert (each["dataset.num_train"], each["dataset.num_test"], each["fit.batch_size"]) == (1000, 2000, 1000)
        assert (each["optimizer"], each["optimizer.learning_rate"], each["fit.epochs"]) == ("adam", 0.01, 2000)
        assert each["loss"] == "binary_cross_entropy"


@pytest.mark.parametrize("preset", PROTOCOLS)
def test_every_spectrum_is_exact_and_z_is_that_of_the_paper_and_one(preset: str) -> None:
    study = spirals_descent(preset=preset)  # type: ignore[arg-type] # a Literal's values
    (measured,) = study.measured
    assert measured.measure["z"] == (1.0, 50.0)
    sizes = {models.call(trial.model, (2,), 1).num_parameters for trial in study.trials}
    assert max(sizes) <= measured.measure["num_steps"] * measured.measure["num_probes"]
    assert {501, 1341, 2181} <= sizes and (preset == "quick" or 5961 in sizes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"depths": (-1,)}, "depths.0=-1 is not valid"),
        ({"widths": (0,)}, "widths.0=0 is not valid"),
        ({"widths": ()}, "widths=() are not valid: at least one of each"),
        ({"depths": (2, 2)}, "twice"),
        ({"replicates": 0}, "replicates=0 is not valid"),
        ({"steps": 0}, "steps=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("spirals_descent", **settings))
    assert "\n" not in str(refused.value)


def test_the_first_trial_of_the_paper_preset_trains_and_is_measured(runtime: Runtime) -> None:
    study = spirals_descent(preset="paper", steps=3)
    trial = replace(study.trials[0], model=Component("spirals_net", width=4, depth=1))
    session = MemorySession(frozenset())
    train(trial, runtime, session)
    assert session.points["train/loss", 3] < session.points["train/loss", 0]
    problem = build_problem(trial, runtime)
    snapshot = Snapshot(problem.network.module.eval(), (), problem.train, problem.test, problem.loss.mean)
    found = measures.call(study.measured[0].measure, snapshot).values
    drawn = [each.quantity for part in PRESENTATION.parts for panel in part.panels for each in panel.series]
    assert {f"hessian_spectrum/{name}" for name in found} >= {name for name in drawn if name.startswith("hessian")}


PUBLISHED = {  # the authors' saved arrays over width
    1: (0.73, 2.6, 0.617),
    2: (2.34, 6.3, 0.488),
    3: (5.35, 12.6, 0.224),
    4: (3.88, 13.3, 0.155),
    6: (4.04, 15.2, 0.152),
    10: (3.51, 15.6, 0.139),
    20: (2.44, 15.7, 0.163),
    29: (2.33, 16.4, 0.160),
}


def published_table() -> Results:
    """Two replicates a tenth apart over width; one cell over depth, so that both sweeps have a place."""
    trials, rows = [], []
    cells = [(width, 3, 1.0) for width in PUBLISHED] + [(20, 1, 1.5)]
    for width, depth, noise in cells:
        for replicate in range(2):
            name = f"{width} {depth} {noise} {replicate}"
            parameters = {"model.width": width, "model.depth": depth, "dataset.noise": noise, "init_seed": replicate}
            trials.append(Trial(name, name, parameters, "done", 1.0, "not reached", None, ()))
            quantities = dict(zip((n_eff(50), n_eff(1), "test/loss"), PUBLISHED[width], strict=True))
            rows += [Row(name, 1, key, value * (1 + 0.1 * replicate), None) for key, value in quantities.items()]
    return Results(tuple(trials), tuple(rows))


def test_on_the_published_numbers_the_peak_over_width_belongs_to_z() -> None:
    report = build_report(ReportHeader("spirals", "?", "!", "command"), published_table(), PRESENTATION)
    verdicts = {each.claim: each.verdict for each in report.findings if each.column == "depth 3"}
    assert verdicts["N_eff (z = 50) peaks inside the range"] == "holds"
    assert verdicts["N_eff (z = 1) peaks inside the range"] == "does not hold"
    assert verdicts["test loss peaks inside the range"] == "does not hold"
    assert "figure.png" in report.files and "figure2.png" in report.files
