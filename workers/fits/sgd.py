"""Minibatch training for a number of epochs."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from workers.fits.loop import Loop, Plan
from workers.fits.outcome import Outcome
from workers.online import online as online_measures
from workers.problem import Problem
from workers.session import Session


def _known(name: str) -> str:
    return online_measures[name].name


def sgd(
    problem: Problem,
    session: Session,
    *,
    epochs: Annotated[int, Field(ge=1)] = 10,
    batch_size: Annotated[int, Field(ge=1)] = 128,
    precision: Literal["float32", "tf32", "bfloat16"] = "float32",
    stop_at: Literal["end", "exact", "running", "both"] = "end",
    online: tuple[Annotated[str, AfterValidator(_known)], ...] = (),
) -> Outcome:
    """Minibatch gradient descent with the trial's optimiser and schedule; every epoch sees every example once.

    `stop_at` ends the training at the end of its epochs, or at the interpolation threshold by one of its two rules or
    by both (`workers.fits.threshold`). `precision` is that of the training's forward and backward passes: bfloat16 by
    autocast, tf32 for the matrix products of a GPU; evaluation is in float32. `online` names the measures taken at
    every step.
    """
    return Loop(problem, session, Plan(epochs, batch_size, precision, stop_at, online)).run()
