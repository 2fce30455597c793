"""Bounds from float32 products: below every distance, close to it, and enough for the exact neighbours."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from measures import nearest_neighbors, neighbors, screening
from measures.screening import Float32Screen, Screen
from tests.measures.test_neighbors import CASES, brute_force


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few points are screened in float32, in many tiles, however little that proves."""
    monkeypatch.setattr(neighbors, "FEWEST_FOR_FLOAT32", 60)
    monkeypatch.setattr(neighbors, "MOST_UNPROVEN", 1.0)
    monkeypatch.setattr(screening, "TILE_ROWS", 70)
    monkeypatch.setattr(screening, "ALIGNED_ROWS", 8)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
@pytest.mark.parametrize("num_neighbors", [1, 9])
def test_neighbours_equal_brute_force(make, num_neighbors: int) -> None:
    x = make(np.random.default_rng(0))
    num_neighbors = min(num_neighbors, len(x) - 1)
    found = nearest_neighbors(x, num_neighbors)
    np.testing.assert_allclose(found.distances, brute_force(x, num_neighbors), rtol=1e-10, atol=0)
    direct = np.linalg.norm(x[found.indices.numpy()] - x[:, None], axis=2)
    np.testing.assert_allclose(direct, found.distances, rtol=1e-14, atol=0)
    assert not np.any(found.indices.numpy() == np.arange(len(x))[:, None])


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    num_features=st.sampled_from([1, 3, 300]),
    exponents=st.tuples(*[st.sampled_from([-130, -60, -25, -15, -8, 0])] * 3),
    offset=st.sampled_from([0.0, 1.0, 1e6]),
)
def test_bounds_are_below_the_squared_distances_and_close(
    seed: int, num_features: int, exponents: tuple[int, ...], offset: float
) -> None:
    rng = np.random.default_rng(seed)
    scales = 10.0 ** np.array(exponents)[rng.integers(3, size=(30, 1))]  # squares far below the range of float32, too
    x = torch.from_numpy(offset + scales * rng.normal(size=(30, num_features)))
    assume(float((x - x.mean(dim=0)).abs().max()) > 1 / screening.LARGEST)
    bounds, indices = Float32Screen(x).candidates(29)
    exact = torch.from_numpy(cdist(x, x) ** 2).gather(1, indices)
    assert (bounds <= exact * (1 + 1e-12)).all()
    norms = (x - x.mean(dim=0)).square().sum(dim=1)
    slack = 2 * (num_features + 16) * 2.0**-23 * (norms[:, None] + norms[indices])
    assert (exact - bounds <= slack + 1e-30 * norms.max()).all()


@pytest.mark.parametrize("tile_rows", [7, 40, 1000])
def test_tiles_find_the_lowest_bounds_of_whole_rows(tile_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "TILE_ROWS", tile_rows)
    monkeypatch.setattr(screening, "ALIGNED_ROWS", 1)
    x = torch.randn(100, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    by_tiles, by_rows = Float32Screen(x).candidates(12), Float32Screen(x).candidates_of(torch.arange(100), 12)
    torch.testing.assert_close(by_tiles[0], by_rows[0], rtol=1e-5, atol=1e-5)
    assert torch.equal(by_tiles[1], Screen(x).candidates_of(torch.arange(100), 12)[1])


def test_float32_is_enough_for_points_in_general_position() -> None:
    x = torch.randn(1200, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = neighbors._screened_in_float32(x, 3)
    assert found is not None
    np.testing.assert_allclose(found[0], brute_force(x.numpy(), 3), rtol=1e-10, atol=0)
    assert torch.equal(found[0], nearest_neighbors(x, 3).distances)


def test_clusters_tighter_than_float32_are_screened_in_float64() -> None:
    x = np.random.default_rng(0).normal(size=(1100, 2)) * 1e-9 + np.arange(1100)[:, None] % 4
    assert neighbors._screened_in_float32(torch.from_numpy(x), 2) is None
    np.testing.assert_allclose(nearest_neighbors(x, 2).distances, brute_force(x, 2), rtol=1e-10, atol=0)


def test_products_that_torch_may_round_further_are_not_used() -> None:
    x = torch.randn(10, 3, dtype=torch.float64)
    assert Float32Screen.is_exact_for(x)
    assert not Float32Screen.is_exact_for(x.to("meta"))
    assert not Float32Screen.is_exact_for(torch.empty(2, 1 << 16))
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"  # no attribute that monkeypatch could put back
    try:
        assert not Float32Screen.is_exact_for(x)
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = "none"
