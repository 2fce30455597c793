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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from measures.registry import Component, canonical_json
from workers.datasets import datasets
from workers.datasets.dataset import Dataset

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
FORMAT = 2  # of a prepared folder


@dataclass(frozen=True)
class Prepared:
    """A data set on this node's disk, and the SHA-256 of its contents (provenance, not identity)."""

    dataset: Dataset
    sha256: str


def prepared(component: Component, data_seed: int, cache: Path) -> Prepared:
    """The data set, prepared now unless this node has it already; its arrays are read-only memory maps."""
    version = datasets[component.name].version
    identity = canonical_json([datasets.canonical(component), data_seed, version, FORMAT])
    folder = cache / "datasets" / f"{component.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _write(datasets.call(component, data_seed), folder)
    return _read(folder)


def _write(dataset: Dataset, folder: Path) -> None:
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        digest = hashlib.sha256()
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(dataset, name))
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
            np.save(scratch / f"{name}.npy", array, allow_pickle=False)
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


def _read(folder: Path) -> Prepared:
    record = json.loads((folder / "dataset.json").read_text())
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
    sha256 = record.pop("sha256")
    if record["normalization"] is not None:
        mean, deviation = record["normalization"]
        record["normalization"] = (tuple(mean), tuple(deviation))
    return Prepared(Dataset(**arrays, **record), sha256)
