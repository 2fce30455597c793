"""Fixtures that many tests share: small data, a store of their own, one small Ray for the session."""

from pathlib import Path

import pytest

from measures.registry import Component
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.tracking import local_store


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data sets, shared by the tests of a session as by the trials of a node."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def runtime(tmp_path: Path, cache: Path) -> Runtime:
    return Runtime(tracking_uri=local_store(tmp_path / "store"), cache=cache)


@pytest.fixture
def small_trial() -> TrialSpec:
    """A second's work that still has several epochs, checkpoints in the middle of one, and label noise."""
    return TrialSpec(
        dataset=Component("mnist1d", num_examples=400),
        corruption=Component("random_labels", fraction=0.2),
        model=Component("mlp", width=16),
        optimizer=Component("sgd", learning_rate=0.1, momentum=0.9),
        fit=Component("sgd", epochs=12, batch_size=30),
    )
