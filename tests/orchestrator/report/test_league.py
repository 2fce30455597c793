"""Leagues: who is ranked on what, in which order, and what report and figure show of it."""

import csv
import io
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import stats

from orchestrator.report.axis import Axis
from orchestrator.report.build import Report, ReportHeader, build_report
from orchestrator.report.drawing import render
from orchestrator.report.league import Ranking, Standing, rankings, replicates_differ_in
from orchestrator.report.league_figure import league_figure
from orchestrator.report.presentation import Contender, League, Presentation, Series, Target
from orchestrator.report.table import Results, Row, Trial

WIDTHS, FRACTIONS, REPLICATES = (2, 4, 8), (0.0, 0.2), 3
LEAGUE = League(
    axes=(Axis("model.width", "width"), Axis("corruption.fraction", "label noise"), Axis("model.depth", "depth")),
    contenders=(
        Contender("random", "random numbers"),
        Contender("size", "size"),
        Contender("margin", "− margin", -1),
        Contender("sharpness", "sharpness"),
    ),
    targets=(Target("gap", "test/loss", "train/loss"), Target("test loss", "test/loss")),
    given=(Series("size", "size"),),
)

Change = Callable[[dict[str, float]], dict[str, float]]


def trial(width: int, fraction: float, replicate: int, state: str = "done") -> Trial:
    parameters = {"model.width": width, "model.depth": 2, "corruption.fraction": fraction, "init_seed": replicate}
    name = f"{width}-{fraction}-{replicate}"
    return Trial(name, name, parameters, state, 1.0, "not reached", None, ())


def numbers(one: Trial) -> dict[str, float]:
    """A gap that falls with width and rises with noise, and what tells it."""
    width, fraction = (float(str(one.parameters[name])) for name in ("model.width", "corruption.fraction"))
    generator = np.random.default_rng([int(width), int(10 * fraction), int(str(one.parameters["init_seed"]))])
    noise, other = generator.normal(size=2)
    gap = 20 * fraction - width + 0.1 * noise
    return {
        "test/loss": 10 + gap,
        "train/loss": 10 - 3 * width,
        "size": width**2,
        "margin": 3 * width - math.exp(gap + 2 * width) / 1e9 + 1,
        "sharpness": gap + 3 * width + 0.3 * other,
        "random": other,
    }


def table(change: Change = lambda values: values, state: str = "done") -> Results:
    trials = tuple(trial(*cell, state=state) for cell in product(WIDTHS, FRACTIONS, range(REPLICATES)))
    rows = [
        Row(one.trial_id, 5, quantity, value, None)
        for one in trials
        for quantity, value in change(numbers(one)).items()
    ]
    return Results(trials, tuple(rows))


def ranked(results: Results, league: League = LEAGUE) -> tuple[Ranking, ...]:
    return rankings(results, league, np.random.default_rng(0))


def standing(ranking: Ranking, label: str) -> Standing:
    return next(each for each in ranking.standings if each.contender.label == label)


@pytest.fixture(scope="module")
def usual() -> tuple[Ranking, ...]:
    return ranked(table())


@pytest.fixture(scope="module")
def report() -> Report:
    return build_report(ReportHeader("race", "Who tells?", "e", "c"), table(), Presentation(league=LEAGUE))


def test_contenders_are_in_the_order_of_psi_which_is_the_mean_over_the_axes_that_vary(
    usual: tuple[Ranking, ...],
) -> None:
    gap, test_loss = usual
    assert [axis.label for axis in gap.axes] == ["width", "label noise"]
    for ranking in (gap, test_loss):
        psi = [each.psi.value for each in ranking.standings]
        assert psi == sorted(psi, reverse=True)
        for each in ranking.standings:
            assert each.psi.value == pytest.approx(np.mean([part.value for part in each.granulated]))
            assert each.psi.low is not None and each.psi.low <= each.psi.value
    assert gap.standings[0].contender.label == "sharpness"


def test_a_target_is_a_quantity_or_a_difference_and_a_sign_turns_a_contender_round() -> None:
    one = replace(LEAGUE, axes=(Axis("init_seed", "seed"), *LEAGUE.axes))  # every trial a cell: scipy's tau of them all
    gap, test_loss = ranked(table(), one)
    values = [numbers(each) for each in table().trials]
    margin = [-each["margin"] for each in values]
    for ranking, target in (
        (gap, [v["test/loss"] - v["train/loss"] for v in values]),
        (test_loss, [v["test/loss"] for v in values]),
    ):
        assert standing(ranking, "− margin").tau.value == pytest.approx(stats.kendalltau(margin, target).statistic)
        assert standing(ranking, "− margin").tau.low is None


def test_a_function_of_one_setting_has_no_partial_tau_given_itself_and_no_information(
    usual: tuple[Ranking, ...],
) -> None:
    (_, test_loss) = usual
    size = standing(test_loss, "size")
    assert size.partial is None
    assert (size.information.value, size.information.stderr) == (0, 0)
    assert [part.value for part in size.granulated] == [-1, 0]
    assert standing(test_loss, "sharpness").partial is not None


def test_what_was_not_measured_or_is_not_finite_is_left_out_and_counted() -> None:
    def change(values: dict[str, float]) -> dict[str, float]:
        sharpness = (
            {} if values["size"] == 4 else {"sharpness": math.nan if values["size"] == 16 else values["sharpness"]}
        )
        return {name: value for name, value in values.items() if name not in ("sharpness", "random")} | sharpness

    ranking = ranked(table(change))[0]
    assert ranking.unranked[0] == "random numbers: rank correlation of 0 trials: give at least 3"
    assert ranking.unranked[1:] == ()
    found = standing(ranking, "sharpness")
    assert (found.n, found.missing, found.not_finite) == (6, 6, 6)
    assert standing(ranking, "size").n == 18


