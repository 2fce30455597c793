"""A launch that cannot succeed starts nothing and writes nothing."""

from pathlib import Path

import pytest
from rich.console import Console

from measures.registry import Component
from orchestrator.environment import CannotStart
from orchestrator.launch import Launch, Settings
from orchestrator.study import Study
from workers.spec import TrialSpec


def test_components_that_do_not_go_together_stop_the_launch(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENSWEEP_CACHE", str(cache))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    models = (Component("mlp"), Component("lenet"))  # the second one takes images
    trials = tuple(
        TrialSpec(
            dataset=Component("mnist1d", num_examples=50),
            model=model,
            optimizer=Component("sgd"),
            fit=Component("sgd", epochs=1),
        )
        for model in models
    )
    study = Study(name="mismatch", question="Does lenet see?", expected="No.", trials=trials, axes=("model",))
    launch = Launch(study, Settings(folder=tmp_path / "results"), Console(quiet=True))
    with pytest.raises(CannotStart, match=r"^trial model=lenet.*: .*lenet takes images"):
        launch.run()
    assert not (tmp_path / "results").exists()
