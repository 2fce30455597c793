"""The study of weight decay and intrinsic dimension: protocols, the published figures by our rules, first steps."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision.datasets import CIFAR100

from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.report.build import Report, ReportHeader, build_report
from sweeps import studies
from sweeps.weight_decay_dimension import weight_decay_dimension
from tests.orchestrator.report.published_activation_dimension import published
from tests.workers.memory_session import MemorySession
from tests.workers.small_files import pixels, write_cifar
from workers.models import models
from workers.runtime import Runtime
from workers.training import train


def test_the_paper_preset_has_the_published_protocol_and_plans() -> None:
    study = weight_decay_dimension(preset="paper")
    assert study.name == "weight_decay_dimension_paper"
    assert len(plan(study, {}).train) == len(study.trials) == 2 * (21 + 17)
    for name, rotated, schedule in (("cifar100", True, "multi_step"), ("cifar10", False, "cosine")):
        trials = [trial for trial in study.trials if trial.dataset.name == name]
        decays = [i * 10.0**-k for k in (6, 5, 4, 3) for i in (1, 2, 5, 6, 8)] + [0.01]
        swept = [trial.optimizer["weight_decay"] for trial in trials]
        assert swept == pytest.approx(decays + [0] * 17)
        assert [trial.model["dropout"] for trial in trials] == pytest.approx([0] * 21 + [i / 20 for i in range(17)])
        for trial in trials:
            parameters = trial.parameters
            assert (parameters["dataset.num_train"], parameters["schedule"]) == (None, schedule)
            assert parameters["dataset.augmentation"] == ("crop_flip_rotation" if rotated else "crop_flip")
            assert (parameters["optimizer.learning_rate"], parameters["optimizer.momentum"]) == (0.1, 0.9)
            assert (parameters["fit.epochs"], parameters["fit.batch_size"]) == (200, 128)
    steps = study.trials[0].parameters
    assert (steps["schedule.milestones"], steps["schedule.factor"]) == ((60, 120, 160), 0.2)


@pytest.mark.parametrize(("index", "num_classes", "parameters"), [(0, 100, 11_220_132), (-1, 10, 11_173_962)])
def test_the_networks_are_the_published_ones(index: int, num_classes: int, parameters: int) -> None:
    trial = weight_decay_dimension(preset="paper").trials[index]
    with torch.device("meta"):
        assert models.call(trial.model, (3, 32, 32), num_classes).num_parameters == parameters


def test_the_released_form_of_cifar10_has_everything_of_cifar100_but_the_images() -> None:
    (released,) = weight_decay_dimension(
        preset="paper", data_sets=("cifar10_released",), weight_decays=(), dropouts=(0.0,)
    ).trials
    (other,) = weight_decay_dimension(preset="paper", data_sets=("cifar100",), weight_decays=(), dropouts=(0.0,)).trials
    assert {name for name, value in released.parameters.items() if other.parameters[name] != value} == {"dataset"}


@pytest.mark.parametrize(("images", "expected"), [("", "cifar10"), ("mine.npz", "arrays"), ("mine", "image_folder")])
def test_the_quick_preset_plans_and_takes_images_of_ones_own(images: str, expected: str) -> None:
    study = weight_decay_dimension(images=images, replicates=2)
    assert len(plan(study, {}).train) == 2 * 12
    for trial in study.trials:
        parameters = trial.parameters
        assert (parameters["dataset"], parameters["dataset.num_train"], parameters["dataset.size"]) == (
            expected,
            2000,
            16,
        )
        assert parameters["dataset.augmentation"] == "none", "few images that are augmented are not fitted"


def report() -> Report:
    presentation = weight_decay_dimension(preset="paper").presentation
    return build_report(ReportHeader("study", "question", "expected", "command"), published(), presentation)


def test_our_rule_gives_the_published_starts_of_over_regularisation() -> None:
    found = [each for each in report().findings if each.claim.startswith("test error turns")]
    assert [each.numbers["turn"] for each in found] == [1e-3, 5e-4, 0.25, 0.35]
    assert {each.verdict for each in found} == {"holds"}


def test_of_the_published_figures_the_printed_correlations_come_again() -> None:
    falls = [each for each in report().findings if re.match("LLID falls with", each.claim)]
    assert [each.numbers["r"] for each in falls] == pytest.approx([-0.88, -0.77, -0.87, -0.99], abs=0.006)
    assert {each.verdict for each in falls} == {"holds"}


def test_of_the_published_figures_the_ratio_goes_with_accuracy_where_nothing_is_over_regularised() -> None:
    found = {(each.claim.split(" with ")[0], each.column): each for each in report().findings}
    for data_set in ("cifar100", "cifar10"):
        ratio, llid = found["PID / LLID falls", f"data set {data_set}"], found["LLID rises", f"data set {data_set}"]
        assert ratio.verdict == llid.verdict == "holds"
        assert ratio.numbers["r"] == pytest.approx(-0.94, abs=0.006)
        assert -ratio.numbers["r"] > llid.numbers["r"] > 0.8, "but not by much"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"data_sets": ("mnist",)}, "data_sets.0='mnist' is not valid"),
        ({"weight_decays": (0.0,)}, "weight_decays.0=0.0 is not valid"),
        ({"dropouts": (1.0,)}, "dropouts.0=1.0 is not valid"),
        ({"weight_decays": (), "dropouts": ()}, "declares no trials"),
        ({"dropouts": (0.1, 0.1)}, "twice"),
        ({"replicates": 0}, "replicates=0 is not valid"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("weight_decay_dimension", **settings))
    assert "\n" not in str(refused.value)


def test_the_first_trial_of_the_paper_preset_trains(
    tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps on eight images; a whole epoch takes a core a quarter of an hour."""
    monkeypatch.setenv("GENSWEEP_DATA", str(tmp_path / "data"))
    labels = list(range(100))
    content = {"data": pixels(100, 3072), "fine_labels": labels}
    meta = {"fine_label_names": [f"class {i}" for i in labels]}
    write_cifar(CIFAR100, tmp_path / "data", monkeypatch, {"train": content}, {"test": content}, meta)
    trial = weight_decay_dimension(preset="paper", epochs=2).trials[0]
    few = Component(trial.dataset.name, **{**dict(trial.dataset.settings), "num_train": 8, "num_test": 4})
    session = MemorySession(frozenset())
    train(replace(trial, dataset=few), runtime, session)
    assert {step for name, step in session.points if name == "train/loss"} == {0, 1, 2}
