"""The correlation dimension: pairs by brute force, reference values, known dimensions, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from measures import correlation_dimension, gride
from measures.correlation_dimension import pair_counts
from tests.measures.dimension_cases import LATTICE, flat_torus, moved, reference_cube, scikit_dimension_ball


def test_reference_values() -> None:
    ball = correlation_dimension(scikit_dimension_ball(), ranks=(10, 20))
    assert ball.value == pytest.approx(2.930917, abs=5e-7)  # scikit-dimension
    assert correlation_dimension(reference_cube(), ranks=(10, 20)).value == pytest.approx(4.410621, abs=5e-7)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    offset=st.sampled_from([0.0, 1e3, 1e6]),
    spread=st.sampled_from([0.0, 1e-12, 1e-6, 1.0]),
)
def test_pairs_are_counted_as_by_brute_force(seed: int, offset: float, spread: float) -> None:
    rng = np.random.default_rng(seed)
    x = offset + rng.normal(size=(4, 3))[rng.integers(4, size=40)] + spread * rng.normal(size=(40, 3))
    distances = cdist(x, x)
    np.fill_diagonal(distances, np.inf)
    radii = np.quantile(distances[distances < np.inf], [0.02, 0.2, 0.9], method="nearest")
    expected = [(distances < radius * (1 + shift)).sum(axis=1) for radius in radii for shift in (-1e-12, 1e-12)]
    found = pair_counts(x, np.array([radius * (1 + shift) for radius in radii for shift in (-1e-12, 1e-12)]))
    np.testing.assert_array_equal(found.T, expected)


def test_by_the_formula() -> None:
    x = np.random.default_rng(0).normal(size=(80, 4))
    distances = np.sort(cdist(x, x), axis=1)[:, 1:]
    radii = np.median(distances[:, [4, 9, 14, 29]], axis=0)
    integrals = [(distances < radius).mean() for radius in radii]
    result = correlation_dimension(x, ranks=(5, 10, 15, 30))
    slope, intercept = np.polyfit(np.log(radii), np.log(integrals), 1)
    residuals = np.log(integrals) - slope * np.log(radii) - intercept
    assert result.value == pytest.approx(slope, rel=1e-10)
    assert result.radii == pytest.approx(radii) and result.correlation_integrals == pytest.approx(integrals)
    assert 1 - result.r_squared == pytest.approx(np.sum(residuals**2) / (4 * np.var(np.log(integrals))))


@pytest.mark.parametrize("dimension", [1, 2])
def test_torus_of_known_dimension_within_the_standard_error(dimension: int) -> None:
    result = correlation_dimension(flat_torus(2000, dimension, np.random.default_rng(0)))
    assert abs(result.value - dimension) < 3 * result.stderr < 0.2 * dimension
    assert result.r_squared > 0.999


@pytest.mark.parametrize("dimension", [2, 5])
def test_error_covers_the_true_deviation(dimension: int) -> None:
    rng = np.random.default_rng(0)
    found = [correlation_dimension(rng.normal(size=(300, dimension))) for _ in range(80)]
    ratio = np.std([result.value for result in found]) / np.mean([result.stderr for result in found])
    assert 0.5 < ratio < 1.15


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_is_invariant_under_similarity_and_permutation(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 4))
    before, after = correlation_dimension(x), correlation_dimension(moved(x, rng, scale, shift))
    # Where a radius is itself the distance of a pair, rounding decides whether that pair is nearer than it.
    assume(np.abs(cdist(x, x)[..., None] - before.radii).min() > 1e-6)
    assert (after.value, after.stderr) == (pytest.approx(before.value), pytest.approx(before.stderr))
    assert after.radii == pytest.approx(tuple(scale * radius for radius in before.radii), rel=1e-6)


def test_more_points_bring_the_estimate_nearer() -> None:
    rng = np.random.default_rng(0)
    few, many = (correlation_dimension(rng.random((n, 5))).value for n in (125, 2000))
    assert few < many - 0.2 < 5


def test_tensors_agree_and_notes() -> None:
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    assert correlation_dimension(x) == correlation_dimension(x.numpy())
    assert correlation_dimension(x).curve == gride(x, ranks=(1, 2, 4, 8))
    repeated = correlation_dimension(torch.cat([x, x[:5]]))
    assert (repeated.num_points, repeated.num_duplicates) == (65, 10)
    assert "10 of 65 points have a duplicate" in repeated.notes[0]
    assert "came in float16" in correlation_dimension(x.half()).notes[-1]


@pytest.mark.parametrize(
    ("x", "ranks", "message"),
    [
        (np.eye(4), (3,), r"ranks=\(3,\) is not valid: at least two different ranks"),
        (np.zeros((20, 3)), (10, 20), "20 points are too few: 20 neighbours of each need 21"),
        (np.ones((30, 3)), (10, 20), r"neighbours \[10, 20\] do not grow: \[0.0, 0.0\]; too many ties"),
        (LATTICE, (1, 2), "do not grow: "),
        (np.full((30, 3), np.nan), (10, 20), "30 of 30 rows hold NaN"),
    ],
)
def test_refuses(x: np.ndarray, ranks: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        correlation_dimension(x, ranks=ranks)
