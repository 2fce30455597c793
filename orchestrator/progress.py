"""Progress: one live line in a terminal, one line per finished task elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.report.numerals import duration


class Stage:
    """How far one kind of work is: what is known of it, done, failed, and when it should end."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total = name, total
        self.done, self.failed = 0, 0
        self.restart_clock()

    def restart_clock(self) -> None:
        """From now on this work goes at its own pace."""
        self.started, self.done_before = time.monotonic(), self.done

    def eta(self) -> str:
        """Time left, if the rest goes at the pace since the clock was started."""
        seconds, done = time.monotonic() - self.started, self.done - self.done_before
        if self.done == self.total:
            return f"{self.name} took {duration(seconds)}"
        return f"ETA {duration(seconds / done * (self.total - self.done))}" if done else "ETA unknown"

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.name}: {self.done}/{self.total} done{failed}, {self.eta()}"


class Progress:
    """How far training and measuring are, which go on at the same time."""

    def __init__(self, console: Console, num_trials: int, num_measurements: int) -> None:
        self.console = console
        self.training, self.measuring = Stage("training", num_trials), Stage("measuring", num_measurements)
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

    def finished(self, stage: Stage, name: str, summary: str, error: str | None) -> None:
        """One task of a stage has ended."""
        stage.done += 1
        stage.failed += error is not None
        if stage is self.training and stage.done == stage.total:
            self.measuring.restart_clock()
        if self.live is not None:
            self.live.update(self.line())
        if self.live is None or error is not None:
            text = summary if error is None else f"{summary}: {error}"
            self.console.print(
                f"[{stage.name} {stage.done}/{stage.total}] {name}: {text} ({stage.eta()})",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def line(self) -> Text:
        return Text("; ".join(str(stage) for stage in (self.training, self.measuring) if stage.total))
