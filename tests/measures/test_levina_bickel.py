"""Levina-Bickel: closed form, reference values of scikit-dimension, known dimensions, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from measures import Neighbors, gride, levina_bickel, nearest_neighbors
from tests.measures.dimension_cases import (
    LATTICE,
    flat_torus,
    moved,
    reference_cube,
    scikit_dimension_ball,
    sphere,
)


@pytest.mark.parametrize("dimension", [0.5, 3.0, 60.0])
def test_exact_quantiles_give_the_exact_dimension(dimension: float) -> None:
    """T_j = j^(1/d) at every point: 1 / m = log(k^(k-1) / (k-1)!) / (d (k-1))."""
    distances = torch.arange(1.0, 11.0, dtype=torch.float64).repeat(20, 1) ** (1 / dimension)
    kept = Neighbors(distances, torch.arange(10).repeat(20, 1), "float64")
    expected = dimension * 9 / (9 * math.log(10) - math.log(math.factorial(9)))
    assert levina_bickel(kept, num_neighbors=10).value == pytest.approx(expected, rel=1e-12)


def test_reference_values() -> None:
    assert levina_bickel(scikit_dimension_ball()).value == pytest.approx(3.341162, abs=5e-7)
    assert levina_bickel(scikit_dimension_ball()).arithmetic_mean == pytest.approx(3.438942, abs=5e-7)
    assert levina_bickel(scikit_dimension_ball(), num_neighbors=5).value == pytest.approx(4.350132, abs=5e-7)
    assert levina_bickel(reference_cube()).value == pytest.approx(4.422313, abs=5e-7)


def test_by_the_formula() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    sorted_distances = np.sort(cdist(x, x), axis=1)[:, 1:9]
    inverses = [sum(math.log(row[7] / t) for t in row[:7]) / 7 for row in sorted_distances]
    result = levina_bickel(x, num_neighbors=8)
    assert result.value == pytest.approx(60 / sum(inverses), rel=1e-12)
    assert result.arithmetic_mean == pytest.approx(np.mean([1 / m for m in inverses]), rel=1e-12)
    assert result.mean_radius == pytest.approx(sorted_distances[:, 7].mean())


@pytest.mark.parametrize(
    ("x", "dimension"),
    [
        (flat_torus(3000, 1, np.random.default_rng(0)), 1),
        (flat_torus(3000, 2, np.random.default_rng(0)), 2),
        (sphere(4000, 2, np.random.default_rng(0)), 2),
    ],
    ids=["circle", "torus", "sphere"],
)
def test_known_dimension_within_the_standard_error(x: np.ndarray, dimension: int) -> None:
    result = levina_bickel(x, num_neighbors=10)
    assert abs(result.value - dimension) < 3 * result.stderr < 0.1 * dimension
    assert result.ks_distance < 0.02


@pytest.mark.parametrize("dimension", [2, 5])
def test_standard_error_covers_the_true_deviation(dimension: int) -> None:
    rng = np.random.default_rng(0)
    found = [levina_bickel(rng.normal(size=(300, dimension))) for _ in range(80)]
    ratio = np.std([result.value for result in found]) / np.mean([result.stderr for result in found])
    assert 0.5 < ratio < 1.15


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_is_invariant_under_similarity_and_permutation(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 4))
    before, after = levina_bickel(x), levina_bickel(moved(x, rng, scale, shift))
    assert (after.value, after.stderr) == (
        pytest.approx(before.value, rel=1e-8),
        pytest.approx(before.stderr, rel=1e-6),
    )


def test_more_points_bring_the_estimate_nearer() -> None:
    rng = np.random.default_rng(0)
    few, many = (levina_bickel(rng.random((n, 5))).value for n in (125, 2000))
    assert few < many - 0.3 < 5


def test_arrays_tensors_and_kept_neighbours_agree() -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert levina_bickel(x) == levina_bickel(x.detach().numpy()) == levina_bickel(nearest_neighbors(x, 30))
    assert levina_bickel(x).curve == gride(x, ranks=(1, 2, 4, 8))


def test_duplicates_are_dropped_and_counted() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    result = levina_bickel(np.vstack([x, x[:10]]))
    assert (result.num_points, result.num_duplicates) == (190, 20)
    assert result.notes == ("20 of 210 points were dropped as duplicates of another.",)


def test_a_point_with_equally_far_neighbours_has_no_estimate_of_its_own() -> None:
    corners = 10 + np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]) @ np.diag([1.0, 1.0])
    centre = np.array([[10.5, 10.5]])
    result = levina_bickel(np.vstack([corners, centre, np.random.default_rng(0).normal(size=(50, 2))]), num_neighbors=4)
    assert result.arithmetic_mean == math.inf and 0 < result.value < 5


@pytest.mark.parametrize(
    ("x", "num_neighbors", "message"),
    [
        (np.zeros((20, 3)), 20, "20 points are too few: 20 neighbours of each need 21"),
        (np.ones((10, 3)), 5, "0 of 10 points have no duplicate; at least 3 are needed"),
        (np.eye(10), 5, "the 5 neighbours of each point are equally far"),
        (LATTICE, 2, "num_neighbors=2 is not valid: at least 3"),
        (np.full((10, 3), np.nan), 5, "10 of 10 rows hold NaN or infinity"),
    ],
)
def test_refuses(x: np.ndarray, num_neighbors: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        levina_bickel(x, num_neighbors=num_neighbors)
