"""Minibatch training for a number of epochs."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, PlainSerializer

from measures.registry import Component
from workers.fits.loop import Loop
from workers.fits.member import Member, Plan
from workers.fits.outcome import Outcome
from workers.fits.pack import pack_kind, train_alone
from workers.fits.precision import Precision
from workers.fits.threshold import StopAt
from workers.online import online as online_measures
from workers.problem import Problem
from workers.session import Session


def _resolved(value: Any) -> Component:
    """An online measure from its name, its component, or what `_spelled` made of that."""
    match value:
        case str():
            return online_measures.resolve(Component(value))
        case Component():
            return online_measures.resolve(value)
        case [str() as name, Mapping() as settings]:
            return online_measures.resolve(Component(name, **settings))
        case _:
            raise ValueError("an online measure is named, or given as a Component")


def _spelled(component: Component) -> Any:
    name, settings = online_measures.canonical(component)
    return [name, settings] if settings else name


def _each_once(components: tuple[Component, ...]) -> tuple[Component, ...]:
    names = [component.name for component in components]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{min(repeated)} can be taken once, because its numbers are stored under its name")
    return components


OnlineMeasure = Annotated[InstanceOf[Component], BeforeValidator(_resolved), PlainSerializer(_spelled)]


def sgd(
    problem: Problem,
    session: Session,
    *,
    epochs: Annotated[int, Field(ge=1)] = 10,
    batch_size: Annotated[int, Field(ge=1)] = 128,
    precision: Precision = "float32",
    stop_at: StopAt = "end",
    online: Annotated[tuple[OnlineMeasure, ...], AfterValidator(_each_once)] = (),
) -> Outcome:
    """Minibatch gradient descent with the trial's optimiser and schedule; every epoch sees every example once.

    `stop_at` ends the training at the end of its epochs, or at the interpolation threshold by one of its two rules or
    by both (`workers.fits.threshold`). `precision` is that of the training's forward and backward passes: bfloat16 by
    autocast, tf32 for the matrix products of a GPU; evaluation is in float32. `online` are the measures taken at every
    step, by name or, where they have settings, as components.
    """
    plan = Plan(epochs, batch_size, precision, stop_at, online)
    if pack_kind(problem, plan) is None:
        return Loop(problem, session, plan).run()
    return train_alone(Member(problem, session, plan))
