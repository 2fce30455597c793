"""docker/slurm.sh on this machine: `srun` and `scontrol` are stand-ins, all that they start is real."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cluster_processes import Deployment, bare_environment, free_ports
from tests.command import ROOT, environment
from workers.store_address import local_store
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(300)

NODES = {"n5": "127.0.0.5", "n6": "127.0.0.6"}
SRUN = """#!/bin/bash
# Runs a command as the node that is named: at its address, with one CPU, ports and a folder of its own.
while [[ $1 == --* ]]; do case $1 in --nodelist=*) node=${1#*=} ;; esac; shift; done
if [ "$1" = hostname ]; then echo "127.0.0.${node#n} 10.0.0.${node#n}"; exit; fi
echo $$ >>"$SCRATCH/started"
port=agent_port_$node
exec "$@" --node-ip-address="127.0.0.${node#n}" --num-cpus=1 --temp-dir="$SCRATCH/$node" \\
    --dashboard-agent-listen-port="${!port}"
"""
SCONTROL = """#!/bin/bash
[ "$*" = "show hostnames n[5-6]" ] && printf '%s\\n' n5 n6
"""


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder with a short name, for Ray's sockets; what was started there is ended, as SLURM does at a job's end."""
    with TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder:
        for name, program in (("srun", SRUN), ("scontrol", SCONTROL)):
            (Path(folder) / name).write_text(program)
            (Path(folder) / name).chmod(0o755)
        try:
            yield Path(folder)
        finally:
            for line in (Path(folder) / "started").read_text().split():
                with suppress(ProcessLookupError):
                    os.killpg(int(line), signal.SIGKILL)


def test_a_study_runs_on_the_nodes_of_a_slurm_job(scratch: Path, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "store").mkdir()
    deployment = Deployment(tmp_path, cache)
    settings = {
        "PATH": f"{scratch}{os.pathsep}{bare_environment(cache)['PATH']}",
        "SCRATCH": str(scratch),
        "SLURM_JOB_ID": free_ports("port")["port"],
        "SLURM_JOB_NODELIST": "n[5-6]",
        "MLFLOW_TRACKING_URI": deployment.mlflow_address,
        **{f"agent_port_{node}": port for node, port in free_ports(*NODES).items()},
    }
    tiny = ("--widths", "2", "3", "--label-noise", "0.15", "--epochs", "2", "--folder", str(tmp_path))
    said = tmp_path / "said"
    with deployment.mlflow(local_store(tmp_path / "store")), said.open("w") as output:
        job = subprocess.run(  # into a file: the nodes outlive the script, and hold what it writes to
            ["bash", "docker/slurm.sh", "sweeps/double_descent.py", *tiny],
            cwd=ROOT,
            env={**environment(cache), **settings},  # where the script is started, gensweep is installed
            stdout=output,
            stderr=output,
            timeout=240,
            check=False,
        )
        assert job.returncode == 0, said.read_text()
        store = RunStore(deployment.mlflow_address)
        experiment = store.find_study("double_descent")
        assert experiment is not None
        assert [run.status for run in store.runs(experiment, "trial")] == ["FINISHED"] * 2
    assert "2 CPU cores for" in said.read_text(), "one of each node"


@pytest.mark.parametrize(
    ("variables", "arguments", "code", "message"),
    [
        ({}, ["sweeps/double_descent.py"], 1, "MLFLOW_TRACKING_URI: the address of an MLflow server"),
        ({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, [], 2, "usage: sbatch docker/slurm.sh sweeps/NAME.py"),
    ],
)
def test_what_the_script_needs_is_said_before_anything_starts(
    cache: Path, variables: dict[str, str], arguments: list[str], code: int, message: str
) -> None:
    job = subprocess.run(
        ["bash", "docker/slurm.sh", *arguments],
        cwd=ROOT,
        env={**bare_environment(cache), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert job.returncode == code and message in job.stderr
