"""GRIDE: its own law, the likelihood maximised by brute force, reference values, known curves, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from measures import gride, nearest_neighbors, twonn
from measures.gride import solve_score
from measures.scale_curve import find_plateau
from tests.measures.dimension_cases import LATTICE, flat_torus, moved, reference_cube, swiss_roll


def test_rank_one_is_the_maximum_likelihood_of_twonn() -> None:
    x = np.random.default_rng(0).normal(size=(200, 4))
    curve, expected = gride(x, ranks=[1]), twonn(x, method="mle")
    assert curve.value == pytest.approx(expected.value, rel=1e-9)
    assert curve.scales[0].information_error == pytest.approx(expected.stderr, rel=1e-2)
    assert curve.scales[0].ks_distance == pytest.approx(expected.ks_distance, rel=1e-9)
    assert curve.scales[0].radius == expected.mean_r2


def test_reference_value() -> None:
    assert gride(reference_cube(), ranks=[2]).value == pytest.approx(4.344058, abs=5e-7)  # DADApy


@pytest.mark.parametrize("rank", [2, 5, 16])
@pytest.mark.parametrize("dimension", [0.7, 3.0, 40.0])
def test_solution_is_where_the_published_likelihood_is_largest(rank: int, dimension: float) -> None:
    volumes = np.random.default_rng(rank).beta(rank, rank, size=300)
    log_ratios = -np.log(volumes) / dimension

    def negative_log_likelihood(d: float) -> float:
        tail = (rank - 1) * np.log(np.expm1(d * log_ratios)) - (2 * rank - 1) * d * log_ratios
        return -(299 * np.log(d) + tail.sum())

    best = minimize_scalar(negative_log_likelihood, bounds=(dimension / 2, 2 * dimension), options={"xatol": 1e-10})
    assert solve_score(log_ratios, rank) == pytest.approx(best.x, rel=1e-5)


def test_law_of_independent_points() -> None:
    """Its error is the published one, 1 / sqrt(Fisher information), and the bias is within it."""
    rng = np.random.default_rng(0)
    values = [solve_score(-np.log(rng.beta(4, 4, size=400)) / 5, 4) for _ in range(500)]
    scale = gride(rng.random((400, 5)), ranks=[4]).scales[0]
    assert np.mean(values) == pytest.approx(5, abs=3 * np.std(values) / 500**0.5)
    assert np.std(values) / 5 == pytest.approx(scale.information_error / scale.value, rel=0.1)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_torus_of_known_dimension_is_found_within_the_error_at_every_scale(dimension: int) -> None:
    curve = gride(flat_torus(2000, dimension, np.random.default_rng(0)), ranks=[1, 2, 4, 8])
    assert all(abs(scale.value - dimension) < 3 * scale.stderr for scale in curve.scales)
    assert curve.plateau is not None and (curve.plateau.first, curve.plateau.last) == (0, 3)
    assert curve.value == pytest.approx(np.mean([scale.value for scale in curve.scales]))
    assert all(scale.ks_distance < 0.05 for scale in curve.scales)


@pytest.mark.parametrize("rank", [1, 8])
def test_standard_error_covers_the_true_deviation_and_the_published_one_does_not(rank: int) -> None:
    rng = np.random.default_rng(0)
    found = [gride(rng.normal(size=(300, 2)), ranks=[rank]).scales[0] for _ in range(80)]
    true = np.std([scale.value for scale in found])
    assert 0.5 < true / np.mean([scale.stderr for scale in found]) < 1.15
    assert true / np.mean([scale.information_error for scale in found]) > 1.15


def test_noise_shows_as_no_plateau() -> None:
    rng = np.random.default_rng(0)
    x = swiss_roll(2000, rng)
    clean, noisy = gride(x), gride(x + 0.3 * rng.normal(size=x.shape))
    assert clean.verdict == "plateau: dimension 2.0 from rank 1 to 32"
    assert noisy.verdict.startswith("no plateau: the dimension depends on the scale, 2.")
    assert (noisy.value, noisy.stderr) == (noisy.scales[0].value, noisy.scales[0].stderr)
    radii = [scale.radius for scale in noisy.scales]
    assert radii == sorted(radii)


@pytest.mark.parametrize(
    ("values", "errors", "expected"),
    [
        ([2.0, 2.03, 1.91, 2.0, 1.67, 0.72], [0.2, 0.15, 0.1, 0.07, 0.04, 0.01], (0, 3)),
        ([2.81, 2.71, 2.48, 2.27, 2.11, 1.98, 1.95, 2.05], [0.01] * 8, (4, 7)),
        ([20.0, 17.3, 14.9, 12.2, 9.6, 7.4, 5.9, 4.8, 3.7, 3.0], [0.01] * 10, None),
        ([5.0, 5.0], [0.1, 0.1], None),
        ([5.0, 4.0, 6.0], [1.0, 1.0, 1.0], (0, 2)),
    ],
)
def test_plateaus_of_published_curves(values: list[float], errors: list[float], expected: tuple[int, int]) -> None:
    plateau = find_plateau(values, errors)
    assert (plateau and (plateau.first, plateau.last)) == expected


def test_too_few_scales_for_a_verdict() -> None:
    assert gride(reference_cube(), ranks=(4, 2)).verdict == "2 scales are too few to tell a plateau: at least 3"


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_is_invariant_under_similarity_and_permutation(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 4))
    before, after = gride(x, ranks=(1, 2, 8)), gride(moved(x, rng, scale, shift), ranks=(1, 2, 8))
    assert [s.value for s in after.scales] == pytest.approx([s.value for s in before.scales], rel=1e-6)
    assert [s.stderr for s in after.scales] == pytest.approx([s.stderr for s in before.scales], rel=1e-5)


def test_more_points_bring_the_estimate_nearer() -> None:
    rng = np.random.default_rng(0)
    few, many = (np.mean([gride(rng.random((n, 5)), ranks=[2]).value for _ in range(4000 // n)]) for n in (125, 2000))
    assert few < many - 0.2 < 5


def test_kept_neighbours_give_the_same_result() -> None:
    x = np.random.default_rng(0).normal(size=(100, 3))
    assert gride(nearest_neighbors(x, 20), ranks=(2, 4)) == gride(torch.from_numpy(x), ranks=(2, 4))


def test_duplicates_and_ties_are_counted() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    first, second, _ = gride(np.vstack([x, x[:20]]), ranks=(1, 2, 4)).scales
    assert (first.num_points, first.num_duplicates, second.num_duplicates) == (180, 40, 0)
    assert gride(np.vstack([x, x[:20]])).notes == ("40 of 220 points were dropped as duplicates of another.",)
    tied = gride(np.vstack([x, [[100.0, 0, 0], [101.0, 0, 0], [99.0, 0, 0]]]), ranks=[1])
    assert tied.scales[0].num_ties == 1 and tied.value > 0


@pytest.mark.parametrize(
    ("x", "ranks", "message"),
    [
        (np.zeros((30, 3)), (1, 2, 4, 8, 16), "30 points are too few: 32 neighbours of each need 33"),
        (np.ones((10, 3)), (1, 2), "0 of 10 points have fewer than 1 duplicates; at least 3 are needed"),
        (LATTICE, (1,), r"all 64 points have r_1 = r_2 \(a lattice\?\)"),
        (np.full((10, 3), np.inf), (1,), "10 of 10 rows hold NaN or infinity"),
        (LATTICE, (), r"ranks=\(\) is not valid"),
        (LATTICE, (0, 1), r"ranks=\(0, 1\) is not valid: at least one rank, each at least 1"),
    ],
)
def test_refuses(x: np.ndarray, ranks: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gride(x, ranks=ranks)
