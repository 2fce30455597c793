"""Progress: one live line in a terminal, one line per finished task elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.numerals import duration


class Progress:
    """How far a stage is: done, running, failed, and when it should end."""

    def __init__(self, console: Console, stage: str, total: int, slots: int) -> None:
        self.console, self.stage, self.total, self.slots = console, stage, total, slots
        self.done, self.failed = 0, 0
        self.started = time.monotonic()
        # A terminal that reports no width would show nothing of a live line.
        self.live = Live(console=console, transient=True) if console.is_terminal and console.width > 0 else None

    def __enter__(self) -> "Progress":
        if self.live is not None:
            self.live.start()
            self.live.update(self.line())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def finished(self, name: str, summary: str, error: str | None) -> None:
        """One task has ended."""
        self.done += 1
        self.failed += error is not None
        if self.live is not None:
            self.live.update(self.line())
        if self.live is None or error is not None:
            text = summary if error is None else f"{summary}: {error}"
            self.console.print(
                f"[{self.done}/{self.total}] {name}: {text} ({self.eta()})",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def line(self) -> Text:
        running = min(self.slots, self.total - self.done)
        return Text(
            f"{self.stage}: {self.done}/{self.total} done, {running} running, {self.failed} failed, {self.eta()}"
        )

    def eta(self) -> str:
        """Time left, if the rest goes at the pace so far."""
        if self.done in (0, self.total):
            return "ETA unknown" if self.done == 0 else f"{self.stage} took {duration(time.monotonic() - self.started)}"
        return f"ETA {duration((time.monotonic() - self.started) / self.done * (self.total - self.done))}"
