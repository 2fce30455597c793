"""The figure of a league: contenders in rows, a column for each target, dots with their intervals.

Shape tells the statistics apart as well as colour does, so it can be read without colours.
"""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from orchestrator.report.axis import Axis
from orchestrator.report.drawing import style
from orchestrator.report.interaction import Spot, tell, tell_keys
from orchestrator.report.league import Ranking, Standing
from orchestrator.report.pairs import Interval
from orchestrator.report.presentation import PALETTE

ROW, HEAD, COLUMN, LABELS = 0.36, 1.3, 2.7, 2.2  # inches
PSI, TAU, AXIS = PALETTE[0], PALETTE[1], "#444444"
PSI_LABEL, TAU_LABEL = "Ψ, mean over the axes", "tau over all pairs"
AXIS_MARKERS = ("^", "x", "s", "v", "+", "<", ">")
LANE = 0.28  # of a row: the mean over the axes, the axes, tau


def league_figure(ranked: Sequence[Ranking]) -> Figure:
    """Every contender's granulated coefficient and tau, in the order of the first target."""
    labels = list(dict.fromkeys(standing.contender.label for ranking in ranked for standing in ranking.standings))
    with style():
        size = (LABELS + COLUMN * len(ranked), HEAD + ROW * len(labels))
        drawing = Figure(figsize=size, layout="constrained")
        columns = drawing.subplots(1, len(ranked), sharex=True, sharey=True, squeeze=False)[0]
        for axes, ranking in zip(columns, ranked, strict=True):
            _draw(axes, ranking, labels)
        columns[0].set_yticks(range(len(labels)), labels)
        columns[0].set_ylim(len(labels) - 0.5, -0.5)
        columns[0].set_xlim(-1.05, 1.05)
        keys = _keys(ranked)
        legend = drawing.legend(handles=keys, loc="outside lower center", ncols=5)
        tell_keys(legend, [{"statistic": str(key.get_label())} for key in keys])
    return drawing


def _draw(axes: Axes, ranking: Ranking, labels: Sequence[str]) -> None:
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color="#999999", linewidth=0.8, zorder=1)
    for row in range(0, len(labels), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f3f3f3", zorder=0, linewidth=0)
    for standing in ranking.standings:
        _draw_standing(axes, standing, labels.index(standing.contender.label), ranking)
    axes.set_title(ranking.target.label)
    axes.set_xlabel("rank correlation")


def _draw_standing(axes: Axes, standing: Standing, row: int, ranking: Ranking) -> None:
    title = f"{standing.contender.label}\nagainst {ranking.target.label}"

    def told(artists: Sequence[Artist], label: str, interval: Interval, height: float) -> None:
        ends = "" if interval.low is None or interval.high is None else f" ({interval.low:.2f} to {interval.high:.2f})"
        spot = Spot(interval.value, height, f"{label}\n{interval.value:.2f}{ends}\nn = {standing.n}")
        tell(artists, {"statistic": label}, title, [spot])

    for axis, marker, interval in zip(ranking.axes, AXIS_MARKERS, standing.granulated, strict=False):
        sign = axes.plot(interval.value, row, marker=marker, color=AXIS, markersize=3.5, fillstyle="none", zorder=2)
        told(sign, _label(axis), interval, row)
    told(_dot(axes, standing.psi, row - LANE, PSI, "o"), PSI_LABEL, standing.psi, row - LANE)
    told(_dot(axes, standing.tau, row + LANE, TAU, "D"), TAU_LABEL, standing.tau, row + LANE)


def _dot(axes: Axes, interval: Interval, height: float, colour: str, marker: str) -> Sequence[Artist]:
    artists: list[Artist] = [
        *axes.plot(
            interval.value, height, marker=marker, color=colour, markersize=4.5, markeredgecolor="white", zorder=4
        )
    ]
    if interval.low is not None and interval.high is not None:
        artists.append(axes.hlines(height, interval.low, interval.high, color=colour, linewidth=1.6, zorder=3))
    return artists


def _label(axis: Axis) -> str:
    return f"ψ {axis.label}"


def _keys(ranked: Sequence[Ranking]) -> list[Line2D]:
    """What the signs mean."""
    dots = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", label=label)
        for label, colour, marker in ((PSI_LABEL, PSI, "o"), (TAU_LABEL, TAU, "D"))
    ]
    axes = [
        Line2D([], [], color=AXIS, marker=marker, fillstyle="none", linestyle="none", label=_label(axis))
        for axis, marker in zip(ranked[0].axes, AXIS_MARKERS, strict=False)
    ]
    return dots + axes
