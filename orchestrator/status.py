"""Status: what every declared trial has come to, as a person reads it and as it is kept on the study's own run.

To read ten thousand runs takes MLflow half a minute. So the status is kept when a launch has ended, with the number of
that launch: as long as no other has begun since, it is what the store would say.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from orchestrator.report.table import Results

SHOWN = ("train/error", "test/error", "test/loss")
FILE = "status.json"
MOST_ROWS = 200


@dataclass(frozen=True)
class TrialStatus:
    """One trial: its state, its newest numbers (of those SHOWN), the seconds it has taken, what failed."""

    name: str
    state: str
    numbers: tuple[str, ...]  # as they are shown, which JSON can hold even if they are infinite
    seconds: float | None
    failure: str | None

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to look after."""
        return self.state in ("done", "pending") and self.failure is None


def statuses(table: Results) -> tuple[TrialStatus, ...]:
    """The status of each trial, in declared order."""
    values = {(row.trial_id, row.quantity): row.value for row in table.rows if row.quantity in SHOWN}
    return tuple(
        TrialStatus(
            name=trial.name,
            state=trial.state,
            numbers=tuple(_shown(values.get((trial.trial_id, quantity))) for quantity in SHOWN),
            seconds=trial.seconds,
            failure=trial.failure,
        )
        for trial in table.trials
    )


def to_json(trials: Sequence[TrialStatus]) -> list[Any]:
    """What is kept."""
    return [astuple(trial) for trial in trials]


def from_json(kept: Sequence[Any]) -> tuple[TrialStatus, ...]:
    """What was kept."""
    return tuple(TrialStatus(name, state, tuple(numbers), *rest) for name, state, numbers, *rest in kept)


def status_view(trials: Sequence[TrialStatus]) -> Group:
    """How many trials are in each state, and a row each: of a large study only for those that need to be looked after.

    >>> from rich import print
    >>> print(status_view([TrialStatus("width=0002", "pending", ("", "", ""), None, None)]).renderables[0])
    1 trials: 1 pending
    """
    counts = Counter(trial.state for trial in trials)
    counted = f"{len(trials)} trials: {', '.join(f'{count} {state}' for state, count in counts.items())}"
    shown = trials if len(trials) <= MOST_ROWS else [trial for trial in trials if not trial.is_quiet]
    view = Table("trial", "state", *SHOWN, "seconds", "failure")
    for trial in shown:
        seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
        view.add_row(trial.name, trial.state, *trial.numbers, seconds, Text(trial.failure or ""))
    left_out = len(trials) - len(shown)
    note = [f"not shown: {left_out} more, done or pending"] if left_out else []
    return Group(counted, *([view] if shown else []), *note)


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:.4g}"
