"""The study of learned frequency: the published protocol, paired seeds, claims that name their epoch."""

import re

import pytest
import torch

from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.derived import with_derived
from orchestrator.report.table import Results, Row, Trial
from orchestrator.results import quantities_over_steps
from sweeps import studies
from sweeps.learned_frequency import EARLY_ON, LATE, PROTOCOLS, learned_frequency
from tests.workers.memory_session import MemorySession
from workers.models import models
from workers.runtime import Runtime
from workers.training import train


def test_the_paper_preset_has_the_published_protocol_and_plans() -> None:
    study = learned_frequency(preset="paper")
    assert study.name == "learned_frequency_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 4 * 10
    for trial in study.trials:
        parameters = trial.parameters
        assert (parameters["dataset.num_train"], parameters["dataset.num_test"]) == (100, 30)
        assert (parameters["model.width"], parameters["model.depth"]) == (32, 3)
        assert parameters["loss"] == "half_mean_squared_error"
        assert (parameters["optimizer"], parameters["optimizer.learning_rate"]) == ("sgd", 0.001)
        assert (parameters["optimizer.momentum"], parameters["optimizer.weight_decay"]) == (0, 0)
        assert (parameters["schedule"], parameters["fit.batch_size"], parameters["fit.epochs"]) == ("constant", 1, 3000)
    with torch.device("meta"):
        assert models.call(study.trials[0].model, (10,), 1).num_parameters == 2507


@pytest.mark.parametrize("preset", PROTOCOLS)
def test_replicates_are_paired_and_both_presets_train_as_long_in_units_of_the_learning_rate(preset: str) -> None:
    study = learned_frequency(preset=preset, replicates=2)  # type: ignore[arg-type] # a Literal's values
    seeds = [(t.parameters["dataset.omega"], t.data_seed, t.init_seed, t.order_seed) for t in study.trials]
    assert seeds == [(omega, i, i, i) for i in range(2) for omega in (0.25, 0.5, 0.75, 1.0)]
    protocol = PROTOCOLS[preset]
    assert protocol.learning_rate * protocol.epochs == pytest.approx(3)


@pytest.mark.parametrize(("preset", "early"), [("quick", 10), ("paper", 100)])
def test_claims_name_their_epochs(preset: str, early: int) -> None:
    study = learned_frequency(preset=preset)  # type: ignore[arg-type] # a Literal's values
    labels = [claim.label for claim in study.presentation.claims]
    assert f"bias trajectory at epoch {early}" in labels and "bias trajectory over the last 10 epochs" in labels
    moments = {moment.name: moment for moment in study.presentation.derived}
    assert moments[EARLY_ON].begin == moments[EARLY_ON].end == early / PROTOCOLS[preset].epochs
    assert {moment.quantity for moment in moments.values()} <= quantities_over_steps(study.presentation)


def test_the_last_ten_epochs_are_ten_and_the_early_one_is_inside_a_short_training() -> None:
    epochs = PROTOCOLS["paper"].epochs
    study = learned_frequency(preset="paper")
    late = next(moment for moment in study.presentation.derived if moment.name == LATE)
    within = [epoch for epoch in range(1, epochs + 1) if late.begin * epochs <= epoch <= late.end * epochs]
    assert within == list(range(epochs - 9, epochs + 1))
    assert {moment.end for moment in learned_frequency(epochs=2).presentation.derived} == {1.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"frequencies": (0.0,)}, "frequencies.0=0.0 is not valid"),
        ({"frequencies": ()}, "declares no trials"),
        ({"frequencies": (0.5, 0.5)}, "twice"),
        ({"epochs": 0}, "epochs=0 is not valid"),
        ({"replicates": 0}, "replicates=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("learned_frequency", **settings))
    assert "\n" not in str(refused.value)


def test_the_first_trial_of_the_paper_preset_trains(runtime: Runtime) -> None:
    trial = learned_frequency(preset="paper", epochs=2).trials[0]
    session = MemorySession(frozenset())
    train(trial, runtime, session)
    for quantity in quantities_over_steps(learned_frequency().presentation) - {"train/loss", "test/loss"}:
        assert {step for name, step in session.points if name == quantity} == {100, 200}
    assert 0.02 < session.points["bias_trajectory/mean", 100] < 0.06, "the slope before training is 0.026 to 0.038"


def test_the_report_judges_within_replicates() -> None:
    """Trajectories that grow with frequency at the end and shrink with it early, seeds that differ by a factor of 3."""
    study = learned_frequency(replicates=6, epochs=100)
    trials, rows = [], []
    for trial in study.trials:
        parameters = trial.parameters
        trials.append(Trial(trial.trial_id, "", parameters, "done", 1.0, "", None, ()))
        scale, omega = 1 + trial.init_seed, parameters["dataset.omega"]
        late, early = scale * omega, scale / omega
        for name in quantities_over_steps(study.presentation):
            rows += [Row(trial.trial_id, step, name, early if step < 5000 else late, None) for step in (1000, 10_000)]
        rows += [
            Row(trial.trial_id, 10_000, name, late, None) for name in ("bias_trajectory/total", "lipschitz/train.mean")
        ]
    results = with_derived(Results(tuple(trials), tuple(rows)), study.presentation.derived)
    report = build_report(ReportHeader(study.name, "", "", ""), results, study.presentation)
    assert {finding.verdict for finding in report.findings} == {"holds"}
    assert len(report.findings) == 8 and report.findings[-1].numbers["rho"] == -1
