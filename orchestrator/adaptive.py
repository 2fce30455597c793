"""Adaptive: what a study may declare beside its grid, so that results say where to look next. Values only.

`Refine` adds values along one axis of the grid; `Search` draws points of a space. Both are carried out by the launch,
which derives from the store how far they are (`orchestrator.growth`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from measures.registry import Component
from workers.spec import FAMILIES, TrialSpec

Setting = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Refine:
    """Add values of `axis` until the peak of `quantity` and the first zero of `threshold` are known to a factor.

    A place is known to a factor if the values next to it on both sides are within that factor of it; of integers, also
    if there is none between. `max_trials` bounds the trials in all, the declared ones too.
    """

    axis: str = "model.width"
    quantity: str = "test/loss"
    threshold: str = "train/error"
    factor: float = 1.1
    max_trials: int | None = None

    def __post_init__(self) -> None:
        if not 1 < self.factor < math.inf:
            raise ValueError(f"factor={self.factor} is not valid: above 1")
        family, _, setting = self.axis.partition(".")
        if family not in FAMILIES or not setting:
            raise ValueError(f"axis={self.axis!r} is not valid: refine along a setting, as in 'model.width'")
        if self.max_trials is not None and self.max_trials < 1:
            raise ValueError(f"max_trials={self.max_trials} is not valid: at least 1, or None")

    def check(self, trials: tuple[TrialSpec, ...]) -> None:
        """ValueError unless every trial has a positive number on the axis."""
        for trial in trials:
            value = trial.parameters.get(self.axis)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ValueError(f"{self.axis}={value!r} cannot be refined: every trial needs a positive number there")


def with_value(trial: TrialSpec, axis: str, value: float) -> TrialSpec:
    """The same trial with another value of one setting.

    >>> from measures.registry import Component
    >>> sgd = Component("sgd")
    >>> narrow = TrialSpec(dataset=Component("mnist1d"), model=Component("mlp", width=4), optimizer=sgd, fit=sgd)
    >>> with_value(narrow, "model.width", 6).model["width"]
    6
    """
    family, _, setting = axis.partition(".")
    settings = dict(getattr(trial, family).settings)
    changed: dict[str, Any] = {family: Component(getattr(trial, family).name, **{**settings, setting: value})}
    fields = {name: getattr(trial, name) for name in trial.__dataclass_fields__}
    return TrialSpec(**{**fields, **changed})


@dataclass(frozen=True)
class Uniform:
    """A number from `low` to `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self, -math.inf)


@dataclass(frozen=True)
class LogUniform:
    """A number from `low` to `high` whose logarithm is uniform."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self, 0)


@dataclass(frozen=True)
class Integers:
    """A whole number from `low` to `high`, both included; with `log`, its logarithm is uniform."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        for bound in (self.low, self.high):
            if isinstance(bound, bool) or not isinstance(bound, int):  # pyright: ignore[reportUnnecessaryIsInstance] # unchecked input
                raise ValueError(f"{self} is not valid: both bounds are whole numbers")
        _check_range(self, 0 if self.log else -math.inf)


@dataclass(frozen=True, init=False)
class Choice:
    """One of several values that have no order."""

    values: tuple[Setting, ...]
    __match_args__ = ("values",)

    def __str__(self) -> str:
        return f"Choice{self.values}"

    def __init__(self, *values: Setting) -> None:
        object.__setattr__(self, "values", values)
        if not values or len(set(map(repr, values))) < len(values):
            raise ValueError(f"Choice{values} is not valid: at least one value, each once")
        for value in values:
            if not isinstance(value, Setting):  # pyright: ignore[reportUnnecessaryIsInstance] # unchecked input
                raise ValueError(f"{value!r} is not valid in a Choice: text, a number, True, False or None")


Domain = Uniform | LogUniform | Integers | Choice
Point = Mapping[str, Setting]


def _check_range(domain: Uniform | LogUniform | Integers, above: float) -> None:
    if not above < domain.low < domain.high < math.inf:
        positive = "above 0 and " if above == 0 else ""
        raise ValueError(f"{domain} is not valid: low is {positive}below high, and both are finite")


@dataclass(frozen=True)
class Objective:
    """A quantity by its metric (`test/loss`), and whether less or more of it is better."""

    quantity: str
    mode: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise ValueError(f"mode={self.mode!r} of objective {self.quantity} is not valid: 'min' or 'max'")


@dataclass(frozen=True)
class Asha:
    """Asynchronous successive halving (Li et al., arXiv 1810.05934): stops trials that go badly.

    Of the trials that have come to `after_steps`, to `factor` times that, and so on, the best one in `factor` goes on.
    """

    after_steps: int
    factor: int = 4

    def __post_init__(self) -> None:
        if self.after_steps < 1:
            raise ValueError(f"after_steps={self.after_steps} is not valid: at least 1")
        if self.factor < 2:
            raise ValueError(f"factor={self.factor} is not valid: at least 2")


SAMPLERS = ("tpe", "random", "nsga2")


@dataclass(frozen=True, kw_only=True)
class Search:
    """Draw `num_trials` points of a space, each with what is known of those before, for one or two objectives.

    `trial` makes a trial of a point. A `pruner` stops a trial whose objective, as its evaluations tell it, is among the
    worse ones; it is off by default, because what is known of the points is then biased by their first steps.
    """

    space: Mapping[str, Domain]
    objectives: tuple[Objective, ...]
    trial: Callable[[Point], TrialSpec]
    num_trials: int
    sampler: Literal["tpe", "random", "nsga2"] = "tpe"
    seed: int = 0
    pruner: Asha | None = None

    def __post_init__(self) -> None:
        if not self.space:
            raise ValueError("space={} is not valid: at least one parameter to draw")
        for name in self.space:
            if not name.isidentifier():
                raise ValueError(f"{name!r} in the space is not valid: a name of letters, digits and underscores")
        if len(self.objectives) not in (1, 2) or len({each.quantity for each in self.objectives}) < len(
            self.objectives
        ):
            raise ValueError(f"objectives={self.objectives} is not valid: one, or two different ones")
        if self.num_trials < 1:
            raise ValueError(f"num_trials={self.num_trials} is not valid: at least 1")
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler={self.sampler!r} is not valid: one of {', '.join(SAMPLERS)}")
        if self.pruner is not None and len(self.objectives) > 1:
            raise ValueError(
                f"{self.pruner} is not valid with two objectives: it takes one to say which trial is worse"
            )

    def probes(self) -> tuple[TrialSpec, ...]:
        """Trials at both ends of every range, the others being at their first: what a declaration is checked by."""
        ends = {name: d.values if isinstance(d, Choice) else (d.low, d.high) for name, d in self.space.items()}
        first = {name: values[0] for name, values in ends.items()}
        return tuple(self.trial({**first, name: value}) for name, values in ends.items() for value in values)
