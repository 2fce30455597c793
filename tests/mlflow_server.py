"""A real MLflow server on the loopback address, to be started, killed and started again at the same port."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.command import environment


class MlflowServer:
    """One server process group on a SQLite store; what it says goes to `log`."""

    def __init__(self, store: str, folder: Path, cache: Path) -> None:
        self.store, self.folder, self.cache = store, folder, cache
        self.log = folder / "server.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when the server answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        artifacts = ["--artifacts-destination", str(self.folder / "artifacts")]
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", "--backend-store-uri", self.store, *artifacts],
                env={**environment(self.cache), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
            )
        self._wait()

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """Returns when its process has ended."""
        os.killpg(self.process.pid, with_signal)
        self.process.wait(timeout=30)

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                return
            except OSError:
                os.sched_yield()
        raise AssertionError(f"the MLflow server did not come up: {self.log.read_text()[-2000:]}")
