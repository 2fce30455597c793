"""Data sets are prepared once per node and then memory-mapped by every trial on it.

A prepared set is a folder of .npy files named after the data set's identity. It is written beside its place under a
lock and then moved there, so that a reader sees a whole one or none, and two trials never prepare the same set twice.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from measures.registry import Component, canonical_json
from workers.datasets import datasets
from workers.datasets.dataset import Dataset
from workers.datasets.source_files import outlined, source_path
from workers.disk_space import told_if_full

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
FORMAT = 2  # of a prepared folder


@dataclass(frozen=True)
class Prepared:
    """A data set on this node's disk, and the SHA-256 of its contents (provenance, not identity)."""

    dataset: Dataset
    sha256: str


def prepared(component: Component, data_seed: int, cache: Path) -> Prepared:
    """The data set, prepared now unless this node has it already; its arrays are read-only memory maps.

    One that is damaged (a file missing or cut short) is prepared again, with a warning.
    """
    folder = cache / "datasets" / f"{component.name}-{_identity(component, data_seed)}"
    found = _read(folder)
    if found is None:
        with told_if_full(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with open(folder.with_suffix(".lock"), "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                found = _read(folder) or _prepare(component, data_seed, folder)
    return found


def outline(component: Component, data_seed: int, cache: Path) -> Prepared:
    """The data set as far as its cost goes: prepared if it is already, or has files of a user's; nothing is downloaded.

    A data set that would be downloaded has its published sizes, and one that is generated is generated, neither stored.
    """
    if dict(datasets.resolve(component).settings).get("path"):
        return prepared(component, data_seed, cache)
    found = _read(cache / "datasets" / f"{component.name}-{_identity(component, data_seed)}")
    if found is not None:
        return found
    with outlined():
        return Prepared(datasets.call(component, data_seed), "")


def _identity(component: Component, data_seed: int) -> str:
    """Of the contents on this node: what is in the files behind a setting `path` belongs to it, unlike a trial's."""
    settings = datasets.resolve(component)
    parts: list[Any] = [datasets.canonical(component), data_seed, datasets[component.name].version, FORMAT]
    if path := dict(settings.settings).get("path"):
        parts.append(_fingerprint(source_path(path)))
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:16]


def _fingerprint(place: Path) -> str:
    """Of names, sizes and modification times of a file, or of all files in a folder; their contents are not read."""
    walk = os.walk(place, followlinks=True)
    files = [place] if place.is_file() else [Path(at, name) for at, _, names in walk for name in names]
    lines = sorted(f"{file.relative_to(place)} {(stat := file.stat()).st_size} {stat.st_mtime_ns}" for file in files)
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()


def _prepare(component: Component, data_seed: int, folder: Path) -> Prepared:
    if folder.exists():
        warnings.warn(f"the prepared data set {folder} is damaged; it is prepared again", RuntimeWarning, stacklevel=3)
        shutil.rmtree(folder)
    _write(datasets.call(component, data_seed), folder)
    return _open(folder)


def _write(dataset: Dataset, folder: Path) -> None:
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        digest = hashlib.sha256()
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(dataset, name))
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
            with open(scratch / f"{name}.npy", "wb") as file:
                np.save(file, array, allow_pickle=False)
                os.fsync(file.fileno())  # or a power cut after the move could leave zeros of the right length
        record = {
            "num_classes": dataset.num_classes,
            "normalization": dataset.normalization,
            "augmentation": dataset.augmentation,
            "sha256": digest.hexdigest(),
        }
        (scratch / "dataset.json").write_text(json.dumps(record))
        os.rename(scratch, folder)
    except BaseException:
        shutil.rmtree(scratch)
        raise


def _read(folder: Path) -> Prepared | None:
    """The prepared set; None if there is none, or none that is whole."""
    try:
        return _open(folder)
    except (OSError, ValueError, EOFError):
        return None


def _open(folder: Path) -> Prepared:
    record = json.loads((folder / "dataset.json").read_text())
    # A memory map of a file that is too short for its header is refused.
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
    sha256 = record.pop("sha256")
    if isinstance(record["normalization"], list):
        mean, deviation = record["normalization"]
        record["normalization"] = (tuple(mean), tuple(deviation))
    return Prepared(Dataset(**arrays, **record), sha256)
