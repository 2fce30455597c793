"""The kinds of derived quantities that a presentation can declare. Values only; `derived` works them out.

A quantity is named by its metric, as in a presentation, or by the `name` of a derived one that is declared before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.report.axis import Axis
from orchestrator.report.table import Setting


@dataclass(frozen=True)
class Ratio:
    """A further quantity, `name`: that of a trial over that of its baseline.

    The baseline of a trial has these parameters, and all others, seeds included, in common with it; but for those of
    the same component as one of these.
    """

    name: str
    quantity: str
    baseline: Mapping[str, Setting]


@dataclass(frozen=True)
class Difference:
    """A further quantity, `name`: that of a trial less that of its baseline, which is that of a `Ratio`."""

    name: str
    quantity: str
    baseline: Mapping[str, Setting]


@dataclass(frozen=True)
class Side:
    """A further quantity, `name`: on which side of a turning point a trial is, -1 before it, 0 at it, 1 beyond it.

    The turning point is the value of the axis at which the mean of the quantity is least, the largest if there are
    several; each set of trials that differ in that parameter and in seeds alone has its own.
    """

    name: str
    axis: Axis
    quantity: str


@dataclass(frozen=True)
class Lag:
    """Further quantities, below `name`: when a quantity passes a level, and how far from it another falls most steeply.

    `/step` is that of the passing, a lower bound if there is none; `/lag` is from there to the steepest fall, in
    decades of steps; `/chance` is the share of shifted curves whose fall is as near. The window begins when `fitted`
    passes the same level, and ends with the training.
    """

    name: str
    falls: str
    fitted: str
    passes: str
    level: float = 0.5


@dataclass(frozen=True)
class Turning:
    """Further quantities, below `name`: the step at which a quantity is least, and what another one does around it.

    `/step` is that of the least value, a lower bound if it is the last; `/lag` is from there to the largest value of
    the other quantity, in decades of steps; `/chance` is the share of places in the training that are as near; `/fall`
    is the other quantity there less the same at the end.
    """

    name: str
    least: str
    largest: str


@dataclass(frozen=True)
class Moment:
    """A further quantity, `name`: the median of one that has values over steps, from `begin` to `end` of the training.

    Both are shares of the last step; of an empty part it is the value nearest to its middle. `over_first` divides it by
    the first value.
    """

    name: str
    quantity: str
    begin: float
    end: float
    over_first: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.begin <= self.end <= 1:
            raise ValueError(f"{self.name} from {self.begin} to {self.end} is not valid: shares of the training")


@dataclass(frozen=True)
class Descent:
    """Further quantities, below `name`, of how a quantity goes over the steps of the training.

    `/change` is its mean absolute change from one evaluation to the next, `/rise` the sum of its rises, `/excess` how
    far its last value is above its least: what stopping at the best of all evaluations would have gained.
    """

    name: str
    quantity: str


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


OfCourses = Rescaled | Fall | Settled | DepthOrder | Likeness
Derived = Ratio | Difference | Side | Lag | Turning | Moment | Descent | OfCourses
