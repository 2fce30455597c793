"""Groups of networks by Gram matrices: the similarities against those of measures, and the rule on built cases."""

import numpy as np
import pytest
from numpy.typing import NDArray

from measures import linear_cka
from measures import svcca as svcca_of_activations
from orchestrator.report.axis import Axis
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.claims import Finding
from orchestrator.report.document import Table
from orchestrator.report.group_findings import compared_groups, group_blocks, group_findings
from orchestrator.report.group_similarity import compared, debiased_cka, distances, principal_basis, svcca
from orchestrator.report.parts import parts
from orchestrator.report.presentation import Groups, Presentation, Series
from orchestrator.report.rules import rules
from orchestrator.report.table import Array, Results, Trial
from orchestrator.stored_arrays import drawn_arrays

Floats = NDArray[np.float64]
EXAMPLES = 60
GROUPS = Groups(
    "Groups",
    (Series("grams/layer.a", "a"), Series("grams/layer.b", "b")),
    {"true": {"fraction": 0.0}, "random": {"fraction": 1.0}},
    published_deep="yes",
)


def gram(x: Floats) -> Floats:
    x = x - x.mean(axis=0)
    return x @ x.T


def draws(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def related(shared: float, seed: int) -> Floats:
    """Five features, of which a share of the variance is the same in all networks."""
    return np.sqrt(shared) * draws(0, EXAMPLES, 5) + np.sqrt(1 - shared) * draws(seed, EXAMPLES, 5)


def table(first: tuple[float, float], second: tuple[float, float], num: int = 5, spread: float = 0.0) -> Results:
    """Networks of two groups: what share those of a group have in common in layers a and b, with a spread."""
    trials, arrays = [], []
    for group, fraction, of_layers in (("g", 0.0, first), ("m", 1.0, second)):
        for i in range(num):
            name = f"{group}{i}"
            trials.append(Trial(name, name, {"fraction": fraction}, "done", 1.0, "", None, ()))
            for layer, shared, offset in zip("ab", of_layers, (100, 200), strict=True):
                part = np.clip(shared + spread * (i % 2 - 0.5), 0, 1)
                x = related(float(part), offset + i + (50 if group == "m" else 0))
                arrays.append(Array(name, 10, f"grams/layer.{layer}", gram(x).astype(np.float32)))
    return Results(tuple(trials), (), tuple(arrays))


def judged(results: Results, groups: Groups = GROUPS) -> list[Finding]:
    found = compared_groups(results, groups, np.random.default_rng(0))
    return list(group_findings(groups, found))


@pytest.mark.parametrize("seed", range(3))
def test_similarities_of_gram_matrices_are_those_of_the_activations(seed: int) -> None:
    x = draws(seed, EXAMPLES, 6) * np.array([10, 5, 2, 1, 0.5, 0.01])
    y = 0.5 * x[:, :4] + draws(seed + 10, EXAMPLES, 4)
    assert debiased_cka(gram(x), gram(y)) == pytest.approx(linear_cka(x, y, debiased=True).value, abs=1e-10)
    assert svcca(gram(x), gram(y)) == pytest.approx(svcca_of_activations(x, y).value, abs=1e-8)


def test_similarities_see_through_rotation_and_scale() -> None:
    x = draws(1, EXAMPLES, 4)
    turned = 3 * x @ np.linalg.qr(draws(2, 4, 4))[0]
    for similarity in (debiased_cka, svcca):
        assert similarity(gram(x), gram(turned)) == pytest.approx(1)
    assert abs(debiased_cka(gram(draws(3, 500, 4)), gram(draws(4, 500, 4)))) < 0.02


def test_a_layer_that_is_constant_or_has_too_few_examples_has_no_similarity() -> None:
    nothing = np.zeros((EXAMPLES, EXAMPLES))
    assert np.isnan(debiased_cka(nothing, gram(draws(0, EXAMPLES, 3))))
    assert np.isnan(svcca(nothing, gram(draws(0, EXAMPLES, 3)))) and principal_basis(nothing).shape == (EXAMPLES, 0)
    wide = gram(draws(0, EXAMPLES, 200))
    assert np.isnan(svcca(wide, gram(draws(1, EXAMPLES, 200)))), "its correlations are 1 for any data"


def test_distances_are_of_pairs_and_leave_a_network_and_itself_out() -> None:
    found = distances([gram(draws(seed, EXAMPLES, 3)) for seed in range(3)], "debiased_cka")
    assert np.isnan(found.diagonal()).all() and np.array_equal(found, found.T, equal_nan=True)
    with pytest.raises(ValueError, match=r"method='cosine' .* debiased_cka, svcca"):
        distances([], "cosine")


def test_means_within_and_between_are_those_of_the_matrix() -> None:
    matrix = np.array([[np.nan, 1, 5, 6], [1, np.nan, 7, 8], [5, 7, np.nan, 3], [6, 8, 3, np.nan]], dtype=float)
    found = compared([matrix], 2, np.random.default_rng(0)).layers[0]
    assert (found.within_first.value, found.within_second.value, found.between.value) == (1, 3, 6.5)
    assert (found.second_less_first.value, found.between_less_first.value, found.lead.value) == (2, 5.5, 2)


def test_the_published_case_holds_in_the_last_layer_and_grows() -> None:
    """As published: early layers alike, in the deep one those that generalise share what the others do not."""
    found = judged(table((0.8, 0.9), (0.8, 0.1)))
    assert len(found) == 4, "two methods"
    for deep, growth in (found[:2], found[2:]):
        assert (deep.verdict, growth.verdict) == ("holds", "holds"), deep.column
        assert deep.published == "yes" and deep.numbers["first"] < deep.numbers["second"]
        assert deep.claim == "in b, true are more alike than random, and than one of each"
        assert "5 true and 5 random" in deep.sentence and "in a" in growth.sentence


def test_it_does_not_hold_where_the_second_group_is_more_alike() -> None:
    deep, growth, *_ = judged(table((0.8, 0.1), (0.8, 0.9)))
    assert (deep.verdict, growth.verdict) == ("does not hold", "does not hold")


def test_of_groups_that_are_alike_nothing_can_be_said() -> None:
    assert {each.verdict for each in judged(table((0.6, 0.6), (0.6, 0.6), spread=0.3))} == {"cannot be judged"}


def test_two_networks_a_group_are_too_few_and_what_lacks_a_layer_is_left_out() -> None:
    assert {each.verdict for each in judged(table((0.8, 0.9), (0.8, 0.1), num=2))} == {"cannot be judged"}
    assert "at least 3" in judged(table((0.8, 0.9), (0.8, 0.1), num=2))[0].sentence
    full = table((0.8, 0.9), (0.8, 0.1), num=3)
    lacking = Results(full.trials, (), full.arrays[1:])
    assert "2 true and 3 random" in judged(lacking)[0].sentence


def test_a_comparison_needs_two_groups_and_two_layers() -> None:
    with pytest.raises(ValueError, match="1 groups of networks with 2 layers"):
        Groups("", GROUPS.layers, {"true": {}})


def test_the_report_has_their_verdicts_table_and_figure() -> None:
    results = table((0.8, 0.9), (0.8, 0.1))
    shown = Presentation(x=Axis("fraction", "fraction"), groups=GROUPS)
    (part,) = parts(results, shown, np.random.default_rng(0))
    tables = [block for block in group_blocks(GROUPS, part.groups) if isinstance(block, Table)]
    assert [each.header[1:3] for each in tables] == [("within true", "within random")] * 2
    assert [[row[0] for row in each.rows] for each in tables] == [["a", "b"]] * 2
    again = compared_groups(results, GROUPS, np.random.default_rng(1))
    assert part.groups == again, "from draws of its own: the same table, the same numbers"
    report = build_report(ReportHeader("s", "q", "e", "c"), results, shown)
    assert [finding.verdict for finding in report.findings] == ["holds"] * 4
    text = report.files["report.md"].decode()
    assert "Groups: debiased CKA" in text and "Groups: SVCCA" in text and "bootstrap is over networks" in text
    assert "figure.png" in report.files


def test_its_arrays_are_read_from_the_store_and_its_rule_is_told() -> None:
    shown = Presentation(x=Axis("fraction", "fraction"), groups=GROUPS)
    assert drawn_arrays(shown) == {"grams/layer.a": {1.0}, "grams/layer.b": {1.0}}
    assert any(rule.startswith("Groups of networks") for rule in rules([shown]))
    assert not any(rule.startswith("Groups of networks") for rule in rules([Presentation()]))
