"""Study: a question, the trials and measurements that answer it, and how the answer is shown. Values only.

A study validates itself when it is built: whoever holds one holds trials that can be planned.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from measures import compares_pairs, measures
from measures.registry import Component
from orchestrator.adaptive import Refine, Search
from orchestrator.report.presentation import Presentation
from orchestrator.stored_arrays import drawn_arrays, measure_of
from workers.runtime import Checkpoints, Needs
from workers.spec import TrialSpec

LONGEST_NUMBER = 12  # characters of a number in the name of a run


@dataclass(frozen=True)
class Measured:
    """A measure to take of every trial, of its final network or of every checkpoint, and what it needs for that."""

    measure: Component
    at: Literal["final", "checkpoints"] = "final"
    needs: Needs = field(default_factory=Needs)

    def __post_init__(self) -> None:
        object.__setattr__(self, "measure", measures.resolve(self.measure))
        if self.at not in ("final", "checkpoints"):
            raise ValueError(f"at={self.at!r} is not valid: measure at 'final' or 'checkpoints'")
        if self.at == "final" and compares_pairs(self.measure):
            raise ValueError(
                f"measure {self.measure.name} compares with the final network: measure it at 'checkpoints', not 'final'"
            )


@dataclass(frozen=True, kw_only=True)
class Study:
    """A declared question.

    `axes` names the parameters (`model.width`, ...) in which the trials differ: they name the runs and span the
    figures. `expected` is the published result, in numbers. With `refine` the launch adds trials to the declared ones;
    with `search` it draws all of them, and none is declared.
    """

    name: str
    question: str
    expected: str
    trials: tuple[TrialSpec, ...] = ()
    axes: tuple[str, ...]
    measured: tuple[Measured, ...] = ()
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    presentation: Presentation = field(default_factory=Presentation)
    refine: Refine | None = None
    search: Search | None = None

    def __post_init__(self) -> None:
        if not self.trials and self.search is None:
            raise ValueError(f"study {self.name} declares no trials: give every axis at least one value")
        if self.search is not None and self.refine is not None:
            raise ValueError(f"study {self.name} declares a search and a refinement: one of them")
        if self.refine is not None:
            self.refine.check(self.trials)
        trials = self.trials if self.search is None else self.search.probes()
        for axis in self.axes:
            if not any(axis in trial.parameters for trial in trials):
                known = ", ".join(trials[0].parameters)
                raise ValueError(f"study {self.name}: unknown axis {axis!r}; parameters: {known}")
        repeated = [trial_id for trial_id, count in Counter(t.trial_id for t in self.trials).items() if count > 1]
        if repeated:
            twice = next(trial for trial in self.trials if trial.trial_id == repeated[0])
            raise ValueError(f"study {self.name} declares the trial {run_name(twice, self.axes)!r} twice")
        names = [m.measure.name for m in self.measured]
        if len(set(names)) < len(names):
            raise ValueError(f"study {self.name} declares a measure twice: {', '.join(names)}")
        for array in drawn_arrays(self.presentation):
            if measure_of(array) not in names:
                known = ", ".join(names) or "nothing"
                raise ValueError(f"study {self.name} draws the array {array!r}, but measures {known}")

    @property
    def grows(self) -> bool:
        """Whether its results ask for trials that it does not declare."""
        return self.refine is not None or self.search is not None


def run_name(trial: TrialSpec, axes: tuple[str, ...]) -> str:
    """A name a person can read and that sorts well: `width=0047 fraction=0.15 seed=0`; of the axes that it has."""
    parameters = trial.parameters
    named = [axis for axis in axes if axis in parameters and axis != "init_seed"]
    parts = [f"{axis.split('.')[-1]}={_padded(parameters[axis])}" for axis in named]
    return " ".join([*parts, f"seed={trial.init_seed}"])


def _padded(value: object) -> str:
    if isinstance(value, float) and len(f"{value}") > LONGEST_NUMBER:
        return f"{value:.6g}"  # of a number that was drawn, and that nobody chose for its digits
    return f"{value:04d}" if isinstance(value, int) and not isinstance(value, bool) else f"{value}"
