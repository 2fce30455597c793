"""The command `doctor`: find and repair what a crash has left, and say what was done, a line each."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

ALL_WELL, NEEDS_A_PERSON = 0, 1


def doctor(
    *,
    tracking_uri: Annotated[str | None, Parameter(help="MLflow store, as for a study.")] = None,
    folder: Annotated[Path, Parameter(help="Folder of the local results, as for a study.")] = Path(),
    address: Annotated[str | None, Parameter(help="Ray cluster, each node of which is looked at.")] = None,
    dry_run: Annotated[bool, Parameter(help="Only say what would be repaired.")] = False,
) -> int:
    """Find and repair what a crash has left: runs without a launch, waiting metrics, stray files.

    Nothing that is committed is touched, and nothing of a launch that lives. Exit code 0: all is well, or repaired (or
    would be, with --dry-run); 1: something needs a person.
    """
    # Imported here, so that `--help` and `list` answer without loading MLflow.
    from orchestrator.examination import examination
    from orchestrator.launch import Settings
    from workers.leftovers import State

    console, needed = Console(), False
    for finding in examination(Settings(tracking_uri=tracking_uri, folder=folder, address=address), dry_run):
        needed |= finding.state is State.PERSON
        console.print(f"{finding.state:<13}{finding.text}", markup=False, highlight=False, soft_wrap=True)
    return NEEDS_A_PERSON if needed else ALL_WELL
