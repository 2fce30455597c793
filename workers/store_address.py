"""Where a store is, and whether it can be used, found out before MLflow is even imported."""

import os
import urllib.request
from pathlib import Path


class StoreError(ValueError):
    """The store cannot be used; the message says what to change."""


class StoreUnreachable(StoreError):
    """The store does not answer at present; what was asked of it can be asked again."""


def local_store(folder: Path) -> str:
    """Tracking URI of the default store: a SQLite file, with the artifacts beside it."""
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


def is_node_local(uri: str) -> bool:
    """Whether only this machine can reach the store."""
    return uri.startswith(("sqlite:", "file:")) or "://" not in uri


def store_exists(uri: str) -> bool:
    """Whether there can be anything to read; a SQLite file is not made just to find it empty."""
    return not uri.startswith("sqlite:///") or Path(uri.removeprefix("sqlite:///")).exists()


def check_store(uri: str) -> None:
    """StoreError unless the store can be used; writes nothing and answers within seconds."""
    if uri.startswith("sqlite:///"):
        _check_writable(Path(uri.removeprefix("sqlite:///")))
    elif uri.startswith(("http://", "https://")):
        # Asked before the client is, which would retry for minutes.
        try:
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=10):
                pass
        except OSError as error:
            raise StoreError(
                f"no MLflow server answers at {uri} ({_reason(error)}); start it or correct the address"
            ) from None
    elif "://" not in uri or uri.startswith("file:"):
        raise StoreError(
            f"tracking URI {uri!r} is not valid: use sqlite:///PATH, http(s)://HOST:PORT or postgresql+psycopg://..."
        )


def _check_writable(path: Path) -> None:
    place = path if path.exists() else path.parent
    while not place.exists():
        place = place.parent
    if not (place.is_dir() or place == path) or not os.access(place, os.W_OK):
        raise StoreError(
            f"cannot write the store {path}: {place} is not a writable folder; choose another --tracking-uri"
        )


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", error))
