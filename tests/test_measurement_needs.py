"""What measurements may take of a node: more than there is, more than they said, for real."""

import re
import sys
from pathlib import Path

import pytest

from tests.command import records_of, run

pytestmark = pytest.mark.timeout(300)

STUDY = """
from measures.registry import Component
from orchestrator.study import Measured, Study
from sweeps.__main__ import main
from workers.runtime import Needs
from workers.spec import TrialSpec

def needy(*, memory_gb: float = 2.0) -> Study:
    trial = TrialSpec(
        dataset=Component("mnist1d", num_examples=250),
        model=Component("mlp", width=200, depth=2),
        optimizer=Component("sgd", learning_rate=0.01),
        fit=Component("sgd", epochs=1),
    )
    measured = (
        Measured(
            Component("hessian_spectrum", num_eigenvalues=1, num_steps=4, num_probes=2),
            needs=Needs(memory_gb=memory_gb),
        ),
        Measured(Component("intrinsic_dimension")),
    )
    return Study(name="needy", question="?", expected="!", trials=(trial,), axes=("model.width",), measured=measured)

if __name__ == "__main__":
    main(needy)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not count what a process may write to")
@pytest.mark.usefixtures("made_store")
def test_a_measurement_that_runs_out_of_memory_fails_alone_and_is_reported(tmp_path: Path, cache: Path) -> None:
    script = tmp_path / "needy.py"
    script.write_text(STUDY)
    short = run(cache, ["--memory-gb", "0.02", "--cpus", "1", "--folder", str(tmp_path)], [str(script)], COLUMNS="200")
    assert short.returncode == 1, short.stdout + short.stderr
    assert "1 failed" in short.stdout and "allocate" in short.stdout
    assert re.search(r"hessian_spectrum-\w+-step-1 failed: RuntimeError", short.stdout)
    (record,) = records_of(tmp_path, "needy")
    assert record.status == "FINISHED" and "intrinsic_dimension/last_layer" in record.points
    assert ["allocate" in text for tag, text in record.tags.items() if tag.startswith("failure.")] == [True]

    refused = run(cache, ["--memory-gb", "1e6", "--folder", str(tmp_path)], [str(script)], COLUMNS="200")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert refused.stderr.startswith("error: measure hessian_spectrum needs 1 CPU and 1e+06 GB of memory on one node; ")

    enough = run(cache, ["--cpus", "1", "--folder", str(tmp_path)], [str(script)], COLUMNS="200")
    assert enough.returncode == 0, enough.stdout + enough.stderr
    assert "to train 0, to measure at least 1" in enough.stdout, "what it needs is no part of what is measured"
    (record,) = records_of(tmp_path, "needy")
    assert len(record.measured) == 2 and not [tag for tag in record.tags if tag.startswith("failure.")]
