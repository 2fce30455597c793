"""The study of width and depth: the published grid and protocol, and the pairs that its claim needs."""

import re

import pytest

from measures.registry import Component
from orchestrator.plan import plan
from orchestrator.report.claim_kinds import Concordance
from sweeps import studies
from sweeps.width_depth import width_depth


def test_the_paper_preset_has_the_published_protocol_and_plans() -> None:
    study = width_depth(preset="paper")
    assert study.name == "width_depth_paper"
    todo = plan(study, {})
    assert len(todo.train) == len(study.trials) == 144
    assert {(trial.model["width"], trial.model["depth"]) for trial in study.trials} == {
        (4 * i, depth) for i in range(1, 17) for depth in range(9)
    }
    for trial in study.trials:
        parameters = trial.parameters
        assert (parameters["dataset"], parameters["dataset.num_train"]) == ("cifar100", None)
        assert (parameters["dataset.augmentation"], parameters["corruption"]) == ("crop_flip", "none")
        assert (parameters["optimizer.learning_rate"], parameters["optimizer.momentum"]) == (0.01, 0.9)
        assert parameters["optimizer.weight_decay"] == 1e-4
        assert (parameters["schedule"], parameters["fit.epochs"]) == ("half_constant_linear", 200)
        assert parameters["fit.batch_size"] == 128
    (spectrum,) = study.measured
    assert 1.0 in spectrum.measure["z"]


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_maps_are_over_width_and_depth_and_every_claim_has_its_rule(preset: str) -> None:
    study = width_depth(preset=preset, widths=(4, 8), depths=(2, 1), replicates=2)  # type: ignore[arg-type] # a Literal
    presentation = study.presentation
    assert presentation.x is not None and presentation.columns is not None and presentation.maps is not None
    assert (presentation.x.parameter, presentation.columns.parameter) == ("model.width", "model.depth")
    assert len(presentation.maps.maps) >= 3
    assert [claim.given for claim in presentation.claims if isinstance(claim, Concordance)] == (
        ["hessian_spectrum/num_parameters"] * 3
    )
    assert len(study.trials) == 8
    assert [trial.model["depth"] for trial in study.trials] == [1] * 4 + [2] * 4, "from below"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset='huge' is not valid: input should be 'quick' or 'paper'"),
        ({"widths": (0,)}, "widths.0=0 is not valid"),
        ({"depths": (-1,)}, "depths.0=-1 is not valid"),
        ({"depths": (0,)}, "depth=0 is not valid"),
        ({"widths": ()}, "declares no trials"),
        ({"widths": (4, 4)}, "declares the trial 'width=0004 depth=0001 seed=0' twice"),
    ],
)
def test_bad_values_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        studies.call(Component("width_depth", **settings))
    assert "\n" not in str(refused.value)
