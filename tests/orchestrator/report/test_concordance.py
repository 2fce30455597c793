"""Concordance along lines of equal parameter count: shares whose value is known, and the published figure's."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kendalltau

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import AtMost, Concordance
from orchestrator.report.claims import Finding, findings
from orchestrator.report.concordance import concordances, pairs_alike
from orchestrator.report.curves import curves
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results, Row, Trial
from tests.orchestrator.report.published_width_depth import published

CLAIM = Concordance("n_eff", "test/loss", "parameters", "N_eff", "test loss", "number of parameters")
PRESENTATION = Presentation(x=Axis("model.width", "width"), columns=Axis("model.depth", "depth"))


def judged(claim: Concordance, results: Results) -> Finding:
    presentation = replace(PRESENTATION, claims=(claim,))
    (finding,) = findings(curves(results, presentation), presentation, np.random.default_rng(0))
    return finding


def lines(n_eff: Callable[[int, float], float], loss: Callable[[int, float], float]) -> Results:
    """Five networks on each of eight lines of about equal count, which fall a little along a line and a lot between."""
    trials, rows = [], []
    for line in range(8):
        for depth in range(5):
            trial = Trial(f"{line}-{depth}", "", {"model.width": line, "model.depth": depth}, "done", 1, "", None, ())
            count = 2.0**line * (1 - 0.001 * depth)
            values = {"parameters": count, "n_eff": n_eff(depth, count), "test/loss": loss(depth, count)}
            trials.append(trial)
            rows += [Row(trial.trial_id, 1, name, value, None) for name, value in values.items()]
    return Results(tuple(trials), tuple(rows))


def test_what_orders_along_the_lines_holds_though_the_count_orders_all_networks() -> None:
    shuffled = (2, 0, 3, 1, 4)
    finding = judged(CLAIM, lines(lambda depth, _: shuffled[depth], lambda depth, count: shuffled[depth] - count))
    assert finding.verdict == "holds"
    assert (finding.numbers["quantity"], finding.numbers["pairs"], finding.numbers["networks"]) == (1, 80, 40)
    assert finding.numbers["given"] == pytest.approx(0.7), "3 of 10 pairs of the permutation are inversions"
    assert finding.sentence.startswith("All networks: N_eff orders 1.0 (1.0 to 1.0) of 80 pairs as test loss does, ")


def test_what_only_repeats_the_count_does_not_beat_it() -> None:
    finding = judged(CLAIM, lines(lambda _, count: -count, lambda _, count: -count))
    assert finding.numbers["quantity"] == finding.numbers["given"] == 1
    assert (finding.verdict, finding.numbers["difference_low"]) == ("cannot be judged", 0)


def test_what_orders_the_other_way_round_does_not_hold() -> None:
    finding = judged(CLAIM, lines(lambda depth, _: depth, lambda depth, _: -depth))
    assert (finding.verdict, finding.numbers["quantity"]) == ("does not hold", 0)


def test_a_few_pairs_are_not_judged_and_are_counted() -> None:
    claim = replace(CLAIM, among=AtMost("parameters", "at most one", 1.0))
    assert judged(claim, lines(lambda depth, _: depth, lambda depth, _: depth)).numbers["pairs"] == 10, "one line"
    finding = judged(
        replace(claim, among=AtMost("test/loss", "at most two", 0.0)), lines(lambda d, _: d, lambda d, _: d)
    )
    assert finding.verdict == "cannot be judged"
    assert "0 pairs among 8 networks differ by at most a factor of 1.05" in finding.sentence


def test_of_all_pairs_it_is_kendalls_tau_and_ties_count_half() -> None:
    networks = np.random.default_rng(1).normal(size=(30, 3))
    networks[:, 2] = np.exp(networks[:, 2])
    pairs = pairs_alike(networks[:, 2], np.inf)
    found = concordances(networks, pairs, np.random.default_rng(0))
    tau = kendalltau(networks[:, 0], networks[:, 1]).statistic
    assert found.quantity.value == pytest.approx((1 + tau) / 2)
    assert found.pairs == 435
    assert found.quantity.low < found.quantity.value < found.quantity.high
    networks[:, 0] = 1
    assert concordances(networks, pairs, np.random.default_rng(0)).quantity.value == 0.5


def test_pairs_are_those_within_the_factor() -> None:
    given = np.array([100.0, 104.0, 106.0, 300.0])
    first, second = pairs_alike(given, 1.05)
    expected = [
        (i, j) for i, j in combinations(range(4), 2) if max(given[i], given[j]) <= 1.05 * min(given[i], given[j])
    ]
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == expected == [(0, 1), (1, 2)]


def test_the_interval_is_over_networks_and_so_wider_than_one_over_pairs() -> None:
    results = published()
    finding = judged(replace(CLAIM, factor=1.1), results)
    share, pairs = finding.numbers["quantity"], finding.numbers["pairs"]
    over_pairs = 4 * np.sqrt(share * (1 - share) / pairs)
    assert finding.numbers["quantity_high"] - finding.numbers["quantity_low"] > 1.5 * over_pairs


@pytest.mark.parametrize(
    ("factor", "among", "verdict", "pairs", "quantity", "given"),
    [
        (1.05, None, "cannot be judged", 119, 0.75, 0.60),
        (1.05, 0.2, "holds", 65, 0.87, 0.58),
        (1.1, 0.2, "cannot be judged", 145, 0.78, 0.64),
        (1.2, 0.2, "cannot be judged", 303, 0.76, 0.70),
    ],
)
def test_of_the_published_figure(
    factor: float, among: float | None, verdict: str, pairs: int, quantity: float, given: float
) -> None:
    """It holds of fitted networks whose counts really are about equal; along wider lines the count does as well."""
    chosen = None if among is None else AtMost("train/loss", "train loss at most 0.2", among)
    finding = judged(replace(CLAIM, factor=factor, among=chosen), published())
    assert (finding.verdict, finding.numbers["pairs"]) == (verdict, pairs)
    assert finding.numbers["quantity"] == pytest.approx(quantity, abs=0.005)
    assert finding.numbers["given"] == pytest.approx(given, abs=0.005)
