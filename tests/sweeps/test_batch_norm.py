"""The study of batch norm: the published protocol, pairs that share their seeds, and the rules of its claims."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.derived import with_derived
from orchestrator.report.table import Results, Row, Trial
from orchestrator.results import quantities_over_steps
from sweeps import studies
from sweeps.batch_norm import PRESENTATION, PROTOCOLS, RUNNING, batch_norm
from tests.sweeps.test_random_labels import blobs
from tests.workers.memory_session import MemorySession
from workers.models import models
from workers.runtime import Runtime
from workers.training import train


def test_the_paper_preset_has_the_published_protocol_and_plans() -> None:
    study = batch_norm(preset="paper")
    assert study.name == "batch_norm_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 2 * 5
    for trial in study.trials:
        parameters = trial.parameters
        assert (parameters["dataset"], parameters["dataset.num_train"], parameters["dataset.crop"]) == (
            "cifar10",
            None,
            28,
        )
        assert (parameters["dataset.normalization"], parameters["dataset.augmentation"]) == ("per_image", "none")
        assert (parameters["optimizer.learning_rate"], parameters["optimizer.momentum"]) == (0.1, 0.9)
        assert parameters["optimizer.weight_decay"] == 0
        assert (parameters["schedule"], parameters["schedule.factor"]) == ("exponential", 0.95)
        assert (parameters["fit.batch_size"], parameters["fit.epochs"], parameters["fit.stop_at"]) == (128, 80, "end")
        assert models.call(trial.model, (3, 28, 28), 10).num_parameters == 1_649_402


@pytest.mark.parametrize("preset", PROTOCOLS)
def test_pairs_differ_in_batch_norm_alone(preset: str) -> None:
    study = batch_norm(preset=preset, replicates=3)  # type: ignore[arg-type] # a Literal's values
    for first, second in zip(study.trials[::2], study.trials[1::2], strict=True):
        assert (first.model["batch_norm"], second.model["batch_norm"]) == (True, False)
        assert replace(first, model=second.model) == second
    assert [trial.data_seed for trial in study.trials[::2]] == [0, 1, 2]
    assert quantities_over_steps(study.presentation) == {"train/loss", "train/error", "test/loss", "test/error"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"replicates": 0}, "replicates=0 is not valid"),
        ({"epochs": 0}, "epochs=0 is not valid"),
        ({"num_train": 0}, "num_train=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("batch_norm", **settings))
    assert "\n" not in str(refused.value)


def test_the_first_pair_of_the_paper_preset_trains(tmp_path: Path, runtime: Runtime) -> None:
    blobs(tmp_path / "blobs.npz", per_class=2)
    study = batch_norm(preset="paper", images=str(tmp_path / "blobs.npz"), epochs=2)
    for trial in study.trials[:2]:
        dataset = Component("arrays", **{**dict(trial.dataset.settings), "crop": 8})
        session = MemorySession(frozenset())
        narrow = Component("inception", **{**dict(trial.model.settings), "width": 2})
        train(replace(trial, dataset=dataset, model=narrow), runtime, session)
        assert {step for name, step in session.points if name == "test/error"} == {0, 1, 2}


def table(with_norm: tuple[float, ...], without: tuple[float, ...], fitted: tuple[int, int]) -> Results:
    """Three pairs whose test errors go this way; of both test loss turns. Seeds shift a pair by a hundredth."""
    trials, rows = [], []
    for seed in range(3):
        for normalised, course, step in ((True, with_norm, fitted[0]), (False, without, fitted[1])):
            parameters = {"model": "inception", "model.batch_norm": normalised, "init_seed": seed}
            trials.append(Trial(f"{normalised}-{seed}", "", parameters, "done", 1.0, "", None, ()))
            own = trials[-1].trial_id
            for at, error in enumerate(course):
                shifted = error + 0.01 * seed + 0.001 * seed * at * (not normalised)
                quantities = {"test/error": shifted, "train/error": error / 2, "train/loss": error}
                rows += [Row(own, 100 * at, name, value, None) for name, value in quantities.items()]
                rows.append(Row(own, 100 * at, "test/loss", abs(at - 1) + 0.5 + 0.01 * seed * at, None))
            rows.append(Row(own, 0, RUNNING, float(step + seed), None))
    return with_derived(Results(tuple(trials), tuple(rows)), PRESENTATION.derived)


def verdicts(results: Results) -> list[str]:
    report = build_report(ReportHeader("batch_norm", "question?", "expected", "command"), results, PRESENTATION)
    assert {"figure.png", "figure2.png", "figure.csv"} <= report.files.keys()
    return [finding.verdict for finding in report.findings]


def test_what_was_published_holds_by_the_rules() -> None:
    """A gap of 4 points, twice the steps, a curve that shakes, no gain from stopping early but in the loss."""
    steady, shaking = (0.9, 0.5, 0.3, 0.21, 0.20), (0.9, 0.4, 0.7, 0.24, 0.24)
    assert verdicts(table(steady, shaking, (2400, 4700)))[:5] == ["holds"] * 5
    assert verdicts(table(steady, shaking, (2400, 4700)))[5:] == ["holds"] * 2


def test_the_opposite_does_not_hold() -> None:
    shaking, steady = (0.9, 0.4, 0.7, 0.3, 0.5), (0.9, 0.6, 0.5, 0.45, 0.40)
    found = verdicts(table(shaking, steady, (4700, 2400)))
    assert found[:6] == [
        "does not hold",
        "does not hold",
        "does not hold",
        "does not hold",
        "does not hold",
        "does not hold",
    ]
