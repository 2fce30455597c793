"""The clock of a node is set back by an hour between an interruption and what continues it: no number notices.

The trial and its measurement run in a process of their own, whose clock a preloaded function sets back: Ray starts its
processes without what is preloaded, so it is left out here.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from measures.registry import Component
from orchestrator.plan import State, state_of
from tests.command import ROOT
from workers.measuring import measure_checkpoint
from workers.record import LEASE, Point, RunRecord
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.tracking import RunStore
from workers.trial import TrainingTask, run_trial

pytestmark = pytest.mark.timeout(180)

CONTINUE = """
import json, sys, time
from pathlib import Path
from measures.registry import Component
from workers.measuring import measure_checkpoint
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.trial import TrainingTask, run_trial

uri, cache, run_id, spec = sys.argv[1:]
runtime, trial = Runtime(tracking_uri=uri, cache=Path(cache)), TrialSpec.from_json(json.loads(spec))
for result in (
    run_trial(TrainingTask(trial, run_id, "mine"), runtime),
    measure_checkpoint(trial, run_id, 48, Component("norms"), runtime),
):
    assert result.error is None, result
print(time.time())
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The function to preload, compiled."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler, on Linux")
    library = tmp_path_factory.mktemp("shim") / "earlier_clock.so"
    source = ROOT / "tests" / "earlier_clock.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return library


def created(store: RunStore, spec: TrialSpec) -> str:
    tags = {"sweep.trial_id": spec.trial_id, LEASE: "mine"}
    return store.create_run(store.open_study("study", {}), "a trial", "trial", tags, spec.parameters)


def numbers(store: RunStore, record: RunRecord) -> dict[str, list[Point]]:
    return {key: store.history(record.run_id, key) for key in record.points}


def test_a_clock_that_is_set_back_changes_no_number(
    small_trial: TrialSpec, runtime: Runtime, store: RunStore, shim: Path
) -> None:
    undisturbed = created(store, small_trial)
    assert run_trial(TrainingTask(small_trial, undisturbed, "mine"), runtime).error is None
    assert measure_checkpoint(small_trial, undisturbed, 48, Component("norms"), runtime).error is None

    def interrupt(step: int, metrics: object) -> None:
        if step >= 20:
            raise KeyboardInterrupt

    cut = created(store, small_trial)
    with pytest.raises(KeyboardInterrupt):
        run_trial(TrainingTask(small_trial, cut, "mine"), runtime, watch=interrupt)
    assert 0 < store.get(cut).checkpoints[-1] < 48, "it goes on from a checkpoint"
    spec = json.dumps(small_trial.to_json())
    environment = {**os.environ, "LD_PRELOAD": str(shim), "CLOCK_SET_BACK": "3600", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CONTINUE, runtime.tracking_uri, str(runtime.cache), cut, spec]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert float(ended.stdout) < time.time() - 3000, "the second half was told that it came before the first"

    expected, found = store.get(undisturbed), store.get(cut)
    assert state_of(found) is State.DONE and found.checkpoints == expected.checkpoints
    assert numbers(store, found) == numbers(store, expected)
    assert found.points == expected.points, "the latest value is that of the last step, whatever the clocks said"
