"""Reproduction: a recorded study as its manifest describes it, and the judgement of every number that came again.

Pure: what was recorded and what came again are values here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from measures.registry import Component
from orchestrator.environment import CannotStart
from orchestrator.study import Measured, Study
from workers.measuring import measurement_key
from workers.record import Point
from workers.runtime import Checkpoints, Needs
from workers.spec import RECIPE, TrialSpec

# What another processor or another number of devices may change: sums in another order, amplified by training.
RELATIVE_TOLERANCE = 1e-3
STANDARD_ERRORS = 2.0


class Verdict(StrEnum):
    """How a number came again."""

    IDENTICAL = "identical"  # to the last bit
    WITHIN = "within tolerance"
    DIFFERENT = "different"
    MISSING = "missing"


@dataclass(frozen=True)
class Number:
    """One recorded number and what came in its place; None if nothing did. `stderr` is that recorded with it."""

    trial: str
    quantity: str
    step: int
    recorded: float
    again: float | None
    stderr: float = 0.0

    @property
    def difference(self) -> float:
        """Relative to the recorded number; infinite where it is 0, not finite, or missing."""
        if self.again is None:
            return math.inf
        if self.recorded == self.again or (math.isnan(self.recorded) and math.isnan(self.again)):
            return 0.0
        difference = abs(self.again - self.recorded) / abs(self.recorded) if self.recorded else math.inf
        return difference if math.isfinite(difference) else math.inf

    @property
    def verdict(self) -> Verdict:
        if self.again is None:
            return Verdict.MISSING
        if self.difference == 0:
            return Verdict.IDENTICAL
        near = abs(self.again - self.recorded) <= STANDARD_ERRORS * math.sqrt(2) * self.stderr
        return Verdict.WITHIN if near or self.difference <= RELATIVE_TOLERANCE else Verdict.DIFFERENT


@dataclass(frozen=True)
class Tally:
    """All numbers of one quantity."""

    quantity: str
    counts: Mapping[Verdict, int]
    largest_difference: float

    @property
    def is_exact(self) -> bool:
        return self.counts[Verdict.IDENTICAL] == sum(self.counts.values())


History = Mapping[tuple[str, str], Sequence[Point]]  # of each (trial, quantity)


def judged(recorded: History, again: History) -> tuple[Number, ...]:
    """Every recorded number beside the one of the same trial, quantity and step."""
    return tuple(_judged(recorded, again))


def _judged(recorded: History, again: History) -> Iterable[Number]:
    for (trial, quantity), points in sorted(recorded.items()):
        came = {point.step: point.value for point in again.get((trial, quantity), ())}
        errors = {point.step: point.value for point in recorded.get((trial, f"{quantity}.stderr"), ())}
        for point in points:
            stderr = errors.get(point.step, 0.0)
            known = stderr if math.isfinite(stderr) else 0.0
            yield Number(trial, quantity, point.step, point.value, came.get(point.step), known)


def tallies(numbers: Iterable[Number]) -> tuple[Tally, ...]:
    """Counts of the verdicts for each quantity, by its name."""
    by_quantity: dict[str, list[Number]] = {}
    for number in numbers:
        by_quantity.setdefault(number.quantity, []).append(number)
    return tuple(
        Tally(
            quantity,
            {verdict: sum(number.verdict is verdict for number in each) for verdict in Verdict},
            max(number.difference for number in each),
        )
        for quantity, each in sorted(by_quantity.items())
    )


def recorded_study(manifest: Mapping[str, Any], name: str, sample: int | None = None) -> Study:
    """The study of a manifest under another name, or `sample` of its trials.

    CannotStart where this version of the program would not train or measure the same thing: it names what has changed.
    """
    if manifest["recipe"] != RECIPE:
        raise CannotStart(f"the study was recorded with recipe {manifest['recipe']}; this version trains by {RECIPE}")
    try:
        trials = [_trial(record) for record in manifest["trials"]]
        measured = tuple(_measured(record) for record in manifest["measured"])
        return Study(
            name=name,
            question=manifest["question"],
            expected=manifest["expected"],
            trials=tuple(_sample(trials, sample)),
            axes=tuple(manifest["axes"]),
            measured=measured,
            checkpoints=Checkpoints(**manifest.get("checkpoints", {})),
        )
    except (ValueError, TypeError) as error:
        raise CannotStart(f"the recorded study cannot be declared by this version: {error}") from None


def _trial(record: Mapping[str, Any]) -> TrialSpec:
    trial = TrialSpec.from_json({key: value for key, value in record.items() if key != "trial_id"})
    if trial.trial_id != record["trial_id"]:
        raise ValueError(
            f"trial {record['trial_id']} has the id {trial.trial_id} here: a default or the manifest has changed"
        )
    return trial


def _measured(record: Mapping[str, Any]) -> Measured:
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in record["settings"].items()}
    measured = Measured(Component(record["name"], **settings), record["at"], Needs(**record.get("needs", {})))
    if measurement_key(measured.measure) != record["key"]:
        raise ValueError(
            f"measure {record['name']} has another version or other defaults here than when it was recorded"
        )
    return measured


def _sample(trials: Sequence[TrialSpec], size: int | None) -> list[TrialSpec]:
    """So many of the trials, the same at every call: drawn, not the first, as those are the smallest networks."""
    if size is None or size >= len(trials):
        return list(trials)
    if size < 1:
        raise ValueError(f"sample={size} is not valid: at least 1")
    chosen = np.random.default_rng(0).choice(len(trials), size, replace=False)
    return [trials[i] for i in sorted(chosen)]
