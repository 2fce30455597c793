"""The kinds of derived quantities that a presentation can declare. Values only; `derived` works them out.

A quantity is named by its metric, as in a presentation, or by the `name` of a derived one that is declared before.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rescaled:
    """A quantity times `factor` plus `offset`, at every step."""

    name: str
    quantity: str
    factor: float
    offset: float = 0.0


@dataclass(frozen=True)
class Fall:
    """The first value of a quantity less the last one: how much it has fallen, negative if it has risen."""

    name: str
    quantity: str


@dataclass(frozen=True)
class Settled:
    """The step from which on a quantity is at least at a level, to the end.

    The level is a value of the quantity or, `of_the_way`, that share of the way from its first value to 1.
    """

    name: str
    quantity: str
    level: float
    of_the_way: bool = False


@dataclass(frozen=True)
class DepthOrder:
    """Kendall's tau of quantities, named in the order of depth, and depth: 1 if each is larger than all before it.

    Pairs of equal quantities count as 0.
    """

    name: str
    quantities: tuple[str, ...]


@dataclass(frozen=True)
class Likeness:
    """The least of some positive quantities over the largest: 1 if they are equal."""

    name: str
    quantities: tuple[str, ...]


@dataclass(frozen=True)
class Turning:
    """Further quantities, below `name`: the step at which a quantity is least, and what another one does around it.

    `/step` is that of the least value, a lower bound if it is the last; `/lag` is from there to the largest value of
    the other quantity, in decades of steps; `/chance` is the share of places in the training that are as near; `/fall`
    is the other quantity there less the same at the end. `turnings` works it out.
    """

    name: str
    least: str
    largest: str


Derived = Rescaled | Fall | Settled | DepthOrder | Likeness
