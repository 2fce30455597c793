"""The tidy table: all that reports and statistics ever see of a study. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Setting = str | int | float | bool | None


@dataclass(frozen=True)
class Row:
    """One number: the value of a quantity of a trial at a step. `stderr` is the estimator's own, if it has one.

    Of a quantity that is drawn over steps there is a row for every stored step, in that order, of others for the latest
    alone. `at_least` if the number is only a bound: what has not happened up to some step happens later, or never.
    """

    trial_id: str
    step: int
    quantity: str
    value: float
    stderr: float | None
    at_least: bool = False


@dataclass(frozen=True)
class Trial:
    """One trial as the report names it. `state` is done, diverged, failed, partial or pending.

    `device` is what it trained on, `run_id` the run that holds it; both are empty where there is none.
    """

    trial_id: str
    name: str
    parameters: Mapping[str, Setting]
    state: str
    seconds: float | None
    interpolation_threshold: str
    failure: str | None
    notes: tuple[str, ...]
    device: str = ""
    run_id: str = ""

    def has(self, parameters: Mapping[str, Setting]) -> bool:
        """Whether these are among its parameters."""
        return parameters.items() <= self.parameters.items()


@dataclass(frozen=True)
class Array:
    """An array that a measurement of a trial at a step has stored, as `MEASURE/ARRAY`."""

    trial_id: str
    step: int
    name: str
    values: NDArray[np.generic]


@dataclass(frozen=True)
class Results:
    """The tidy table and the trials its rows belong to, both in the order in which the study declares them.

    `arrays` are those that the study draws.
    """

    trials: tuple[Trial, ...]
    rows: tuple[Row, ...]
    arrays: tuple[Array, ...] = ()