def test_a_bound_is_no_value() -> None:
    whole = table()
    bounds = tuple(
        replace(row, at_least=row.quantity == "sharpness" and row.trial_id.startswith("2-")) for row in whole.rows
    )
    found = standing(ranked(replace(whole, rows=bounds))[0], "sharpness")
    assert (found.n, found.missing) == (12, 6)


def test_a_contender_that_is_constant_has_no_place_and_says_why() -> None:
    ranking = ranked(table(lambda values: values | {"random": 4.0}))[0]
    assert ranking.unranked == ("random numbers: rank correlation of values that are all 4: they have no order",)


def test_failures_are_where_the_order_is_wrong_and_the_worst_is_named(usual: tuple[Ranking, ...]) -> None:
    failures = standing(usual[1], "sharpness").failures
    assert (failures.worst, failures.where) == (1.0, "width 2 to 8 at label noise 0")
    assert (failures.known, failures.failed) == (9, 6)
    assert standing(usual[1], "size").failures.worst == 1.0


def test_no_order_is_held_against_a_contender_where_the_target_differs_by_chance_alone() -> None:
    noise = iter(np.random.default_rng(1).permutation(18).tolist())
    results = table(lambda values: values | {"test/loss": 3.0 + next(noise) % 3})
    ranking = ranked(results, replace(LEAGUE, targets=(Target("test loss", "test/loss"),)))[0]
    assert all(each.failures.known < 9 for each in ranking.standings)


@pytest.mark.parametrize("state", ["failed", "diverged", "partial", "pending"])
def test_only_done_trials_are_ranked(state: str) -> None:
    for ranking in ranked(table(state=state)):
        assert ranking.standings == ()
        assert ranking.unranked[0] == "random numbers: rank correlation of 0 trials: give at least 3"
    text = build_report(ReportHeader("r", "q", "e", "c"), table(state=state), Presentation(league=LEAGUE)).files
    assert "league.png" not in text


def test_an_axis_that_trials_do_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"trial 2-0.0-0 has no parameter 'model.heads' .* known: model.width"):
        ranked(table(), replace(LEAGUE, axes=(Axis("model.heads", "heads"),)))


def test_replicates_are_named_by_what_they_differ_in() -> None:
    assert replicates_differ_in(table(), LEAGUE) == ("init_seed",)
    assert replicates_differ_in(table(), replace(LEAGUE, axes=LEAGUE.axes[1:])) == ("model.width", "init_seed")


def test_random_orders_seldom_tell_as_much_as_the_stated_chance(usual: tuple[Ranking, ...]) -> None:
    ranking = usual[0]
    assert 0 < ranking.chance < standing(ranking, "sharpness").information.value


def test_the_report_has_a_table_and_the_worst_case_for_each_target(report: Report) -> None:
    text = report.files["report.md"].decode()
    assert "## Which tells the gap?" in text and "## Which tells the test loss?" in text
    assert "| contender | n | Ψ | ψ width | ψ label noise | tau | tau given size |" in text
    assert "| size | 18 | -0.50 (-0.50 to -0.50) | -1.00 | 0.00 |" in text
    assert "| contender | CMI | sign error | failed | worst | where |" in text
    assert " | 6 of 9 | 1.00 | width 2 to 8 at label noise 0 |" in text
    assert "Every contender is ranked on all done trials." in text
    assert "Replicates differ in init_seed." in text
    assert "declares no axis" not in text


def test_the_file_of_a_league_holds_every_statistic_in_full(report: Report, usual: tuple[Ranking, ...]) -> None:
    lines = list(csv.DictReader(io.StringIO(report.files["league.csv"].decode())))
    psi = {
        line["contender"]: float(line["value"])
        for line in lines
        if (line["target"], line["statistic"]) == ("gap", "psi")
    }
    assert psi == {each.contender.label: each.psi.value for each in usual[0].standings}
    assert {line["statistic"] for line in lines} == {
        *("psi", "tau", "partial_tau", "psi.model.width", "psi.corruption.fraction", "conditional_information"),
        *("sign_error", "failed_environments", "known_environments", "worst_sign_error"),
    }


def test_the_same_table_gives_the_same_bytes(report: Report) -> None:
    again = build_report(ReportHeader("race", "Who tells?", "e", "c"), table(), Presentation(league=LEAGUE))
    assert dict(again.files) == dict(report.files)


def test_the_figure_has_a_row_for_each_contender_a_column_for_each_target_and_no_overlap(
    usual: tuple[Ranking, ...],
) -> None:
    drawing = league_figure(usual)
    FigureCanvasAgg(drawing).draw()
    assert [axes.get_title() for axes in drawing.axes] == ["gap", "test loss"]
    labels = drawing.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == [each.contender.label for each in usual[0].standings]
    boxes = [label.get_window_extent() for label in labels]
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(boxes))
    assert all(box.x0 >= 0 for box in boxes)
    (legend,) = drawing.legends
    assert legend.get_window_extent().y1 < drawing.axes[0].xaxis.label.get_window_extent().y0
    assert render(drawing, "png").startswith(b"\x89PNG")


def test_every_dot_is_at_its_number(usual: tuple[Ranking, ...]) -> None:
    ranking = usual[1]
    axes = league_figure((ranking,)).axes[0]
    drawn = [(float(line.get_xdata()[0]), round(float(line.get_ydata()[0]))) for line in axes.get_lines()[1:]]  # type: ignore[index] # arrays
    for row, each in enumerate(ranking.standings):
        expected = [*(part.value for part in each.granulated), each.psi.value, each.tau.value]
        assert [x for x, y in drawn if y == row] == pytest.approx(expected)
