"""A launch that cannot succeed starts nothing and writes nothing."""

from pathlib import Path

import pytest
from rich.console import Console

from measures.registry import Component
from orchestrator.environment import CannotStart
from orchestrator.launch import Launch, Settings
from orchestrator.packing import longest_first
from orchestrator.preparation import prepare
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


def test_the_longest_trials_come_first_whatever_their_seeds(cache: Path) -> None:
    """By width, epochs and batch size, which all make a training longer; equal ones in the order declared."""
    shapes = ((8, 1, 10, 0), (8, 1, 10, 1), (8, 1, 2, 0), (5000, 1, 2, 0), (8, 4, 2, 0), (5000, 1, 2, 1))
    trials = tuple(
        TrialSpec(
            dataset=Component("mnist1d", num_examples=50),
            model=Component("mlp", width=width),
            optimizer=Component("sgd"),
            fit=Component("sgd", epochs=epochs, batch_size=batch_size),
            init_seed=seed,
        )
        for width, epochs, batch_size, seed in shapes
    )
    rehearsals = prepare(trials, ("model.width",), cache)
    assert longest_first(trials, rehearsals) == tuple(trials[i] for i in (3, 5, 4, 2, 0, 1))
    assert rehearsals[trials[0].trial_id].pack == rehearsals[trials[1].trial_id].pack
    assert rehearsals[trials[0].trial_id].pack != rehearsals[trials[2].trial_id].pack, "another batch size"
