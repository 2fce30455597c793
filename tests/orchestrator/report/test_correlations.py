"""Claims that a quantity turns, or goes along with another one; sides of a turning point; scatters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import pearsonr, spearmanr

from orchestrator.report.axis import Axis
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.claim_kinds import AtLeast, AtMost, Claim, Correlates, Turns
from orchestrator.report.claims import Finding, findings
from orchestrator.report.curves import curves
from orchestrator.report.derived import with_derived
from orchestrator.report.derived_kinds import Side
from orchestrator.report.presentation import Panel, Presentation, Scatter, Series
from orchestrator.report.scatter_figures import scatter_figure
from orchestrator.report.sides import with_sides
from orchestrator.report.table import Results, Row, Trial

DECAY = Axis("decay", "weight decay", log=True, among={"dropout": (0.0,), "decay": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)})
PRESENTATION = Presentation(x=DECAY)
NAN = float("nan")


def table(values: Mapping[str, Sequence[float]], replicates: int = 1, spread: float = 0.0) -> Results:
    """Trials at decays 1, 2, ..., whose replicates lie evenly around each value; and one without decay."""
    trials, rows = [], []
    for seed in range(replicates):
        shift = spread * (seed - (replicates - 1) / 2)
        for i in range(len(next(iter(values.values())))):
            parameters = {"decay": i + 1.0, "dropout": 0.0, "init_seed": seed}
            trials.append(Trial(f"{i}-{seed}", f"decay={i + 1}", parameters, "done", 1.0, "", None, ()))
            rows += [Row(f"{i}-{seed}", 9, name, each[i] + shift, None) for name, each in values.items()]
    trials.append(Trial("dropped", "", {"decay": 0.0, "dropout": 0.5, "init_seed": 0}, "done", 1.0, "", None, ()))
    rows += [Row("dropped", 9, name, 1000.0, None) for name in values]
    return Results(tuple(trials), tuple(rows))


def judged(claim: Claim, results: Results) -> Finding:
    presentation = replace(PRESENTATION, claims=(claim,))
    (finding,) = findings(curves(results, presentation), presentation, np.random.default_rng(0))
    return finding


TURNS = Turns("error", "test error")


@pytest.mark.parametrize(
    ("errors", "replicates", "spread", "verdict", "turn"),
    [
        ((5, 4, 3, 4, 5, 6), 1, 0.0, "holds", 3),
        ((5, 3, 3, 4, 5, 6), 1, 0.0, "holds", 3),
        ((1, 2, 3, 4, 5, 6), 1, 0.0, "holds", 1),
        ((6, 5, 4, 3, 2, 1), 1, 0.0, "does not hold", None),
        ((5, 4, 3, 4, 5, 6), 3, 0.1, "holds", 3),
        ((5, 4, 3, 3.5, 3.2, 3.1), 3, 1.0, "does not hold", 3),
        ((5, 1, 4, 2, 5, 1.5), 1, 0.0, "cannot be judged", 2),
    ],
)
def test_a_quantity_turns_where_its_mean_is_least_and_must_rise_by_more_than_noise(
    errors: Sequence[float], replicates: int, spread: float, verdict: str, turn: float | None
) -> None:
    finding = judged(TURNS, table({"error": errors}, replicates, spread))
    assert (finding.verdict, finding.numbers.get("turn")) == (verdict, turn)


def test_of_too_few_points_nothing_turns() -> None:
    assert judged(TURNS, table({"error": (2, 1)})).verdict == "cannot be judged"


RANDOM = np.random.default_rng(3).normal(size=6).tolist()
FALLING = Correlates("llid", "LLID", rises=False, other_label="weight decay")


@pytest.mark.parametrize(
    ("llid", "verdict"),
    [
        ((9, 8, 8.5, 5, 4, 1), "holds"),
        ((1, 2, 3, 4, 5, 6), "does not hold"),
        ((3, 1, 4, 1, 5, 2), "cannot be judged"),
        ((4, 3, 2, 1), "cannot be judged"),
        ((2, 2, 2, 2, 2, 2), "cannot be judged"),
        ((5, 4, NAN, 2, 1, 0), "holds"),
        ((5, 4, NAN, NAN, 1, 0), "cannot be judged"),
    ],
)
def test_a_quantity_falls_with_x_if_the_interval_of_its_correlation_says_so(
    llid: Sequence[float], verdict: str
) -> None:
    assert judged(FALLING, table({"llid": llid})).verdict == verdict
    assert judged(replace(FALLING, rises=True), table({"llid": [-each for each in llid]})).verdict == verdict


def test_both_correlations_are_those_of_scipy() -> None:
    error = (5.0, 4.0, 3.5, 3.0, 4.5, 6.0)
    claim = Correlates("ratio", "PID / LLID", rises=False, other="error", other_label="test error")
    numbers = judged(claim, table({"ratio": RANDOM, "error": error})).numbers
    assert numbers["rho"] == pytest.approx(spearmanr(RANDOM, error).statistic)
    assert numbers["r"] == pytest.approx(pearsonr(RANDOM, error).statistic)


def test_a_claim_may_be_about_one_side_of_the_turning_point() -> None:
    """Simpson's paradox: up to the turn the ratio falls with the error, over all it rises with it."""
    long = replace(DECAY, among={"dropout": (0.0,)})
    presentation = Presentation(x=long, derived=(Side("side", long, "error"),))
    values = {"error": (6, 5, 4, 3, 2, 11, 12, 13, 14, 15), "ratio": (1, 2, 3, 4, 5, 11, 12, 13, 14, 15)}
    results = with_derived(table(values), presentation.derived)
    verdicts = {}
    for among in (None, AtMost("side", "up to the turn"), AtLeast("side", "from it on")):
        claim = Correlates("ratio", "ratio", rises=False, other="error", other_label="error", among=among)
        shown = replace(presentation, claims=(claim,))
        (finding,) = findings(curves(results, shown), shown, np.random.default_rng(0))
        verdicts[finding.claim] = (finding.verdict, finding.numbers["n"])
    assert verdicts == {
        "ratio falls with error": ("does not hold", 10),
        "ratio falls with error, up to the turn": ("holds", 5),
        "ratio falls with error, from it on": ("does not hold", 6),
    }


