"""Diagnosis: which stored runs and files a crash has left. Pure; `doctor` looks and acts.

Files of a store on this machine lie at STUDY/RUN/artifacts/..., below one folder. What a tag names is committed and
never touched. A file that changed a moment ago may be one that somebody is writing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from orchestrator.settling import RUNNING
from workers.record import RunRecord

QUIET_SECONDS = 600.0
UPLOADING = ".artifact.uploading."  # what MLflow calls a file until it is whole
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class StoredFile:
    """A file below the artifact folder, and how long ago it changed."""

    path: PurePosixPath
    seconds: float


def abandoned(records: Iterable[RunRecord], lives: Callable[[RunRecord], bool]) -> list[RunRecord]:
    """Runs that say they are being worked on, while nobody carries their study out; `lives` tells of one if it is."""
    return [record for record in records if record.status == RUNNING and not lives(record)]


def ownerless(files: Iterable[StoredFile], known: Callable[[str], bool]) -> list[PurePosixPath]:
    """Folders of runs that the store does not know."""
    folders = dict.fromkeys(PurePosixPath(*file.path.parts[:2]) for file in files if len(file.path.parts) > 2)
    return [folder for folder in folders if not known(folder.name)]


def removable(
    files: Iterable[StoredFile], records: Mapping[str, RunRecord], lives: Callable[[RunRecord], bool]
) -> list[PurePosixPath]:
    """Uploads that were never finished and checkpoint folders that were never committed, of launches that are dead.

    `records` are the runs by their id; a file of any other is left alone.
    """
    newest: dict[PurePosixPath, float] = {}
    for file in files:
        run = records.get(file.path.parts[1]) if len(file.path.parts) > 2 else None
        if run is not None and not lives(run) and (place := _uncommitted(file.path, run)) is not None:
            newest[place] = min(file.seconds, newest.get(place, file.seconds))
    return [place for place, seconds in newest.items() if seconds > QUIET_SECONDS]


def _uncommitted(path: PurePosixPath, run: RunRecord) -> PurePosixPath | None:
    """What of a file is to go: its checkpoint's folder, itself, or nothing."""
    for folder in path.parents:
        step = folder.name.removeprefix("step-")
        if folder.parent.name == CHECKPOINTS and step.isdecimal() and int(step) not in run.checkpoints:
            return folder
    return path if path.name.startswith(UPLOADING) else None
