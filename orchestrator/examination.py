"""Examination of a store and of the nodes that write to it, with repair of what is found.

In this order, because each makes the next one true: what waits on the nodes goes to the store, then runs of dead
launches get a status, then files that nothing names are removed.
"""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath

from orchestrator import environment
from orchestrator.diagnosis import QUIET_SECONDS, StoredFile, abandoned, ownerless, removable
from orchestrator.environment import CannotStart
from orchestrator.launch import Settings
from orchestrator.launches import LaunchLog
from orchestrator.settling import ROLES
from workers.leftovers import Finding, Marker, State, examine_node, node_leftovers, repaired, writable
from workers.record import RunRecord
from workers.store_address import StoreError, store_exists
from workers.tracking import RunStore
from workers.trial import package_versions

Lives = Callable[[RunRecord], bool]
MARKED = "gensweep-doctor"  # experiment in which a run is made for the nodes to read, and taken out of sight again


def examination(settings: Settings, dry_run: bool) -> Iterable[Finding]:
    """Everything that was looked at, in order, each when it has been done."""
    yield Finding(State.WELL, f"versions here: {_words(package_versions())}")
    yield writable(settings.folder)
    try:
        settings.check_store()
        if not store_exists(settings.store_uri):
            yield Finding(State.WELL, f"store {settings.store_uri}: not made yet")
            return
        store = settings.open_store()
    except CannotStart as error:
        yield Finding(State.PERSON, str(error))
        return
    yield Finding(State.WELL, f"store {store.uri}: answers")
    lives = _lives(store)
    try:
        with store.impatient():
            yield from node_leftovers(settings.runtime.cache, store, lives, dry_run)
            if settings.ray_address is not None:
                yield from _nodes(settings, settings.ray_address, store, lives, dry_run)
            yield from _runs(store, lives, dry_run)
            yield from _files(store, settings.folder, lives, dry_run)
    except StoreError as error:
        yield Finding(State.PERSON, str(error))


def _lives(store: RunStore) -> Lives:
    """Whether the study of a run is being carried out now; of each study that is found out once."""

    @cache
    def is_carried_out(study: str) -> bool:
        return study != "" and LaunchLog(store, study).living() is not None

    return lambda run: is_carried_out(run.study)


def _records(store: RunStore) -> dict[str, RunRecord]:
    """All runs of all studies, by run id."""
    runs = [run for experiment in store.studies().values() for role in ROLES for run in store.runs(experiment, role)]
    return {run.run_id: run for run in runs}


def _runs(store: RunStore, lives: Lives, dry_run: bool) -> Iterable[Finding]:
    for run in abandoned(_records(store).values(), lives):
        text = f"run {run.run_id} ({run.name}): was {run.status} and its launch is dead; now KILLED"
        yield repaired(dry_run, text, lambda run=run: store.set_status(run.run_id, "KILLED"))


def _files(store: RunStore, folder: Path, lives: Lives, dry_run: bool) -> Iterable[Finding]:
    """Files that nothing names; of a server's artifacts only the server's machine can tell."""
    for place in sorted((folder / "reports").glob("*/.*.part")):
        if time.time() - place.stat().st_mtime > QUIET_SECONDS:
            yield repaired(dry_run, f"half-written report {place}: removed", place.unlink)
    if store.artifact_folder is None:
        yield Finding(
            State.LEFT, f"artifacts of {store.uri}: the server's own, which removes what it has half received"
        )
        return
    files, root = list(_stored_files(store.artifact_folder)), store.artifact_folder
    records = _records(store)
    for place in removable(files, records, lives):
        text = f"{place} in {root}: never committed, and its launch is dead; removed"
        yield repaired(dry_run, text, lambda place=place: _remove(root / place))
    for place in ownerless(files, lambda run_id: run_id in records or store.find(run_id) is not None):
        yield Finding(
            State.PERSON, f"{root / place}: files of no run in this store; is it the right store? else delete it"
        )


def _stored_files(root: Path) -> Iterable[StoredFile]:
    now = time.time()
    for at, _, names in os.walk(root):
        for name in names:
            path = Path(at, name)
            yield StoredFile(PurePosixPath(path.relative_to(root)), now - path.stat().st_mtime)


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()


def _nodes(settings: Settings, address: str, store: RunStore, lives: Lives, dry_run: bool) -> Iterable[Finding]:
    """Every node of the cluster: its versions, whether it reaches the store, what waits there."""
    dead = frozenset(run.study for run in _records(store).values() if not lives(run))
    try:
        environment.check_address(address)
        environment.prepare(address)
        from orchestrator import schedule  # after the environment that Ray reads when it is imported

        with schedule.connect(address), _marker(store, dry_run) as marker:
            answers = schedule.on_each_node(examine_node, settings.runtime, dead, marker, dry_run)
    except CannotStart as error:
        yield Finding(State.PERSON, str(error))
        return
    here = package_versions()
    for node, answer in sorted(answers.items()):
        if isinstance(answer, str):
            yield Finding(State.PERSON, f"node {node}: gives no answer: {answer}")
            continue
        differing = {name: version for name, version in answer.versions.items() if version != here.get(name)}
        if differing:
            yield Finding(State.PERSON, f"node {node}: has other versions than this one: {_words(differing)}")
        yield from (Finding(each.state, f"node {node}: {each.text}") for each in answer.findings)


@contextmanager
def _marker(store: RunStore, dry_run: bool) -> Generator[Marker | None, None, None]:
    """A file in the store that every node must be able to read; none if nothing is to be written."""
    if dry_run:
        yield None
        return
    run_id = store.create_run(store.open_study(MARKED, {}), "marker", "marker", {}, {})
    try:
        marker = Marker(run_id, secrets.token_hex(16))
        store.write_file(run_id, marker.path, marker.text.encode())
        yield marker
    finally:
        store.set_status(run_id, "FINISHED")
        store.delete_run(run_id)


def _words(versions: dict[str, str]) -> str:
    return " ".join(f"{name}={version}" for name, version in versions.items())
