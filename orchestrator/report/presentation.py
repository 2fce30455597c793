"""Presentation: how a study's answer is shown. Values only; `figures`, `claims` and `report` carry them out.

A quantity is named by its metric: `test/loss`, or `hessian_spectrum/effective_dimensionality_z1`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import AtMost, Claim
from orchestrator.report.derived_kinds import Derived
from orchestrator.report.table import Setting

# Okabe & Ito's palette for all kinds of colour vision, without its yellow, which is too pale for a line on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MOST_COURSES, MOST_BOUNDARIES = 3, 2


@dataclass(frozen=True)
class Series:
    """One quantity, drawn as one line."""

    quantity: str
    label: str


@dataclass(frozen=True)
class Panel:
    """One set of axes: quantities that share a scale."""

    label: str
    series: tuple[Series, ...]
    log: bool = False


@dataclass(frozen=True)
class Contours:
    """Lines along which a positive quantity has these values, e.g. of equal numbers of parameters."""

    quantity: str
    label: str
    levels: tuple[float, ...]


@dataclass(frozen=True)
class Map:
    """One quantity over two axes, as colours. Colours end at `most`, if that is given."""

    quantity: str
    label: str
    log: bool = False
    most: float | None = None


@dataclass(frozen=True)
class Maps:
    """Maps of quantities, with x to the right and `columns` upwards; on each the same contours and boundaries."""

    maps: tuple[Map, ...]
    contours: Contours | None = None
    boundaries: tuple[AtMost, ...] = ()

    def __post_init__(self) -> None:
        if not self.maps or len(self.boundaries) > MOST_BOUNDARIES:
            raise ValueError(
                f"{len(self.maps)} maps with {len(self.boundaries)} boundaries cannot be drawn: at least one map, and "
                f"at most {MOST_BOUNDARIES} boundaries, which their line styles tell apart"
            )


def check_lines(kind: str, panels: Sequence["Panel | Profile"]) -> None:
    """ValueError if the panels cannot be drawn with a line for each x of each of their quantities."""
    if not panels or any(len(panel.series) > MOST_COURSES for panel in panels):
        raise ValueError(
            f"{kind} of {[len(panel.series) for panel in panels]} quantities in their panels cannot be "
            f"drawn: at least one panel, and in each at most {MOST_COURSES}, which their line styles tell apart"
        )


@dataclass(frozen=True)
class Courses:
    """Panels over the steps of training, a line for each x.

    `mark` is a quantity that is itself a step, as the one at which the training set is first fitted.
    """

    panels: tuple[Panel, ...]
    log: bool = False
    mark: Series | None = None

    def __post_init__(self) -> None:
        check_lines("courses", self.panels)


@dataclass(frozen=True)
class Profile:
    """A panel of arrays along another array of the same measurement: `ablation/accuracy` along `ablation/fractions`.

    The last axis of an array is along that one; what is before it, random draws, is averaged over.
    """

    label: str
    series: tuple[Series, ...]
    along: str
    log: bool = False


@dataclass(frozen=True)
class Profiles:
    """Panels of arrays that measurements have stored, a line for each x; `label` is that of what they are along.

    They are those of the network measured last.
    """

    label: str
    panels: tuple[Profile, ...]
    log: bool = False

    def __post_init__(self) -> None:
        check_lines("profiles", self.panels)


@dataclass(frozen=True)
class ArrayMap:
    """An array (rows, columns) that a measurement has stored, as colours: `loss_surface/losses`.

    `rows` and `columns` are arrays of the same measurement that say where its rows and columns stand, numbers or names;
    without them they are counted. Lines run where it has one of the `levels`. `points` are marked: an array (n, 2) of
    column and row coordinates, or (n, 3) with a class. Of what was measured at several checkpoints it is the one
    nearest to the share `when` of the last step.
    """

    label: str
    array: str
    rows: str = ""
    columns: str = ""
    log: bool = False
    least: float | None = None
    most: float | None = None
    levels: tuple[float, ...] = ()
    points: str = ""
    when: float = 1.0

    @property
    def arrays(self) -> tuple[str, ...]:
        """All arrays that it is drawn from."""
        return tuple(name for name in (self.array, self.rows, self.columns, self.points) if name)


@dataclass(frozen=True)
class ArrayMaps:
    """Maps of arrays side by side, a row of them for each x of each column.

    Of each the first done trial is drawn or, with `mean`, the mean over all of them; `horizontal` and `vertical` say
    what the columns and the rows of the arrays are.
    """

    maps: tuple[ArrayMap, ...]
    horizontal: str
    vertical: str
    mean: bool = False

    def __post_init__(self) -> None:
        if not self.maps:
            raise ValueError("array maps of no arrays cannot be drawn: at least one")


@dataclass(frozen=True)
class Scatter:
    """One quantity against another, a point for each x.

    `groups` are names on the x axis that share a marker, with `shades` from pale to dark and without all alike, under
    the name of the group. Points that are not `among` those asked for are hollow.
    """

    x: Series
    y: Series
    groups: Mapping[str, tuple[str, ...]]
    among: AtMost | None = None
    shades: bool = True


@dataclass(frozen=True)
class Contender:
    """A quantity that is held to tell how well a network generalises.

    `sign` is -1 where less of it should go with a larger gap, as of a margin.
    """

    quantity: str
    label: str
    sign: Literal[1, -1] = 1


@dataclass(frozen=True)
class Target:
    """What a contender should tell: a quantity or, with `minus`, its difference to another one."""

    label: str
    quantity: str
    minus: str = ""


@dataclass(frozen=True)
class League:
    """Contenders in the order in which they rank the trials of a grid as each target does.

    `axes` span the grid; trials that share their values are replicates. Partial correlations are given the quantities
    of `given`.
    """

    axes: tuple[Axis, ...]
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...]
    given: tuple[Series, ...] = ()


@dataclass(frozen=True)
class Groups:
    """Two groups of networks, compared layer by layer within and between them by Gram matrices that they have stored.

    `layers` name arrays (examples, examples) in the order of depth; the groups are the trials that have these
    parameters, the one that is held to be more alike first. `methods` are those of `group_similarity`.
    """

    label: str
    layers: tuple[Series, ...]
    groups: Mapping[str, Mapping[str, Setting]]
    methods: tuple[str, ...] = ("debiased_cka", "svcca")
    published_deep: str = ""
    published_early: str = ""

    def __post_init__(self) -> None:
        if len(self.groups) != 2 or len(self.layers) < 2:
            raise ValueError(
                f"{len(self.groups)} groups of networks with {len(self.layers)} layers cannot be compared: two groups, "
                "and at least two layers"
            )


@dataclass(frozen=True)
class Presentation:
    """A figure of panels over `x`, one column per value of `columns`, and the claims to judge in each column.

    With `courses`, `maps` and `scatter` there is a figure of each, too, and one of each of the `profiles` and
    `array_maps`. `also` are presentations of the same trials along other axes; views and curve runs in MLflow are of
    the first alone; `derived` quantities are for all of them. A `league` has tables and a figure of its own, and needs
    no `x`; so do `groups`, but for the x.
    """

    x: Axis | None = None
    columns: Axis | None = None
    panels: tuple[Panel, ...] = ()
    claims: tuple[Claim, ...] = ()
    maps: Maps | None = None
    courses: Courses | None = None
    profiles: tuple[Profiles, ...] = ()
    array_maps: tuple[ArrayMaps, ...] = ()
    scatter: Scatter | None = None
    derived: tuple[Derived, ...] = ()
    groups: Groups | None = None
    also: tuple["Presentation", ...] = ()
    league: League | None = None

    @property
    def parts(self) -> tuple["Presentation", ...]:
        """Itself, and those beside it."""
        return (self, *self.also)

    @property
    def shown(self) -> tuple[Panel, ...]:
        """What it shows over x: its panels, and each map and each axis of the scatter as if it were one."""
        maps = () if self.maps is None else self.maps.maps
        further = [Panel(each.label, (Series(each.quantity, each.label),), each.log) for each in maps]
        axes = () if self.scatter is None else (self.scatter.x, self.scatter.y)
        return (*self.panels, *further, *(Panel(each.label, (each,)) for each in axes))
