"""Running the real command in a real process, and reading what it left in the real store."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from workers.record import Point, RunRecord
from workers.store_address import local_store
from workers.tracking import RunStore

ROOT = Path(__file__).parents[1]
STUDY = ("sweeps/double_descent.py",)
GENSWEEP = ("-m", "sweeps")
SMALL = ("--widths", "2", "5", "--label-noise", "0.15", "--epochs", "60")
ON_ONE_CORE = (*SMALL, "--cpus", "1")  # its trials are one pack then, and half as many processes start
STEPS = 2400  # of each of its trials


def environment(cache: Path) -> dict[str, str]:
    """Those of a person with nothing set and no GPU, except that prepared data sets are shared among the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    return {
        **kept,
        "GENSWEEP_CACHE": str(cache),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def start(
    cache: Path,
    arguments: Sequence[str],
    command: Sequence[str] = STUDY,
    output: Path | None = None,
    within: Sequence[str] = (),
    **changes: str,
) -> subprocess.Popen[str]:
    """The command as a process of its own, at the head of its own process group; what it says may go to a file.

    `within` is a command that starts it in other surroundings.
    """
    with contextlib.nullcontext(subprocess.PIPE) if output is None else output.open("w") as place:
        return subprocess.Popen(
            [*within, sys.executable, *command, *arguments],
            cwd=ROOT,
            env={**environment(cache), **changes},
            stdout=place,
            stderr=place,
            text=True,
            start_new_session=True,
        )


def run(
    cache: Path, arguments: Sequence[str], command: Sequence[str] = STUDY, **changes: str
) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    process = start(cache, arguments, command, **changes)
    output, errors = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def records_of(folder: Path, study: str, role: str = "trial") -> list[RunRecord]:
    """Stored runs of a study."""
    store = RunStore(local_store(folder / "store"))
    experiment = store.find_study(study)
    assert experiment is not None
    return store.runs(experiment, role)


def stored_runs(store: RunStore, role: str = "trial") -> dict[str, RunRecord]:
    """Stored runs of the study that most tests run, by name."""
    experiment = store.find_study("double_descent")
    assert experiment is not None
    found = store.runs(experiment, role)
    assert len({record.name for record in found}) == len(found), "no run is stored twice"
    return {record.name: record for record in found}


def records(folder: Path, role: str = "trial") -> dict[str, RunRecord]:
    """Those in the folder's own store, of the study that most tests run."""
    return stored_runs(RunStore(local_store(folder / "store")), role)


def stored_histories(store: RunStore, names: Collection[str] | None = None) -> Mapping[tuple[str, str], list[Point]]:
    """Every point of every metric of every trial, or of those named."""
    return {
        (name, key): store.history(record.run_id, key)
        for name, record in stored_runs(store).items()
        if names is None or name in names
        for key in record.points
    }


def histories(folder: Path) -> Mapping[tuple[str, str], list[Point]]:
    """Every point of every metric of every trial in the folder's own store."""
    return stored_histories(RunStore(local_store(folder / "store")))


def undisturbed_histories(folder: Path) -> Mapping[tuple[str, str], list[Point]]:
    """Of the study SMALL that ran through; a test may have added another width to it."""
    return {key: points for key, points in histories(folder).items() if "width=0006" not in key[0]}


def assert_same_numbers(folder: Path, undisturbed: Path) -> None:
    """As if nothing had happened."""
    assert histories(folder) == undisturbed_histories(undisturbed)


def has_trained(folder: Path, steps: int) -> bool:
    """Whether a trial is past that step and not at its end."""
    if not (folder / "store" / "mlflow.db").exists():
        return False
    try:
        reached = [record.checkpoints[-1] for record in records(folder).values() if record.checkpoints]
    except (AssertionError, ValueError):  # the driver is still making the store
        return False
    return any(steps <= step < STEPS for step in reached)


def descendants(pid: int) -> list[tuple[int, str]]:
    """Processes below another one, with their command lines."""
    found: list[tuple[int, str]] = []
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            title = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found += [(int(child), title), *descendants(int(child))]
    except (FileNotFoundError, ProcessLookupError):
        return found  # it ended meanwhile
    return found


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Poll what another process changes: there is nothing to be notified by."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
            raise AssertionError(process.communicate())
