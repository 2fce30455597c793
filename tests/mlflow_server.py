"""A real MLflow server on the loopback address, to be started, killed and started again at the same port."""

import signal
from pathlib import Path

from tests.cluster_processes import Deployment


class MlflowServer:
    """One server process group on a SQLite store, without a password."""

    def __init__(self, store: str, folder: Path, cache: Path) -> None:
        deployment = Deployment(folder, cache, host="127.0.0.1")
        self.url = deployment.mlflow_address
        self._process = deployment.mlflow(store)

    def start(self) -> None:
        """Returns when the server answers."""
        self._process.start()

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """Returns when its process has ended."""
        self._process.end(with_signal)
