"""A file system of few megabytes in a mount namespace of its own: needs no root, and ends with its processes."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import ROOT

UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def has_namespaces() -> bool:
    """Whether this user may mount a file system where only its own processes see it."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    attempt = [*UNSHARE, "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    return subprocess.run(attempt, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(
    "GENSWEEP_REQUIRE_NAMESPACES" not in os.environ and not has_namespaces(),
    reason="this user may not mount a file system in a namespace (unshare --user --mount)",
)


@dataclass(frozen=True)
class SmallDisk:
    """Mounted at `inside` for processes that are started with `within`; everyone else finds it at `outside`."""

    inside: Path
    outside: Path
    within: tuple[str, ...]

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.outside / "filler").open("wb", buffering=0) as file:
            for size in (1 << 16, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def make_room(self) -> None:
        (self.outside / "filler").unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Generator[SmallDisk, None, None]:
    """A file system of its own at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    script = f"mount -t tmpfs -o size={megabytes}m tmpfs '{folder}' && echo mounted && exec cat"
    holder = subprocess.Popen([*UNSHARE, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "mounted\n"
        enter = ("nsenter", f"--target={holder.pid}", "--user", "--mount", "--preserve-credentials", "--")
        here = ("env", f"--chdir={ROOT}")  # which entering a namespace forgets
        yield SmallDisk(folder, Path(f"/proc/{holder.pid}/root{folder}"), (*enter, *here))
        holder.stdin.close()  # the end of what it reads is its end
