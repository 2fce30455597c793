"""Submitting a study as a Ray job, the way the documentation says, from a clean checkout."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster_processes import Deployment
from tests.command import ROOT, environment


def clean_checkout(folder: Path) -> Path:
    """A copy of the files that git knows or would, and of nothing else."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def ray(cluster: Deployment, *arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """A `ray` command against the cluster, by a person whose shell knows nothing but where it is and its token."""
    kept = {name: value for name, value in environment(cluster.cache).items() if name != "PYTHONPATH"}
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("ray")), *arguments],
        cwd=folder or cluster.folder,
        env={**kept, **cluster.ray_credentials, "RAY_API_SERVER_ADDRESS": cluster.dashboard},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def submit(
    cluster: Deployment, checkout: Path, *command: str, variables: dict[str, str] | None = None, name: str | None = None
) -> subprocess.Popen[str]:
    """`ray job submit --working-dir . -- COMMAND`, which streams the job's output and ends with it."""
    identity = [] if name is None else ["--submission-id", name]
    settings = [] if variables is None else ["--runtime-env-json", json.dumps({"env_vars": variables})]
    arguments = ["job", "submit", *identity, "--working-dir", ".", *settings]
    return ray(cluster, *arguments, "--", *command, folder=checkout)


def ended(process: subprocess.Popen[str], seconds: float = 300) -> tuple[int, str]:
    """Exit code and output of a command that has been started."""
    output, _ = process.communicate(timeout=seconds)
    return process.returncode, output
