"""What `gensweep status` shows, and what of it is kept."""

import io
import json
import math

from rich.console import Console

from orchestrator.status import MOST_ROWS, TrialStatus, from_json, status_view, statuses, to_json
from tests.orchestrator.report.tidy_tables import table


def shown(trials: tuple[TrialStatus, ...]) -> str:
    console = Console(width=150, file=io.StringIO())
    with console.capture() as capture:
        console.print(status_view(trials))
    return capture.get()


def trial(number: int, state: str = "done", failure: str | None = None) -> TrialStatus:
    return TrialStatus(f"width={number:04d}", state, ("0.5", "inf", ""), 1.5, failure)


def test_a_small_study_is_shown_trial_by_trial() -> None:
    text = shown((trial(1), trial(2, "failed", "training: it [broke]")))
    assert "2 trials: 1 done, 1 failed" in text
    assert "width=0001" in text and "training: it [broke]" in text and "inf" in text


def test_of_a_large_study_only_what_needs_to_be_looked_after_is_shown() -> None:
    done = [trial(number) for number in range(MOST_ROWS)]
    many = (*done, trial(9998, "failed", "no"), trial(9999, "pending"))
    text = shown(many)
    assert f"{MOST_ROWS + 2} trials: {MOST_ROWS} done, 1 failed, 1 pending" in text
    assert "width=9998" in text and "width=0001" not in text and "width=9999" not in text
    assert f"not shown: {MOST_ROWS + 1} more, done or pending" in text


def test_what_is_kept_is_what_was_shown() -> None:
    kept = statuses(table({"test/loss": [[math.inf, 0.25]]}, (2, 5)))
    assert from_json(json.loads(json.dumps(to_json(kept), allow_nan=False))) == kept
    assert {each.numbers for each in kept} == {("", "", "inf"), ("", "", "0.25")}
