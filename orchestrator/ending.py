"""Ending: Ctrl-C and SIGTERM end a command in the same order, wherever it is.

Both are an exception in the main thread, so every resource on the way out is closed as it would be after an error; what
is half-written is not committed. Nothing new is begun, neither report nor further measurement: `ray job stop` and most
schedulers kill a process some seconds after they have asked it to end.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

LINE = "interrupted; the same command continues from what is stored"


class Terminated(KeyboardInterrupt):
    """SIGTERM, which `kill`, `ray job stop` and schedulers send; it ends whatever Ctrl-C would."""


@contextmanager
def terminable() -> Generator[None, None, None]:
    """Within the block SIGTERM raises Terminated, once: what it interrupts ends in peace. For the main thread."""
    received: list[int] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        received.append(number)
        raise Terminated

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        if received:  # compiled code makes a plain KeyboardInterrupt of it
            raise Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def own_signals() -> Generator[None, None, None]:
    """Puts back, after the block, what other code in it has made of Ctrl-C and SIGTERM."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread has signals
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def exit_code(reason: KeyboardInterrupt) -> int:
    """128 and the number of the signal, as shells say it: 143 after SIGTERM, 130 after Ctrl-C."""
    return 128 + (signal.SIGTERM if isinstance(reason, Terminated) else signal.SIGINT)
