"""Claims within replicates: paired seeds, where means over replicates could not tell; and where nothing rises."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from orchestrator.report.axis import Axis
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.claim_kinds import PairedTrend, Rises
from orchestrator.report.claims import Finding, findings
from orchestrator.report.curves import curves
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results, Row, Trial

NAN = float("nan")
# Single runs of the protocol of Loukas et al. at frequencies 0.25, 0.5, 0.75, 1 by another implementation: the
# trajectory in the last epoch, and the total one.
LATE = ((0.406, 0.762, 0.854, 1.46), (0.286, 0.600, 0.650, 1.47))
TOTAL = ((1107, 2041, 1825, 2517), (771, 1329, 1484, 2779))


def table(replicates: Sequence[Sequence[float]]) -> Results:
    """Trials at frequencies 0.25, 0.5, ..., one sequence for each replicate."""
    trials, rows = [], []
    for seed, values in enumerate(replicates):
        for i, value in enumerate(values):
            parameters = {"omega": (i + 1) / 4, "data_seed": seed, "init_seed": seed}
            trials.append(Trial(f"{seed}-{i}", "", parameters, "done", 1.0, "", None, ()))
            rows.append(Row(f"{seed}-{i}", 9, "length", value, None))
    return Results(tuple(trials), tuple(rows))


RISES = PairedTrend("length", "trajectory")
PRESENTATION = Presentation(x=Axis("omega", "frequency"), claims=(RISES,))


def judged(claim: PairedTrend | Rises, results: Results) -> Finding:
    presentation = replace(PRESENTATION, claims=(claim,))
    (finding,) = findings(curves(results, presentation), presentation, np.random.default_rng(0))
    return finding


def shifted(values: Sequence[float], count: int = 6, spread: float = 100.0) -> list[list[float]]:
    """Replicates that differ far more from one another than along x."""
    return [[value + spread * seed for value in values] for seed in range(count)]


@pytest.mark.parametrize(
    ("replicates", "verdict"),
    [
        (shifted((1, 2, 3, 4)), "holds"),
        (shifted((4, 3, 2, 1)), "does not hold"),
        (shifted((2, 1, 1, 2)), "cannot be judged"),
        (shifted((1, 1, 1, 1)), "cannot be judged"),
        (shifted((1, 2, 3, 4), count=4), "cannot be judged"),
        (shifted((1, 2)), "cannot be judged"),
        (shifted((1, NAN, 3, 4)), "holds"),
        (shifted((1, NAN, NAN, 4)), "cannot be judged"),
        ([*shifted((1, 2, 3, 4), count=3), *shifted((4, 3, 2, 1), count=3)], "cannot be judged"),
        ([*shifted((1, 2, 3, 4), count=9), [4, 3, 2, 1]], "holds"),
    ],
)
def test_a_quantity_rises_where_the_replicates_say_so(replicates: Sequence[Sequence[float]], verdict: str) -> None:
    assert judged(RISES, table(replicates)).verdict == verdict
    negative = [[-value for value in each] for each in replicates]
    assert judged(replace(RISES, rises=False), table(negative)).verdict == verdict


def test_it_tells_what_means_over_replicates_cannot() -> None:
    results = table(shifted((1, 2, 3, 4)))
    assert judged(RISES, results).verdict == "holds"
    assert judged(Rises("length", "trajectory"), results).verdict == "cannot be judged"


def test_two_single_runs_of_the_published_protocol_are_too_few_to_judge_and_in_order() -> None:
    assert judged(RISES, table(LATE)).verdict == "cannot be judged"
    finding = judged(RISES, table(LATE * 3))
    assert (finding.verdict, finding.numbers["rho"], finding.numbers["rho_low"]) == ("holds", 1, 1)
    total = judged(RISES, table(TOTAL * 3))
    assert total.numbers["rho"] == pytest.approx(0.9), "0.8 and 1: the first total is not monotone"


def test_noise_is_seldom_taken_for_a_trend() -> None:
    """Of 300 studies of 8 replicates of noise, the share that holds; a bootstrap of so few is a little narrow."""
    generator = np.random.default_rng(1)
    verdicts = [judged(RISES, table(generator.normal(size=(8, 4)).tolist())).verdict for _ in range(300)]
    assert verdicts.count("holds") / 300 < 0.09
    assert verdicts.count("does not hold") / 300 < 0.09


def test_trials_pair_up_by_all_their_seeds() -> None:
    results = table(shifted((1, 2, 3, 4)))
    (column,) = curves(results, PRESENTATION)
    by_seeds = column.curves["length"].by_seeds
    assert len(by_seeds) == 6
    assert by_seeds[("data_seed", 2), ("init_seed", 2)] == {0.25: 201, 0.5: 202, 0.75: 203, 1.0: 204}


def test_the_report_has_the_claim_and_its_rule() -> None:
    header = ReportHeader("study", "question", "expected", "command")
    text = build_report(header, table(shifted((1, 2, 3, 4))), PRESENTATION).files["report.md"].decode()
    assert "trajectory rises with x within replicates" in text
    assert "within 6 replicates the rank correlation of trajectory with frequency is 1.0 on average" in text
    assert "Rises or falls with x within replicates: Spearman's rank correlation" in text
