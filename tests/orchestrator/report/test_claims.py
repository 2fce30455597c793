"""Verdicts on curves whose answer is known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from orchestrator.report.claim_kinds import Claim, FirstZero, Follows, Peak
from orchestrator.report.claims import Finding, findings
from orchestrator.report.curves import Point, curves
from orchestrator.report.numerals import duration, position, significant, with_error
from orchestrator.report.peaks import find_peak, roughness
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results
from tests.orchestrator.report.tidy_tables import PRESENTATION, WIDTHS, bump, joined, over, table

# Maddox, Benton & Wilson 2020, figure 1, as saved by its authors: width, test loss, effective dimensionality (z = 1).
PUBLISHED = """
1 3.3237 80.93; 2 2.5832 79.95; 3 2.1608 84.50; 4 1.8330 88.53; 5 1.7321 91.39; 6 1.6461 90.08;
7 1.6199 90.53; 8 1.6232 90.76; 10 1.7374 91.80; 12 1.9322 91.92; 14 2.1278 93.69; 16 2.2416 90.74;
18 2.2737 91.80; 19 2.3118 93.38; 20 2.2514 91.97; 24 2.1841 90.69; 28 1.9993 90.22;
32 1.9068 89.72; 40 1.7233 88.19; 48 1.6098 87.16; 56 1.5440 86.92; 64 1.4768 84.47
"""


def judged(claim: Claim, results: Results) -> Finding:
    presentation = replace(PRESENTATION, panels=(), claims=(claim,))
    (finding,) = findings(curves(results, presentation), presentation, np.random.default_rng(0))
    return finding


def of_curve(claim: Claim, *replicates: Sequence[float], widths: Sequence[float] = WIDTHS) -> Finding:
    return judged(claim, table({"q": replicates}, widths, fraction=0.15))


def test_first_zero_names_the_threshold_and_the_point_before() -> None:
    finding = of_curve(FirstZero("q", "train error"), [0.5, 0.012, 0.0, 0.0], widths=(36, 47, 60, 80))
    assert finding.verdict == "holds"
    assert finding.numbers["threshold"] == 60
    assert finding.sentence == (
        "Label noise 0.15: train error first reaches 0 at width 60 (next smaller width 47: 0.0120)."
    )


def test_first_zero_needs_every_replicate_and_says_when_it_is_left_again() -> None:
    finding = of_curve(FirstZero("q", "train error"), [0.5, 0, 0, 0.25], [0.5, 0.25, 0, 0.25], widths=(1, 2, 3, 4))
    assert finding.numbers["threshold"] == 3
    assert "in all 2 replicates at width 3" in finding.sentence
    assert "above 0 again at 1 larger grid points, at most 0.250 ± 0" in finding.sentence


@pytest.mark.parametrize(
    ("values", "verdict", "words"),
    [
        ([0.5, 0.2, 0.3], "does not hold", "does not reach 0; it is lowest, 0.200, at width 3"),
        ([0.0, 0.0, 0.0], "cannot be judged", "is 0 already at the smallest width 2"),
        ([0.5, 0.0], "cannot be judged", "known at 2 of the 2 values of width; a claim needs at least 3"),
    ],
)
def test_first_zero_that_is_not_reached_is_a_result(values: list[float], verdict: str, words: str) -> None:
    finding = of_curve(FirstZero("q", "train error"), values, widths=(2, 3, 4)[: len(values)])
    assert (finding.verdict, "threshold" in finding.numbers) == (verdict, False)
    assert words in finding.sentence


def test_peak_of_one_replicate_is_judged_against_roughness_and_says_so() -> None:
    finding = of_curve(Peak("q", "test loss"), bump(WIDTHS, 4.0))
    assert finding.verdict == "holds"
    assert (finding.numbers["peak_x"], finding.numbers["valley_x"]) == (47, 2)
    assert "test loss peaks at width 47 (5.95)" in finding.sentence
    assert "1 replicate, no seed-to-seed error" in finding.sentence


def test_peak_of_replicates_is_judged_by_their_standard_errors() -> None:
    top = bump(WIDTHS, 4.0)
    finding = of_curve(Peak("q", "test loss"), top, [value + 0.1 for value in top], [value - 0.1 for value in top])
    assert finding.verdict == "holds"
    assert finding.numbers["peak_stderr"] == pytest.approx(0.1 / np.sqrt(3))
    assert finding.sentence.endswith("(3 replicates).")


@pytest.mark.parametrize(
    "name, values", [("falls", over(WIDTHS, lambda w: 1 / w)), ("rises", list(WIDTHS)), ("flat", [3.0] * 19)]
)
def test_a_monotone_curve_or_a_plateau_has_no_peak(name: str, values: list[float]) -> None:
    finding = of_curve(Peak("q", "test loss"), values)
    assert finding.verdict == "does not hold", name
    assert "no peak inside the range" in finding.sentence


def test_a_wiggle_is_no_peak_with_replicates_and_undecided_without() -> None:
    generator = np.random.default_rng(0)
    noisy = [(np.linspace(2, 1, 19) + generator.normal(scale=0.05, size=19)).tolist() for _ in range(4)]
    assert of_curve(Peak("q", "test loss"), *noisy).verdict == "does not hold"
    alone = of_curve(Peak("q", "test loss"), noisy[0])
    assert alone.verdict == "cannot be judged"
    assert "against a noise of" in alone.sentence


def test_gaps_and_too_few_points_are_said() -> None:
    values = bump(WIDTHS, 4.0)
    values[3] = float("nan")
    assert "no value at 1 of the 19 grid points" in of_curve(Peak("q", "test loss"), values).sentence
    few = of_curve(Peak("q", "test loss"), [1.0, float("nan"), 2.0], widths=(2, 3, 4))
    assert few.verdict == "cannot be judged"
    assert "known at 2 of the 3 values of width" in few.sentence


def test_the_published_figure() -> None:
    rows = [tuple(map(float, line.split())) for line in PUBLISHED.replace("\n", "").split(";")]
    widths, losses, dimensions = zip(*rows, strict=True)
    results = table({"loss": [losses], "n_eff": [dimensions]}, widths)
    peak = judged(Peak("loss", "test loss"), results)
    assert (peak.verdict, peak.numbers["peak_x"], peak.numbers["valley_x"]) == ("holds", 19, 7)
    assert "it starts at 3.32 at width 1" in peak.sentence
    follows = judged(Follows("n_eff", "loss", "N_eff", "test loss"), results)
    assert (follows.numbers["peak_x"], follows.numbers["other_peak_x"]) == (14, 19)
    assert follows.verdict == "does not hold"
    assert "3 grid points apart, ratio 0.737" in follows.sentence


@pytest.mark.parametrize(
    ("own", "other", "verdict"),
    [
        (bump(WIDTHS, 4.0), bump(WIDTHS, 9.0), "holds"),
        (bump(WIDTHS, 4.0, at=36), bump(WIDTHS, 9.0), "holds"),
        (bump(WIDTHS, 4.0, at=16), bump(WIDTHS, 9.0, at=80), "does not hold"),
        ([-value for value in bump(WIDTHS, 9.0)], bump(WIDTHS, 9.0), "does not hold"),
        (bump(WIDTHS, 4.0), list(WIDTHS), "cannot be judged"),
        ([1.0] * 19, bump(WIDTHS, 9.0), "cannot be judged"),
    ],
)
def test_follows_needs_peaks_that_coincide_and_a_positive_correlation(
    own: list[float], other: list[float], verdict: str
) -> None:
    results = table({"own": [own], "other": [other]}, WIDTHS)
    assert judged(Follows("own", "other", "N_eff", "test loss"), results).verdict == verdict


def test_follows_compares_only_shared_points() -> None:
    results = joined(table({"own": [[1.0, 2.0, 1.0]]}, (2, 3, 4)), table({"other": [[1.0, 2.0, 1.0]]}, (12, 13, 14)))
    finding = judged(Follows("own", "other", "N_eff", "test loss"), results)
    assert "N_eff together with test loss is known at 0 of the 6 values of width" in finding.sentence


def test_claims_come_in_order_and_none_without_an_axis() -> None:
    results = joined(*(table({"test/loss": [[1.0, 2.0]]}, (2, 3), fraction) for fraction in (0.0, 0.15)))
    found = findings(curves(results, PRESENTATION), PRESENTATION, np.random.default_rng(0))
    assert [finding.claim for finding in found][::2] == [
        "train error reaches 0",
        "test loss peaks inside the range",
        "N_eff follows test loss",
    ]
    assert findings((), Presentation(), np.random.default_rng(0)) == ()


def test_roughness_is_the_noise_of_a_straight_line() -> None:
    noise = np.random.default_rng(0).normal(scale=0.3, size=4000)
    points = tuple(Point(x, 5 + 0.1 * x + e, None, 1, 0.0, 0.0) for x, e in enumerate(noise.tolist()))
    assert roughness(points) == pytest.approx(0.3, rel=0.05)


def test_a_peak_of_two_points_is_refused() -> None:
    with pytest.raises(ValueError, match="peak of 2 points: give at least 3"):
        find_peak((Point(1, 1, None, 1, 1, 1), Point(2, 1, None, 1, 1, 1)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (significant(0.012), "0.0120"),
        (significant(1234.5), "1230"),
        (significant(0), "0"),
        (significant(9.999), "10.0"),
        (significant(1.5e-7), "1.5e-07"),
        (with_error(5.8312, 0.1234), "5.83 ± 0.12"),
        (with_error(1234.5, 65.4), "1234 ± 65"),
        (with_error(2.5, None), "2.50"),
        (with_error(2.5, 0.0), "2.50 ± 0"),
        (with_error(2.5, 1e-9), "2.50 ± 1e-09"),
        (position(47.0), "47"),
        (position(0.15), "0.15"),
        (duration(12.34), "12.3 s"),
        (duration(754), "12 min 34 s"),
        (duration(7380), "2 h 3 min"),
    ],
)
def test_numbers_are_written_with_sensible_digits(text: str, expected: str) -> None:
    assert text == expected
