"""Entries of a user's own: a Python file, or a package, outside this repository, that every process can load.

It says what it adds in one variable, `entries = {"models": [my_model], "measures": [my_measure], "studies": [mine]}`.
Its text travels with the `Runtime` to whatever process trains or measures, so nothing need be installed there, on no
node of a cluster. Like everything that a trial depends on, an entry is known by its name: whoever changes what it
computes renames it or, of a measure, raises its version in a second variable, `versions = {"my_measure": 2}`.
"""

import hashlib
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from measures.registry import Registry
from workers.families import FAMILIES

MOST_BYTES = 1_000_000  # of text that goes along with every task


@dataclass(frozen=True)
class OwnEntries:
    """The text of a module that adds entries, or of all modules of a package; `files` by path below its folder."""

    module: str
    files: tuple[tuple[str, str], ...]

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(repr(self.files).encode()).hexdigest()

    @property
    def description(self) -> str:
        """What provenance says of it."""
        return f"{self.module} sha256={self.sha256[:16]}"


def read_own_entries(path: Path) -> OwnEntries:
    """The text of a Python file, or of a folder that is a package; ValueError if it is neither."""
    found = path.resolve()
    if found.is_dir() and (found / "__init__.py").is_file():
        sources = sorted(found.rglob("*.py"))
    elif found.is_file() and found.suffix == ".py":
        sources = [found]
    else:
        raise ValueError(f"studies {str(path)!r} is not valid: a Python file, or a folder with an __init__.py")
    if not found.stem.isidentifier() or _other_module(found.stem, sources):
        raise ValueError(f"studies {str(path)!r} cannot be imported as {found.stem!r}: name it as no other module is")
    files = tuple((str(source.relative_to(found.parent)), source.read_text()) for source in sources)
    size = sum(len(text.encode()) for _, text in files)
    if size > MOST_BYTES:
        raise ValueError(f"studies {str(path)!r} has {size:,} bytes of Python: at most {MOST_BYTES:,} are sent along")
    return OwnEntries(found.stem, files)


def _other_module(name: str, sources: list[Path]) -> bool:
    """Whether another file than these would be imported by this name."""
    spec = importlib.util.find_spec(name)
    return spec is not None and (spec.origin is None or Path(spec.origin).resolve() not in sources)


def admit(own: OwnEntries | None, cache: Path) -> None:
    """Add the entries to the tables of this process, from a copy below the cache; nothing if they are there already."""
    if own is None or getattr(sys.modules.get(own.module), "__file__", "").startswith(str(_folder(own, cache))):
        return
    _write(own, _folder(own, cache))
    add_entries(load(own.module, _folder(own, cache)), FAMILIES)


def load(module: str, folder: Path) -> ModuleType:
    """The module of this name in the folder; whatever it raises when it is imported goes on to the caller."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    sys.modules.pop(module, None)
    return importlib.import_module(module)


def add_entries(module: ModuleType, families: Mapping[str, Registry]) -> None:
    """Add to the tables what the module lists for them; ValueError if it lists nothing, or what cannot be added.

    What it lists for a family that is not among these, its studies in a worker, is left out.
    """
    entries: Any = getattr(module, "entries", None)
    known = ("studies", *FAMILIES)
    if not isinstance(entries, Mapping) or not entries:
        raise ValueError(f"{module.__name__} has no entries: give it entries = {{'studies': [...], 'models': [...]}}")
    versions: Mapping[str, int] = getattr(module, "versions", {})
    for family, functions in entries.items():
        if family not in known:
            raise ValueError(f"{module.__name__} has entries of unknown family {family!r}; known: {', '.join(known)}")
        if family in families:
            families[family].add(_functions(module, family, functions), versions)


def _functions(module: ModuleType, family: str, functions: Any) -> Iterable[Callable[..., Any]]:
    if not isinstance(functions, list | tuple) or not all(callable(function) for function in functions):
        raise ValueError(f"{module.__name__}: entries[{family!r}]={functions!r} is not valid: a list of functions")
    return functions


def _folder(own: OwnEntries, cache: Path) -> Path:
    return cache.resolve() / "entries" / own.sha256[:32]


def _write(own: OwnEntries, folder: Path) -> None:
    """All files or none, also of two processes at once."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        whole = Path(scratch) / "whole"
        for path, text in own.files:
            (whole / path).parent.mkdir(parents=True, exist_ok=True)
            (whole / path).write_text(text)
        try:
            os.rename(whole, folder)
        except OSError:
            if not folder.exists():  # else another process was faster
                raise
