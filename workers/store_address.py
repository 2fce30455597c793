"""Where a store is, and whether it can be used, found out before MLflow is even imported."""

import base64
import os
from configparser import ConfigParser
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen


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
        _check_server(uri)
    elif "://" not in uri or uri.startswith("file:"):
        raise StoreError(
            f"tracking URI {uri!r} is not valid: use sqlite:///PATH, http(s)://HOST:PORT or postgresql+psycopg://..."
        )


def _check_server(uri: str) -> None:
    """StoreError unless a server answers and lets us in. Asked before MLflow's client is, which retries for minutes."""
    if "@" in urlsplit(uri).netloc:  # the address is printed, and kept in reports
        raise StoreError(
            "a tracking URI with a password in it is not valid: set MLFLOW_TRACKING_USERNAME and "
            f"MLFLOW_TRACKING_PASSWORD, and give {uri.partition('://')[0]}://{urlsplit(uri).netloc.rpartition('@')[2]}"
        )
    try:
        _get(f"{uri.rstrip('/')}/health")
    except (OSError, HTTPException, ValueError) as error:
        raise StoreError(
            f"no MLflow server answers at {uri} ({_reason(error)}); start it or correct the address"
        ) from None
    try:
        _get(f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1", *_authorization())
    except HTTPError as error:
        raise StoreError(f"the MLflow server at {uri} {_refusal(error)}") from None
    except (OSError, HTTPException) as error:
        raise StoreError(
            f"the MLflow server at {uri} does not answer ({_reason(error)}); its log may say why"
        ) from None


def _get(address: str, *headers: tuple[str, str]) -> None:
    """Ask, and forget the answer; an OSError if it is none or a refusal."""
    with urlopen(Request(address, headers=dict(headers)), timeout=10):
        pass


def _user() -> tuple[str, str]:
    """Name and password, from where MLflow's client takes them: the environment, else ~/.mlflow/credentials."""
    stored = ConfigParser(interpolation=None)
    stored.read(Path.home() / ".mlflow" / "credentials")
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    name, password = (
        os.environ.get(variable) or stored.get("mlflow", variable.lower(), fallback="") for variable in names
    )
    return name, password


def _authorization() -> list[tuple[str, str]]:
    """The header by which MLflow's client would say who asks."""
    name, password = _user()
    if name and password:
        return [("Authorization", f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}")]
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return [("Authorization", f"Bearer {token}")] if token else []


def _refusal(error: HTTPError) -> str:
    """What a server's refusal means, and what would help."""
    if error.code == 401:
        name, password = _user()
        who = f"does not know {name!r} by this password" if name and password else "asks for a user and a password"
        return f"{who} (401); set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if error.code == 403:
        said = error.read(200).decode(errors="replace").strip().partition("\n")[0]
        return f"refuses us (403: {said}); a name by which it is reached must be in its --allowed-hosts"
    return f"fails ({error.code} {error.reason}); its log says why"


def _check_writable(path: Path) -> None:
    place = path if path.exists() else path.parent
    while not place.exists():
        place = place.parent
    if not (place.is_dir() or place == path) or not os.access(place, os.W_OK):
        raise StoreError(
            f"cannot write the store {path}: {place} is not a writable folder; choose another --tracking-uri"
        )


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error))
