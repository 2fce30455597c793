"""Patience with a store that does not answer: a server that restarts, or a disk that is full, costs no trial."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from requests.exceptions import ChunkedEncodingError, Timeout
from requests.exceptions import ConnectionError as RequestsConnectionError

from workers.disk_space import is_full
from workers.store_address import StoreUnreachable

PATIENCE = 600.0  # seconds for which a store that does not answer is asked again
LONGEST_PAUSE = 15.0


class Patient:
    """MLflow's client, which asks again while the store does not answer; StoreUnreachable after `seconds` of that."""

    def __init__(self, client: Any, uri: str) -> None:
        self._client, self._uri = client, uri
        self.seconds = PATIENCE

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._ask, getattr(self._client, name))

    def _ask(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        deadline, pause = time.monotonic() + self.seconds, 0.5
        while True:
            try:
                return method(*arguments, **options)
            except Exception as error:
                if not is_passing(error):
                    raise
                if time.monotonic() + pause > deadline:
                    raise StoreUnreachable(self._complaint(error)) from error
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _complaint(self, error: Exception) -> str:
        if is_full(error) and self._uri.startswith("sqlite:///"):
            return f"no space is left in {Path(self._uri.removeprefix('sqlite:///')).parent}, the folder of the store"
        return f"the MLflow store {self._uri} does not answer: {first_line(error)}"


def is_passing(error: Exception) -> bool:
    """Whether the store could not be asked, or not be asked now; everything else it has answered."""
    if isinstance(error, Timeout | RequestsConnectionError | ChunkedEncodingError) or is_full(error):
        return True
    # MLflow says the second of a connection that fails, and of a server that answers 5xx again and again.
    return getattr(error, "error_code", None) == "TEMPORARILY_UNAVAILABLE" or "failed with exception" in str(error)


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
