"""Spool: what a trial has to store while the store does not answer, on this node's disk, in order.

Each entry is a folder, written beside its place, flushed to the disk and renamed, so that a process killed at any
moment leaves whole entries. An entry is removed after the store has taken it. If the process dies in between, the entry
is sent again, which changes nothing: metrics up to the latest stored step and checkpoints that are committed are left
out, files are overwritten by themselves.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workers.disk_space import told_if_full
from workers.record import Sample, checkpoint_tag
from workers.tracking import RunStore

ENTRY = "entry.json"


class Spool:
    """Entries of one run that wait, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._next = max((int(path.name) for path in self._entries()), default=-1) + 1

    def __len__(self) -> int:
        return len(self._entries())

    def add_samples(self, samples: Sequence[Sample]) -> None:
        """Metrics wait."""
        self._add({"samples": _rows(samples)}, {})

    def add_checkpoint(
        self, step: int, files: Mapping[str, bytes], samples: Sequence[Sample], tags: Mapping[str, str]
    ) -> None:
        """The files of a checkpoint wait, by their paths in the run, with the metrics up to it and the tags."""
        self._add({"step": step, "paths": list(files), "tags": tags, "samples": _rows(samples)}, files)

    def ship(self, store: RunStore, run_id: str) -> None:
        """Send everything in order; StoreUnreachable leaves what has not been taken."""
        if not (entries := self._entries()):
            return
        record = store.get(run_id)
        stored = {key: point.step for key, point in record.points.items()}
        for place in entries:
            entry: dict[str, Any] = json.loads((place / ENTRY).read_bytes())
            # A checkpoint that an earlier version kept here has none.
            samples = [Sample(*fields) for fields in entry.get("samples", ())]
            missing = [sample for sample in samples if sample.step > stored.get(sample.key, -1)]
            if "step" in entry and checkpoint_tag(entry["step"]) not in record.tags:
                for i, path in enumerate(entry["paths"]):
                    store.write_file(run_id, path, (place / str(i)).read_bytes())
                store.log(run_id, missing, entry["tags"])
            elif missing:
                store.log(run_id, missing)
            shutil.rmtree(place)
        shutil.rmtree(self.folder)

    def _entries(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*") if path.name.isdecimal())

    def _add(self, entry: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        place = self.folder / f"{self._next:09d}"
        part = place.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
        with told_if_full(self.folder):
            try:
                _write(part, {**{str(i): data for i, data in enumerate(files.values())}, ENTRY: _json(entry)})
                part.rename(place)
            except OSError:
                shutil.rmtree(part, ignore_errors=True)  # the room it takes may be the last there is
                raise
        self._next += 1


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, data in files.items():
        with open(folder / name, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _rows(samples: Sequence[Sample]) -> list[tuple[Any, ...]]:
    return [dataclasses.astuple(sample) for sample in samples]


def _json(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry).encode()
