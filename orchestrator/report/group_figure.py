"""The figure of groups of networks: mean distances within and between them over the layers, a panel a method."""

# matplotlib's own types leave **kwargs of nearly every drawing method untyped:
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.report.drawing import MARKERS, style
from orchestrator.report.group_findings import ComparedGroups, group_lines, spread_words, words
from orchestrator.report.group_similarity import Spread
from orchestrator.report.interaction import Spot, tell, tell_keys
from orchestrator.report.presentation import PALETTE, Groups


def group_figure(groups: Groups, found: Sequence[ComparedGroups]) -> Figure:
    """Of every method that has a comparison."""
    shown = [each for each in found if each.comparison is not None]
    if not shown:
        raise ValueError("nothing to draw: no method has enough networks in both groups")
    with style():
        drawing = Figure(figsize=(2.4 + 3.2 * len(shown), 3.2), layout="constrained")
        row = drawing.subplots(1, len(shown), squeeze=False)[0]
        for axes, each in zip(row, shown, strict=True):
            _draw(axes, groups, each)
        row[0].set_ylabel("mean distance of two networks")
        legend = row[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        tell_keys(legend, [{"pairs": text.get_text()} for text in legend.get_texts()])
    return drawing


def _draw(axes: Axes, groups: Groups, found: ComparedGroups) -> None:
    assert found.comparison is not None, "`group_figure` has left those out"
    layers = groups.layers
    for number, (label, spreads) in enumerate(group_lines(groups, found.comparison).items()):
        # Side by side, so that no bar hides another.
        places = [place + 0.08 * (number - 1) for place in range(len(layers))]
        bars = axes.errorbar(
            places,
            [spread.value for spread in spreads],
            yerr=_bars(spreads),
            color=PALETTE[number],
            marker=MARKERS[number],
            label=label,
        )
        spots = [
            Spot(place, each.value, f"{series.label}\n{spread_words(each)}")
            for place, series, each in zip(places, layers, spreads, strict=True)
        ]
        tell(bars.get_children(), {"pairs": label}, f"{label}\n{words(found.method)}", spots)
    axes.set_xticks(range(len(layers)), [series.label for series in layers], rotation=30, ha="right")
    axes.set_title(words(found.method), fontweight="bold")
    axes.set_ylim(bottom=0)


def _bars(spreads: Sequence[Spread]) -> list[list[float]]:
    """Down and up; an interval of few networks need not hold the value itself."""
    return [
        [max(0.0, spread.value - spread.low) for spread in spreads],
        [max(0.0, spread.high - spread.value) for spread in spreads],
    ]
