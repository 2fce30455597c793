"""A server as a process group of its own: started until it answers, ended by a signal of the test's choice."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass
class Process:
    """May be started again after it has ended. What it says goes to `folder/name.log`."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    answers: Callable[[], bool]
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    scratch: Path | None = None  # removed at the end of a `with` block, which is the way to use it
    running: subprocess.Popen[bytes] = field(init=False)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)  # a process killed with its parent may still write there

    def start(self, seconds: float = 120) -> None:
        """Returns when it answers."""
        with self.log.open("ab") as output:
            self.running = subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
                start_new_session=True,
            )
        deadline = time.monotonic() + seconds
        while not self.answers():
            with suppress(subprocess.TimeoutExpired):
                self.running.wait(timeout=0.2)
            if self.running.returncode is not None or time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise AssertionError(f"{self.name} did not come up: {self.log.read_text()[-2000:]}")

    def end(self, with_signal: signal.Signals | None = None) -> None:
        """Returns when it has ended; what does not end within 40 seconds of a milder signal is killed."""
        with suppress(ProcessLookupError):
            os.killpg(self.running.pid, with_signal or self.stop_signal)
        try:
            self.running.wait(timeout=40)
        except subprocess.TimeoutExpired:
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait(timeout=10)


def succeeds(command: Sequence[str], environment: Mapping[str, str]) -> Callable[[], bool]:
    """Whether a health check, run anew each time it is asked, says that all is well."""

    def asked() -> bool:
        return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False).returncode == 0

    return asked