def test_a_side_is_of_the_mean_over_replicates_and_of_its_own_sweep() -> None:
    results = table({"error": (3, 2, 2, 4)}, replicates=2, spread=2.0)
    other = Trial("other", "", {"decay": 1.0, "dropout": 0.0, "init_seed": 0, "dataset": "b"}, "done", 1, "", None, ())
    unfinished = replace(other, trial_id="unfinished", state="diverged")
    rows = [Row(trial.trial_id, 9, "error", 0.0, None) for trial in (other, unfinished)]
    results = Results((*results.trials, other, unfinished), (*results.rows, *rows))
    sided = with_sides(results, (Side("side", DECAY, "error"),))
    sides = {row.trial_id: row.value for row in sided.rows if row.quantity == "side"}
    assert sides == {
        **{f"{i}-{seed}": side for seed in (0, 1) for i, side in enumerate((-1, -1, 0, 1))},
        "other": 0,
    }, "neither of a trial elsewhere nor of one without a value"


def test_trials_with_another_value_are_not_on_the_axis_and_at_least_one_must_be() -> None:
    (column,) = curves(table({"error": (1, 2, 3)}), replace(PRESENTATION, claims=(TURNS,)))
    assert column.xs == (1, 2, 3), "without the one that has no weight decay, which a log axis could not show"
    nowhere = replace(PRESENTATION, x=replace(DECAY, among={"dropout": (0.9,)}))
    with pytest.raises(ValueError, match=r"no trial has the values that are drawn along weight decay: .*0\.9"):
        curves(table({"error": (1, 2, 3)}), nowhere)


NAMES = {f"decay {i}": {"decay": float(i)} for i in (1, 2, 3)} | {"dropout 0.5": {"dropout": 0.5}}
SCATTER = Presentation(
    x=Axis("decay", "regularisation", names=NAMES),
    scatter=Scatter(
        Series("ratio", "PID / LLID"),
        Series("error", "test error"),
        groups={"decay": ("decay 1", "decay 2", "decay 3"), "dropout": ("dropout 0.5",)},
        among=AtMost("error", "error at most 2", 2.0),
    ),
)


def test_a_scatter_has_a_point_for_each_x_filled_among_those_asked_for() -> None:
    results = table({"ratio": (4, 5, NAN), "error": (1, 3, 2)})
    drawing = scatter_figure(curves(results, SCATTER), SCATTER)
    FigureCanvasAgg(drawing).draw()
    (axes,) = drawing.axes
    points = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    assert [(line.get_xdata()[0], line.get_ydata()[0], line.get_marker()) for line in points] == [
        (4, 1, "o"),
        (5, 3, "o"),
        (1000, 1000, "s"),
    ]
    assert [line.get_markerfacecolor() == "white" for line in points] == [False, True, True]
    legend = axes.get_legend()
    assert legend is not None
    texts = [" ".join(text.get_text().split()) for text in legend.get_texts()]
    assert texts == [
        "decay 1 to decay 3, pale to dark",
        "dropout 0.5 to dropout 0.5, pale to dark",
        "filled: error at most 2",
    ]
    assert legend.get_window_extent().x1 <= drawing.bbox.x1 + 1


def test_the_report_has_the_scatter_its_numbers_and_the_line_where_a_quantity_turns() -> None:
    panels = (Panel("error", (Series("error", "test error"),)),)
    first = Presentation(x=DECAY, panels=panels, claims=(TURNS, FALLING), also=(SCATTER,))
    values = {"ratio": (4, 5, 6), "error": (3, 1, 2), "llid": (3, 2, 1)}
    report = build_report(ReportHeader("study", "question", "expected", "command"), table(values), first)
    text = report.files["report.md"].decode()
    assert "The dashed line marks the turning point" in text
    assert "test error against PID / LLID" in text
    assert "| all | decay 2 | 5.00 | 1.00 | 1 |" in text
    assert "Turns: the turning point is the x of the least mean" in text
    assert "Rises or falls with: holds if the 95 % bootstrap interval" in text


def test_a_scatter_without_an_axis_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw: a scatter needs an x axis, two quantities and a trial"):
        scatter_figure((), replace(SCATTER, x=None))
