"""Leftovers: what processes that died have left on one node's disk, put right where that is safe, else told of.

Nothing that counts is removed: what waits in a spool is sent, and goes away by being stored; a half-written entry, or
data set, was never readable by anyone.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from workers.record import RunRecord
from workers.runtime import Runtime
from workers.spool import Spool
from workers.store_address import StoreError, StoreUnreachable, check_store
from workers.tracking import RunStore
from workers.trial import package_versions


class State(StrEnum):
    """How things stand after they have been looked at."""

    WELL = "ok"
    LEFT = "left alone"  # somebody else's, and no fault
    FOUND = "would repair"  # only shown
    REPAIRED = "repaired"
    PERSON = "needs you"


@dataclass(frozen=True)
class Finding:
    """One line of what was found and done."""

    state: State
    text: str


@dataclass(frozen=True)
class Marker:
    """A file in the store with a text that cannot be guessed."""

    run_id: str
    text: str
    path: str = "marker.txt"


@dataclass(frozen=True)
class NodeReport:
    """What a node says of itself."""

    versions: dict[str, str]
    findings: list[Finding]


def repaired(dry_run: bool, text: str, repair: Callable[[], object]) -> Finding:
    """Repair it now, or only say what would be repaired; a repair that fails needs a person."""
    if dry_run:
        return Finding(State.FOUND, text)
    try:
        repair()
    except (OSError, ValueError, StoreUnreachable) as error:
        return Finding(State.PERSON, f"{text}: failed: {error}")
    return Finding(State.REPAIRED, text)


def writable(folder: Path) -> Finding:
    """Whether files can be written below a folder, tried out at the nearest place that exists; and the room there."""
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        return Finding(
            State.PERSON, f"folder {folder}: cannot be written: {error.strerror}; make room or give the right"
        )
    free = shutil.disk_usage(place).free
    return Finding(State.WELL, f"folder {folder}: can be written, {free / 2**30:.1f} GiB free")


def examine_node(runtime: Runtime, dead: frozenset[str], marker: Marker | None, dry_run: bool) -> NodeReport:
    """Look after the node that this runs on; of studies that are not known to be left it touches nothing."""
    versions = package_versions()
    try:
        check_store(runtime.tracking_uri)
        store = RunStore(runtime.tracking_uri)
        with store.impatient():
            found = _reading(store, marker) + node_leftovers(
                runtime.cache, store, lambda run: run.study not in dead, dry_run
            )
    except (StoreError, OSError) as error:
        found = [Finding(State.PERSON, str(error))]
    return NodeReport(versions, found)


def _reading(store: RunStore, marker: Marker | None) -> list[Finding]:
    if marker is None:
        return [Finding(State.WELL, f"store {store.uri}: answers")]
    read = store.read_file(marker.run_id, marker.path).decode()
    if read != marker.text:
        return [Finding(State.PERSON, f"store {store.uri}: gives another file than was stored: not the same storage")]
    return [Finding(State.WELL, f"store {store.uri}: answers, and gives the file that was just stored")]


def node_leftovers(cache: Path, store: RunStore, lives: Callable[[RunRecord], bool], dry_run: bool) -> list[Finding]:
    """Look after this node's own folder: spools of runs whose launch is dead, data sets that were never finished."""
    spools = sorted((cache / "spool").glob("*"))
    found = [each for folder in spools for each in _spool(folder, store, lives, dry_run)]
    unfinished = sorted((cache / "datasets").glob(".*-*"))
    return [writable(cache), *found, *(each for folder in unfinished for each in _unfinished(folder, dry_run))]


def _spool(folder: Path, store: RunStore, lives: Callable[[RunRecord], bool], dry_run: bool) -> list[Finding]:
    run = store.find(folder.name)
    if run is None:
        return [Finding(State.LEFT, f"spool {folder}: of a run that this store does not have")]
    if lives(run):
        return [Finding(State.LEFT, f"spool {folder}: the launch of {run.name} lives and sends it itself")]
    found: list[Finding] = []
    for part in sorted(folder.glob("*.part")):
        found.append(repaired(dry_run, f"half-written {part}: removed", lambda part=part: shutil.rmtree(part)))
    spool = Spool(folder)
    if len(spool):
        text = f"spool of run {run.run_id} ({run.name}): {len(spool)} waiting entries sent to the store"
        found.append(repaired(dry_run, text, lambda: spool.ship(store, run.run_id)))
    elif not dry_run:
        folder.rmdir()
    return found


def _unfinished(scratch: Path, dry_run: bool) -> list[Finding]:
    """A data set that is being prepared is under its lock; one that is not, and has no name yet, was given up."""
    name = scratch.name.removeprefix(".").rpartition("-")[0]
    with open(scratch.parent / f"{name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        return [repaired(dry_run, f"unfinished data set {scratch}: removed", lambda: shutil.rmtree(scratch))]
