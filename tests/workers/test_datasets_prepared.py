"""Preparing once per node: what is kept, what is prepared again, and what a changed file behind a path does."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from measures.registry import Component
from workers.datasets.prepared import prepared

SMALL = Component("two_spirals", num_train=40, num_test=20)


def archive(file: Path, first: int = 0) -> None:
    x = np.arange(24, dtype=np.float32).reshape(12, 2) + first
    np.savez(file, x_train=x, y_train=np.arange(12) % 2, x_test=x[:4], y_test=np.arange(4) % 2)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENSWEEP_DATA", str(tmp_path))
    archive(tmp_path / "own.npz")
    return tmp_path / "own.npz"


def test_the_second_call_does_not_decode_again(own: Path, tmp_path: Path):
    component = Component("arrays", path="own.npz")
    first = prepared(component, 0, tmp_path / "cache")
    stat = own.stat()
    own.write_bytes(b"x" * stat.st_size)  # which the data set could not be prepared from
    os.utime(own, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = prepared(component, 0, tmp_path / "cache")
    np.testing.assert_array_equal(again.dataset.x_train, first.dataset.x_train)
    assert again.sha256 == first.sha256
    assert isinstance(again.dataset.x_train, np.memmap)
    assert not again.dataset.x_train.flags.writeable
    with pytest.raises(ValueError, match=r"is not an \.npz file"):
        prepared(component, 1, tmp_path / "cache")


def replace_by_same_size(file: Path) -> None:
    archive(file, first=1)


def touch(file: Path) -> None:
    os.utime(file, ns=(0, 1))


@pytest.mark.parametrize("change", [replace_by_same_size, touch])
def test_a_changed_file_behind_a_path_is_prepared_again(own: Path, tmp_path: Path, change: Callable[[Path], None]):
    component, cache = Component("arrays", path="own.npz"), tmp_path / "cache"
    first = prepared(component, 0, cache)
    change(own)
    second = prepared(component, 0, cache)
    assert np.array_equal(second.dataset.x_train, first.dataset.x_train) == (change is touch)
    assert len([folder for folder in (cache / "datasets").iterdir() if folder.is_dir()]) == 2


def test_files_in_a_folder_are_told_apart_by_name_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GENSWEEP_DATA", str(tmp_path))
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "tree" / split / name).mkdir(parents=True)
            noise = np.random.default_rng(len(name)).integers(256, size=(4, 4, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "tree" / split / name / "0.png")
    component, cache = Component("image_folder", path="tree", normalization="none"), tmp_path / "cache"
    sizes = [len(prepared(component, 0, cache).dataset.y_train)]
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "tree" / "train" / "b" / "1.png")
    sizes.append(len(prepared(component, 0, cache).dataset.y_train))
    assert sizes == [2, 3]
    labels = sorted(prepared(component, 0, cache).dataset.y_train)
    (tmp_path / "tree" / "train" / "b" / "1.png").rename(tmp_path / "tree" / "train" / "a" / "1.png")
    assert (labels, sorted(prepared(component, 0, cache).dataset.y_train)) == ([0, 1, 1], [0, 0, 1])


def test_a_path_that_is_gone_is_not_taken_from_the_cache(own: Path, tmp_path: Path):
    prepared(Component("arrays", path="own.npz"), 0, tmp_path / "cache")
    own.unlink()
    with pytest.raises(ValueError, match=r"^path='own.npz' is not valid: there is no .*own\.npz"):
        prepared(Component("arrays", path="own.npz"), 0, tmp_path / "cache")


def remove(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def cut_one_byte(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


@pytest.mark.parametrize("damage", [remove, empty, halve, cut_one_byte])
@pytest.mark.parametrize("name", ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy", "dataset.json"])
def test_a_damaged_prepared_set_is_prepared_again(tmp_path: Path, name: str, damage: Callable[[Path], None]):
    whole = prepared(SMALL, 0, tmp_path)
    expected = np.array(whole.dataset.x_train)
    (folder,) = (folder for folder in (tmp_path / "datasets").iterdir() if folder.is_dir())
    damage(folder / name)
    with pytest.warns(
        RuntimeWarning, match=rf"^the prepared data set .*{folder.name} is damaged; it is prepared again$"
    ):
        again = prepared(SMALL, 0, tmp_path)
    np.testing.assert_array_equal(again.dataset.x_train, expected)
    assert again.sha256 == whole.sha256
    assert prepared(SMALL, 0, tmp_path).sha256 == whole.sha256  # without a warning


def test_a_failure_leaves_nothing_that_looks_prepared(own: Path, tmp_path: Path):
    own.write_bytes(b"no archive")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"is not an \.npz file"):
            prepared(Component("arrays", path="own.npz"), 0, tmp_path / "cache")
    assert [each.suffix for each in (tmp_path / "cache" / "datasets").iterdir()] == [".lock"]


def digest(cache: Path) -> tuple[str, int]:
    found = prepared(SMALL, 0, cache)
    return found.sha256, (next(cache.glob("datasets/two_spirals-*/x_train.npy"))).stat().st_ino


def test_trials_that_start_together_share_one_preparation(tmp_path: Path):
    # The lock belongs to an open file, so that threads wait for one another as processes do.
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(digest, [tmp_path] * 8))
    assert len(set(found)) == 1
