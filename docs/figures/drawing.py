"""What all figures of the pages share: the house style, frames, error bars, closed forms and labels on the lines."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from measures import Estimate
from orchestrator.report.drawing import MARKERS, STYLE, THRESHOLD_COLOUR
from orchestrator.report.presentation import PALETTE

BAR_STDERRS = 2
WIDTH, HEIGHT = 4.9, 2.9  # inches: text of 9 points is then as large as that of a page
FEW_DECADES, MANY_DECADES = 2.5, 8


class Estimated(Protocol):
    """A number with its standard error, as every measure of one number returns it."""

    @property
    def value(self) -> float: ...

    @property
    def stderr(self) -> float | None: ...


def house_style() -> AbstractContextManager[None]:
    """That of the reports, whatever the settings of the machine."""
    return matplotlib.style.context(["default", dict(STYLE)])


def frames(*titles: str) -> tuple[Figure, list[Axes]]:
    """A figure with one frame for each title side by side; with no title, one frame."""
    drawing = Figure(figsize=(WIDTH if len(titles) < 2 else 1.35 * WIDTH, HEIGHT), layout="constrained")
    row = list(drawing.subplots(1, max(1, len(titles)), squeeze=False)[0])
    for axes, title in zip(row, titles, strict=False):
        axes.set_title(title)
    return drawing, row


def colour(index: int) -> str:
    """The colour of the series of that number."""
    return PALETTE[index]


def measured(
    axes: Axes, x: ArrayLike, estimates: Sequence[Estimated], index: int, label: str = "", line: str = "-"
) -> None:
    """Values over x with bars of two standard errors, in the colour and marker of the series `index`."""
    axes.errorbar(
        np.asarray(x, dtype=float),
        [each.value for each in estimates],
        yerr=[math.nan if each.stderr is None else BAR_STDERRS * each.stderr for each in estimates],
        color=PALETTE[index],
        marker=MARKERS[index],
        linestyle=line,
        markeredgecolor="white",
        markeredgewidth=0.4,
        elinewidth=1,
        label=label,
    )


def means(draws: NDArray[np.generic]) -> list[Estimate]:
    """Mean and standard error over the rows, for each column."""
    numbers = draws.astype(np.float64)
    errors = numbers.std(axis=0, ddof=1) / math.sqrt(len(numbers))
    return [Estimate(*each) for each in zip(numbers.mean(axis=0), errors, strict=True)]


def expected(axes: Axes, x: ArrayLike, y: ArrayLike, shade: str = THRESHOLD_COLOUR, label: str = "") -> None:
    """A closed form or a known truth: a dashed line behind what is measured."""
    axes.plot(np.asarray(x), np.asarray(y), color=shade, linestyle=(0, (4, 2)), linewidth=1.1, zorder=1.8, label=label)


def name(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    shade: str = THRESHOLD_COLOUR,
    *,
    side: str = "right",
) -> None:
    """A label beside the point (x, y), on the side "right", "left-above" and so on, in the colour of its line."""
    across: Literal["left", "right", "center"] = "left" if "right" in side else "right" if "left" in side else "center"
    along: Literal["bottom", "top", "center"] = "bottom" if "above" in side else "top" if "below" in side else "center"
    offset = 6 * (("right" in side) - ("left" in side)), 6 * (("above" in side) - ("below" in side))
    axes.annotate(
        text,
        (x, y),
        offset,
        textcoords="offset points",
        ha=across,
        va=along,
        color=shade,
        fontsize=8,
    )


def logarithmic(axes: Axes, which: Literal["x", "y", "xy"]) -> None:
    """Logarithmic scales with plain numbers; to be called when all is drawn, since the ticks depend on the range."""
    for each in which:
        scale = axes.set_xscale if each == "x" else axes.set_yscale
        scale("log")
        axis = axes.xaxis if each == "x" else axes.yaxis
        low, high = axis.get_view_interval()
        decades = np.log10(high / low)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades <= FEW_DECADES else (1,)))
        axis.set_major_formatter(StrMethodFormatter("{x:.6g}" if decades <= MANY_DECADES else "{x:.0e}"))
        axis.set_minor_formatter(NullFormatter())
