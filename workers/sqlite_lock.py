"""One process at a time where a SQLite store is opened: MLflow's migrations of a fresh file fail when two race."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone_at_first(uri: str) -> Generator[None, None, None]:
    """Within the block no other process is in it for the same file, whose folder is made; nothing for other stores."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    path = Path(uri.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
