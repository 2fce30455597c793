"""Fixtures that many tests share: small data, a store of their own, one small Ray for the session."""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from xdist.scheduler import LoadScopeScheduling

from measures.registry import Component
from tests.command import ROOT, SMALL, run
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import local_store
from workers.tracking import RunStore

# Of a shell that starts them in the background they inherit that Ctrl-C is ignored, and what they start would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests are small: a second thread gains them nothing, and where cores are busy the threads wait for one another.
torch.set_num_threads(1)


class Scheduling(LoadScopeScheduling):
    """A process runs whole files, whose fixtures it then makes once; all that share the study are as one file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "undisturbed" if "undisturbed" in (ROOT / file).read_text() else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Of pytest-xdist, in the process that hands the tests out."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares the study comes first: it waits for processes, and the files that compute fill the other core."""
    items.sort(key=lambda item: "undisturbed" not in item.path.read_text())


@pytest.fixture(autouse=True)
def torch_seed() -> None:
    """The same random weights in a test whichever tests have run before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data sets, shared by the tests of a session as by the trials of a node."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The folder of the study SMALL that ran through, which interrupted ones must equal."""
    folder = tmp_path_factory.mktemp("undisturbed")
    result = run(cache, [*SMALL, "--folder", str(folder)])
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("\n[") == 2 + 4, "one line for each trial and measurement"
    return folder


@pytest.fixture
def runtime(tmp_path: Path, cache: Path) -> Runtime:
    return Runtime(tracking_uri=local_store(tmp_path / "store"), cache=cache)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file of MLflow's with nothing in it, which takes MLflow seconds to make."""
    folder = tmp_path_factory.mktemp("empty")
    RunStore(local_store(folder))
    return folder / "mlflow.db"


@pytest.fixture
def store(runtime: Runtime, empty_database: Path) -> RunStore:
    """The runtime's store, with nothing in it."""
    place = Path(runtime.tracking_uri.removeprefix("sqlite:///"))
    place.parent.mkdir()
    shutil.copy(empty_database, place)
    return RunStore(runtime.tracking_uri)


@pytest.fixture
def made_store(tmp_path: Path, empty_database: Path) -> None:
    """The store of commands with `--folder tmp_path` is there, with nothing in it: they need not make it themselves."""
    (tmp_path / "store").mkdir()
    shutil.copy(empty_database, tmp_path / "store")


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
