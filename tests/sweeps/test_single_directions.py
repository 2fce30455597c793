"""The study of single directions: the published grids and networks, its first steps, what its report would show."""

import re
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.report.claims import findings
from orchestrator.report.curves import curves
from orchestrator.report.parts import parts
from orchestrator.report.table import Array, Results, Row, Trial
from orchestrator.results import quantities_over_steps
from orchestrator.stored_arrays import drawn_arrays
from sweeps import studies
from sweeps.single_directions import ABLATION, NOISE, PROTOCOLS, TRAIN_ACCURACY, Network, single_directions
from tests.workers.memory_session import MemorySession
from workers.runtime import Runtime
from workers.training import train

SMALL = Component("mnist1d", num_examples=400)


@pytest.mark.parametrize(("network", "widths"), [("mlp", {128, 512, 2048}), ("conv11", {64})])
def test_the_paper_presets_have_the_published_protocol_and_plan(network: Network, widths: set[int]) -> None:
    study = single_directions(preset="paper", network=network)
    assert len(plan(study, {}).train) == len(study.trials)
    parameters = [trial.parameters for trial in study.trials]
    assert {each["model"] for each in parameters} == {network}
    assert {each["model.width"] for each in parameters} == widths
    assert {each["corruption.fraction"] for each in parameters} == {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}
    assert {each["dataset"] for each in parameters} == {"mnist" if network == "mlp" else "cifar10"}
    assert all(each["fit.epochs"] == 100 and each["fit.stop_at"] == "end" for each in parameters)
    if network == "mlp":
        assert {each["model.depth"] for each in parameters} == {2}
    else:
        (ablated,) = {m.measure["layers"] for m in study.measured if m.measure.name != "selectivity"}
        assert ablated == ("conv9", "conv10", "conv11"), "feature maps of the last three layers"
    other = {each["optimizer.learning_rate"] for each in parameters if each["corruption.fraction"] == 0}
    assert len(other) >= 6, "clean networks that learn at other rates"
    assert len({each["optimizer.learning_rate"] for each in parameters if each["corruption.fraction"] > 0}) == 1


@pytest.mark.parametrize("preset", ["quick", "paper"])
@pytest.mark.parametrize("network", get_args(Network))
def test_ablation_is_measured_along_the_training_with_both_of_what_must_turn(preset: str, network: str) -> None:
    study = single_directions(preset=preset, network=network)  # type: ignore[arg-type] # a Literal's values
    assert {m.measure.name: m.at for m in study.measured} == {
        "ablation": "checkpoints",
        "activation_noise": "final",
        "selectivity": "final",
    }
    assert quantities_over_steps(study.presentation) >= {ABLATION, "test/loss"}
    assert {"ablation/accuracy", "ablation/fractions", "activation_noise/levels"} <= drawn_arrays(
        study.presentation
    ).keys()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"network": "vgg"}, "network='vgg' is not valid: input should be 'mlp' or 'conv11'"),
        ({"fractions": (1.5,)}, "fractions.0=1.5 is not valid"),
        ({"fractions": ()}, "declares no trials"),
        ({"replicates": 0}, "replicates=0 is not valid"),
        ({"epochs": 0}, "epochs=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("single_directions", **settings))
    assert "\n" not in str(refused.value)


def test_the_first_trial_of_the_paper_preset_trains(runtime: Runtime) -> None:
    trial = replace(single_directions(preset="paper", epochs=2).trials[0], dataset=SMALL)
    session = MemorySession(frozenset())
    train(trial, runtime, session)
    assert session.points["train/error", 2] < 0.9


def answered(train_accuracy: float, slope: float) -> Results:
    """The quick study as if it had run: AUC changes with the corrupted fraction, largest where test loss is least."""
    study = single_directions()
    rng = np.random.default_rng(0)
    trials, rows, arrays = [], [], []
    for spec in study.trials:
        at = spec.parameters["corruption.fraction"]
        name = spec.trial_id
        trials.append(Trial(name, name, spec.parameters, "done", 1.0, "step 9, epoch 3", None, ()))
        auc = 0.8 + slope * at + 0.001 * rng.normal()
        for step in (0, 1, 10, 100, 1000, 3000):
            rows.append(Row(name, step, "test/loss", 1 + abs(step - 100) / 1000, None))
            rows.append(Row(name, step, ABLATION, auc - abs(step - 100) / 1e5, 0.001))
        last = {
            "train/error": 1 - train_accuracy,
            "test/error": 0.1 + 0.8 * at,
            NOISE: auc,
            TRAIN_ACCURACY: train_accuracy,
        }
        rows += [Row(name, 3000, quantity, value, None) for quantity, value in last.items()]
        fractions = np.linspace(0, 1, 5)
        arrays += [
            Array(name, 3000, "ablation/fractions", fractions),
            Array(name, 3000, "ablation/accuracy", np.tile(1 - fractions, (3, 1))),
        ]
    return Results(tuple(trials), tuple(rows), tuple(arrays))


def verdicts(results: Results) -> dict[str, str]:
    presentation = single_directions().presentation
    found = {}
    for part in presentation.parts:
        for finding in findings(curves(results, part), part, np.random.default_rng(0)):
            found[finding.claim] = finding.verdict
    return found


def test_what_was_published_would_hold() -> None:
    found = verdicts(answered(train_accuracy=1.0, slope=-0.4))
    assert found["AUC of ablation falls with x, train error at most 0.01"] == "holds"
    assert found["AUC of noise falls with x, train error at most 0.01"] == "holds"
    assert found["train accuracy before anything is ablated is above 0.99"] == "holds"
    assert found["test error of all networks falls with AUC of ablation, train error at most 0.01"] == "holds"


def test_networks_that_have_not_fitted_are_left_out_and_the_report_says_so() -> None:
    found = verdicts(answered(train_accuracy=0.9, slope=-0.4))
    assert found["train accuracy before anything is ablated is above 0.99"] == "does not hold"
    assert found["AUC of ablation falls with x, train error at most 0.01"] == "cannot be judged"


def test_the_opposite_does_not_hold() -> None:
    found = verdicts(answered(train_accuracy=1.0, slope=0.15))
    assert found["AUC of ablation falls with x, train error at most 0.01"] == "does not hold"


def test_the_report_has_a_line_for_each_fraction() -> None:
    first, *others = parts(answered(1.0, -0.4), single_directions().presentation, np.random.default_rng(0))
    lines = [line for line in first.profiles[0] if line.quantity == "ablation/accuracy"]
    assert [line.x for line in lines] == list(PROTOCOLS["quick", "mlp"].fractions)
    assert all(line.points[0].mean == 1 and line.points[0].n == 3 for line in lines)
    assert len(others) == 2 and all(len(part.columns[0].xs) > 5 for part in others), "network by network"
