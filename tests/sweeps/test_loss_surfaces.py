"""The study of loss surfaces: the published protocols and networks, its first steps, what its report shows."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from measures import Component, Measurement, Snapshot, Split, measures
from orchestrator.plan import plan
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.claim_kinds import Exceeds
from orchestrator.report.table import Array, Results, Row, Trial
from orchestrator.stored_arrays import drawn_arrays
from orchestrator.study import Study
from sweeps import studies
from sweeps.loss_surfaces import PROTOCOLS, loss_surfaces
from tests.workers.memory_session import MemorySession
from workers.building import build_problem
from workers.models import models
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.training import train


def settings(study: Study) -> dict[str, Component]:
    return {measured.measure.name: measured.measure for measured in study.measured}


def test_the_paper_preset_has_the_published_protocol_of_two_spirals_and_plans() -> None:
    study = loss_surfaces(preset="paper")
    assert study.name == "loss_surfaces_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 2 * 10
    for trial in study.trials:
        each = trial.parameters
        assert (each["dataset"], each["dataset.num_train"], each["dataset.noise"]) == ("two_spirals", 1000, 1.3)
        assert models.call(trial.model, (2,), 1).num_parameters == 2181
        assert (each["optimizer"], each["optimizer.learning_rate"], each["fit.batch_size"]) == ("adam", 0.01, 1000)
    assert {(t.optimizer["weight_decay"], t.fit["epochs"]) for t in study.trials} == {(1e-4, 4000), (0.0, 2000)}
    surface, kept, change = (settings(study)[n] for n in ("loss_surface", "homogeneity", "classifier_change"))
    assert (surface["half_width"], surface["steps_each_way"]) == (0.5, 50)
    assert (surface["num_top"], surface["num_excluded"]) == (3, 2181 - 2000)
    assert (kept["num_top"], kept["num_draws"], kept["max_length"]) == (3, 10, 1.0)
    assert (change["bottom_length"], change["top_length"]) == (10.0, 0.1)
    assert (change["num_top"], change["num_excluded"]) == (3, 2181 - 500)


def test_the_paper_preset_has_the_published_protocol_of_cifar10() -> None:
    study = loss_surfaces(preset="paper", task="cifar10")
    assert study.name == "loss_surfaces_cifar10_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 2 * 3
    for trial in study.trials:
        assert models.call(trial.model, (3, 32, 32), 10).num_parameters == 62_006
        assert (trial.dataset["normalization"], trial.dataset["num_train"]) == ("symmetric", None)
        assert (trial.dataset["augmentation"], trial.fit["batch_size"]) == ("none", 128)
        assert trial.optimizer["weight_decay"] == 0
    found = {(t.optimizer.name, t.optimizer["learning_rate"], t.fit["epochs"]) for t in study.trials}
    assert found == {("adam", 0.001, 30), ("sgd", 0.01, 10)}
    surface, kept = settings(study)["loss_surface"], settings(study)["homogeneity"]
    assert (surface["half_width"], surface["steps_each_way"]) == (5.0, 12)
    assert (surface["num_top"], surface["num_excluded"], surface["num_examples"]) == (10, 200, None)
    assert (kept["num_lengths"], kept["num_draws"], kept["max_length"]) == (20, 10, 1.0)
    assert kept["num_top"] == kept["num_excluded"] == 200 and kept["num_examples"] == 50_000


@pytest.mark.parametrize(("task", "preset"), PROTOCOLS)
def test_every_preset_asks_for_the_whole_training_set_so_that_the_recorded_loss_can_be_compared(
    task: str, preset: str
) -> None:
    study = loss_surfaces(task=task, preset=preset)  # type: ignore[arg-type] # Literals' values
    assert settings(study)["loss_surface"]["num_examples"] is None
    assert ("classifier_change" in settings(study)) == (task == "spirals")
    assert study.name in ("loss_surfaces", "loss_surfaces_cifar10") or preset == "paper"


@pytest.mark.parametrize(("images", "dataset"), [("", "cifar10"), ("cifar.npz", "arrays"), ("tree", "image_folder")])
def test_images_may_come_in_another_form(images: str, dataset: str) -> None:
    parameters = loss_surfaces(task="cifar10", images=images).trials[0].parameters
    assert (parameters["dataset"], parameters.get("dataset.path", "")) == (dataset, images)
    assert parameters["dataset.normalization"] == "symmetric"


def test_the_width_of_the_surfaces_is_a_choice() -> None:
    assert settings(loss_surfaces(half_width=25.0))["loss_surface"]["half_width"] == 25.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"task": "mnist"}, "task='mnist' is not valid: input should be 'spirals' or 'cifar10'"),
        ({"images": "tree"}, "images='tree' is not valid for task spirals: it is for cifar10"),
        ({"half_width": 0.0}, "half_width=0.0 is not valid"),
        ({"epochs": 0}, "epochs=0 is not valid"),
        ({"replicates": 0}, "replicates=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("loss_surfaces", **given))
    assert "\n" not in str(refused.value)


TINY = {  # settings that make each measure take a moment
    "loss_surface": {"steps_each_way": 2, "num_excluded": 20},
    "homogeneity": {"num_lengths": 3, "num_draws": 2, "num_excluded": 20, "num_examples": 40},
    "classifier_change": {"num_draws": 2, "num_excluded": 20, "resolution": 8},
}


def measured(spec: TrialSpec, study: Study, runtime: Runtime) -> dict[str, Measurement]:
    """What the measures of the study say of a trial, made small and trained."""
    session = MemorySession(frozenset())
    train(spec, runtime, session)
    last = max(session.states)
    problem = build_problem(spec, runtime)
    problem.network.module.load_state_dict(session.states[last].part("model"))
    train_split = Split(problem.train.inputs, problem.train.targets)
    recorded = session.points["train/loss", last]
    snapshot = Snapshot(problem.network.module.eval(), (), train_split, problem.test, problem.loss.mean, recorded)
    return {
        name: measures.call(Component(name, **{**dict(component.settings), **TINY[name]}), snapshot)
        for name, component in settings(study).items()
    }


def results(study: Study, runtime: Runtime) -> Results:
    """A table of tiny versions of the first replicate of each training."""
    trials, rows, arrays = [], [], []
    for spec in study.trials[:: len(study.trials) // 2]:
        small = replace(
            spec,
            dataset=Component("two_spirals", num_train=40, num_test=30),
            model=Component("spirals_net", width=4, depth=1),
            fit=Component("sgd", epochs=3, batch_size=40),
        )
        trials.append(Trial(spec.trial_id, spec.trial_id, spec.parameters, "done", 1.0, "not reached", None, ()))
        for name, found in measured(small, study, runtime).items():
            rows += [Row(spec.trial_id, 3, f"{name}/{k}", e.value, e.stderr) for k, e in found.values.items()]
            arrays += [Array(spec.trial_id, 3, f"{name}/{k}", array) for k, array in found.arrays.items()]
    return Results(tuple(trials), tuple(rows), tuple(arrays))


def test_a_tiny_version_of_the_first_trial_trains_is_measured_and_shown(runtime: Runtime) -> None:
    study = loss_surfaces(preset="paper", epochs=3)
    table = results(study, runtime)
    assert set(drawn_arrays(study.presentation)) <= {array.name for array in table.arrays}
    report = build_report(ReportHeader("surfaces", "?", "!", "command"), table, study.presentation)
    names = [name for name in report.files if name.startswith("figure") and name.endswith(".png")]
    assert len(names) == 4, "profiles, surfaces, classifiers, panels"
    digits = next(each for each in report.findings if "digits" in each.claim)
    assert "weight decay" in digits.sentence and digits.verdict == "cannot be judged", "one replicate"
    page = report.files["report.md"].decode()
    assert "train loss: recorded in training" in page


def digits_of(centre: float, recorded: float) -> float:
    """As the measure counts them, for a network whose loss is `centre`."""
    return -math.log10(abs(centre - recorded) / recorded)


def test_the_first_claim_refuses_the_published_surface_and_takes_a_trained_one() -> None:
    """2.3047 at the centre of A.1, where the training had recorded 0.6008; three replicates of either."""
    study = loss_surfaces(task="cifar10", replicates=3)
    (claim,) = [each for each in study.presentation.claims if "digits" in each.label]
    assert isinstance(claim, Exceeds)
    for centre, verdict in ((2.3047, "does not hold"), (0.6008001, "holds")):
        rows, trials = [], []
        for index, spec in enumerate(study.trials[:3]):
            trials.append(Trial(spec.trial_id, spec.trial_id, spec.parameters, "done", 1.0, "not reached", None, ()))
            number = digits_of(centre * (1 + 1e-8 * index), 0.6008)
            rows.append(Row(spec.trial_id, 1, claim.quantity, number, None))
        shown = replace(study.presentation, claims=(claim,), profiles=(), array_maps=(), panels=())
        report = build_report(ReportHeader("x", "?", "!", "c"), Results(tuple(trials), tuple(rows)), shown)
        assert [finding.verdict for finding in report.findings] == [verdict]


def test_the_published_shares_of_labels_kept_pass_the_claims_that_they_made() -> None:
    """0.977 and 0.476 of the test labels; a network that keeps as many either way fails the second."""
    claims = {each.quantity: each for each in loss_surfaces(task="cifar10").presentation.claims}
    kept, more = claims["homogeneity/bottom.test.labels_kept"], claims["homogeneity/test.kept_more"]
    assert isinstance(kept, Exceeds) and isinstance(more, Exceeds)
    assert kept.level < 0.977 and 0 < more.level < 0.977 - 0.476
    assert np.isclose(claims["loss_surface/contrast"].level, 1.0)
