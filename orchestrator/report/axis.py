"""Axis: along what trials are drawn, and told apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.report.table import Setting


@dataclass(frozen=True)
class Axis:
    """A parameter of the trials along which to draw, e.g. `model.width`.

    With `names` it has names instead of numbers, in the order in which to draw them, each for the trials that have
    these parameters; the x of a name is its place. `among` gives, of some parameters, the values to draw. A trial
    without the parameter, without a name, or with another value is not drawn.
    """

    parameter: str
    label: str
    log: bool = False
    names: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict[str, Mapping[str, Setting]])
    among: Mapping[str, tuple[Setting, ...]] = field(default_factory=dict[str, tuple[Setting, ...]])
