"""A disk that is full, told so that a person knows which one."""

import errno
import platform
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full")  # of the system, and of SQLite


class DiskFull(OSError):
    """There is no room in a folder; what was to be written is not there, not even a part of it."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__(errno.ENOSPC, f"no space is left in {folder} on {platform.node()}")

    def __str__(self) -> str:
        return self.strerror or ""

    def __reduce__(self) -> tuple[type[OSError], tuple[int | None, str | None]]:
        return OSError, (self.errno, self.strerror)  # what arrives in another process needs no folder


def is_full(error: BaseException) -> bool:
    """Whether a disk without room is behind an error, also one that MLflow has put in words of its own."""
    return (isinstance(error, OSError) and error.errno in FULL) or any(words in str(error) for words in WORDS)


@contextmanager
def told_if_full(folder: Path) -> Generator[None, None, None]:
    """Within the block a disk without room is a DiskFull that names the folder."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFull(folder) from None
        raise
