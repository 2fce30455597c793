"""The kinds of claims that a presentation can make. Values only; `claims` judges them by the rules in `rules`.

A quantity is named by its metric, as in a presentation; `published` is what was found elsewhere, in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class AtMost:
    """The networks of which a quantity is at most so much."""

    quantity: str
    label: str
    level: float = 0.0


@dataclass(frozen=True)
class AtLeast:
    """The networks of which a quantity is at least so much."""

    quantity: str
    label: str
    level: float = 0.0


@dataclass(frozen=True)
class FirstZero:
    """Claim: the quantity first reaches zero at some x, which marks the interpolation threshold in the figure."""

    quantity: str
    label: str
    published: str = ""


@dataclass(frozen=True)
class Peak:
    """Claim: the quantity rises to a peak inside the range of x and falls again."""

    quantity: str
    label: str
    published: str = ""


@dataclass(frozen=True)
class Follows:
    """Claim: the quantity peaks where another one does and is rank-correlated with it along x."""

    quantity: str
    other: str
    label: str
    other_label: str
    published: str = ""


@dataclass(frozen=True)
class Rises:
    """Claim: the quantity is larger at each x than at the x before."""

    quantity: str
    label: str
    published: str = ""


@dataclass(frozen=True)
class Exceeds:
    """Claim: the quantity is above a level at each x."""

    quantity: str
    label: str
    level: float
    published: str = ""


@dataclass(frozen=True)
class Agrees:
    """Claim: the quantity is within `tolerance` of the published number at each x of `values`.

    Where an axis has names, its x are their places, from 0.
    """

    quantity: str
    label: str
    values: Mapping[float, float]
    tolerance: float
    published: str = ""


@dataclass(frozen=True)
class Turns:
    """Claim: the quantity is least at some x, the turning point, and higher again at the largest."""

    quantity: str
    label: str
    published: str = ""


@dataclass(frozen=True)
class Correlates:
    """Claim: the quantity rises with another one, or falls as the other rises; without another one, with x.

    `among` leaves out all points but some.
    """

    quantity: str
    label: str
    rises: bool
    other: str | None = None
    other_label: str = ""
    among: AtMost | AtLeast | None = None
    published: str = ""


@dataclass(frozen=True)
class Concordance:
    """Claim: of networks about equal in a third quantity, the first orders the other one better than the third does.

    About equal: by no more than `factor`; `among` leaves out all networks but some. It is judged over all columns at
    once.
    """

    quantity: str
    other: str
    given: str
    label: str
    other_label: str
    given_label: str
    factor: float = 1.05
    among: AtMost | None = None
    published: str = ""


@dataclass(frozen=True)
class PairedTrend:
    """Claim: within replicates, whose trials share their seeds over x, the quantity rises with x, or falls."""

    quantity: str
    label: str
    rises: bool = True
    published: str = ""


@dataclass(frozen=True)
class Coincides:
    """Claim: what falls in a `Lag`, its name given, falls most steeply when the other quantity passes the level.

    It is judged over all columns at once.
    """

    lag: str
    label: str
    other_label: str
    published: str = ""


@dataclass(frozen=True)
class TurnsWith:
    """Claim: of a `Turning`, its name given, one quantity is largest when the other one is least.

    It is judged over all columns at once.
    """

    turning: str
    label: str
    other_label: str
    published: str = ""


Claim = (
    FirstZero
    | Peak
    | Follows
    | Rises
    | Exceeds
    | Agrees
    | Turns
    | Correlates
    | PairedTrend
    | Concordance
    | Coincides
    | TurnsWith
)
