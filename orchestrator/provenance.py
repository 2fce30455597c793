"""Provenance: who, from where, at which commit. Recorded with every run, part of no identity."""

import getpass
import subprocess
import sys
from pathlib import Path


def run_tags() -> dict[str, str]:
    """Tags that MLflow's own pages show: user, source and commit of the driver."""
    tags = {"mlflow.user": _user(), "mlflow.source.name": Path(sys.argv[0]).name, "mlflow.source.type": "LOCAL"}
    commit = _git("rev-parse", "HEAD")
    if commit:
        changed = "yes" if _git("status", "--porcelain", "--untracked-files=no") else "no"
        tags |= {"mlflow.source.git.commit": commit, "provenance.uncommitted_changes": changed}
    return tags


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under an id that has no name
        return "unknown"


def _git(*arguments: str) -> str:
    """Output of git in this checkout; empty outside one, or without git."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
