"""Limits: a measurement that takes too much memory or time fails alone, and says so."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from workers.runtime import Needs

GRACE = 60.0  # seconds in which a call that cannot be interrupted may still come to an end


@contextmanager
def limits(needs: Needs) -> Generator[None, None, None]:
    """Within the block: TimeoutError after the allowed time, MemoryError (torch: RuntimeError) beyond the memory.

    In the main thread of a process. One that does not react within a minute after its time is killed.
    """
    with _time_limit(needs.hours), _memory_limit(needs.memory_gb):
        yield


@contextmanager
def _time_limit(hours: float) -> Generator[None, None, None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it took longer than the {hours:g} hours it may (Needs.hours)")

    before = signal.signal(signal.SIGALRM, late)
    killer = threading.Timer(hours * 3600 + GRACE, os.kill, (os.getpid(), signal.SIGKILL))
    killer.daemon = True
    killer.start()
    signal.setitimer(signal.ITIMER_REAL, hours * 3600)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        killer.cancel()
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _memory_limit(gigabytes: float | None) -> Generator[None, None, None]:
    """On Linux, where the kernel counts what a process may write to; elsewhere there is none."""
    status = Path("/proc/self/status")
    if gigabytes is None or not status.exists():
        yield
        return
    import resource  # not there on every system

    held = next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmData:"))
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held + int(gigabytes * 1e9), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
