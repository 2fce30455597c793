"""Environment variables that Ray reads when it is imported, which is why this happens before, and without it."""

import json
import os
import secrets
import socket


class CannotStart(ValueError):
    """Something the launch needs is not there; the message says what, and what would do. Nothing was started."""


def prepare(address: str | None) -> None:
    """Quiet output; and, where this process starts its own Ray, loopback only and a token nobody else knows."""
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # Tune's directory is scratch
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")  # a trial's last word has no metric in it
    if address is None or address.rpartition(":")[0] in ("127.0.0.1", "localhost"):
        # Keeps every listener on 127.0.0.1; without it Ray turns that into the machine's address.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if address is not None:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")  # a refused connection is told once, by us
    else:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def check_address(address: str) -> None:
    """CannotStart unless something listens at a HOST:PORT address; Ray itself would retry for a minute."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not separator or not port.isdigit():
        raise CannotStart(f"Ray address {address!r} is not valid: use HOST:PORT or 'auto'")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise CannotStart(f"no Ray cluster answers at {address} ({error}); start one or leave --address out") from None


def ray_job() -> str | None:
    """Submission id of the Ray job whose entrypoint this process is, if it is one."""
    job = os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR")
    return None if job is None else json.loads(job)["metadata"]["job_submission_id"]
