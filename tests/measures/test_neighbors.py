"""Nearest neighbours against brute force, where screening by matrix products is known to fail."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from measures import nearest_neighbors, neighbors, neighbors_among


def brute_force(x: np.ndarray, num_neighbors: int) -> np.ndarray:
    distances = cdist(x, x)
    np.fill_diagonal(distances, np.inf)
    return np.sort(distances, axis=1)[:, :num_neighbors]


CASES = {
    "gaussian": lambda rng: rng.normal(size=(300, 20)),
    "large offset": lambda rng: rng.normal(size=(300, 20)) + 1e3 * 20**0.5,  # squared mean / squared distance > 1e6
    "extreme offset": lambda rng: rng.normal(size=(300, 5)) + 1e10,
    "tight clusters": lambda rng: rng.normal(size=(5, 20))[np.arange(300) % 5] + 1e-9 * rng.normal(size=(300, 20)),
    "one far outlier": lambda rng: np.vstack([rng.normal(size=(299, 8)), np.full((1, 8), 1e9)]),
    "duplicates": lambda rng: rng.normal(size=(30, 6))[rng.integers(30, size=300)],
    "half of the rows zero": lambda rng: rng.normal(size=(300, 50)) * (np.arange(300) % 2)[:, None],
    "lattice": lambda rng: np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3),
    "identical": lambda rng: np.ones((20, 3)),
    "two points": lambda rng: np.array([[0.0], [2.0]]),
}


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
@pytest.mark.parametrize("chunk_bytes", [1 << 27, 1 << 15])
def test_equals_brute_force(make, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "CHUNK_BYTES", chunk_bytes)
    x = make(np.random.default_rng(0))
    num_neighbors = min(3, len(x) - 1)
    found = nearest_neighbors(x, num_neighbors)
    np.testing.assert_allclose(found.distances, brute_force(x, num_neighbors), rtol=1e-10, atol=0)
    direct = np.linalg.norm(x[found.indices.numpy()] - x[:, None], axis=2)
    np.testing.assert_allclose(direct, found.distances, rtol=1e-14, atol=0)
    assert not np.any(found.indices.numpy() == np.arange(len(x))[:, None])


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 1000),
    offset=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    spread=st.sampled_from([0.0, 1e-12, 1e-6, 1.0]),
    num_neighbors=st.integers(1, 6),
)
def test_equals_brute_force_on_clusters(seed: int, offset: float, spread: float, num_neighbors: int) -> None:
    rng = np.random.default_rng(seed)
    x = offset + rng.normal(size=(4, 3))[rng.integers(4, size=40)] + spread * rng.normal(size=(40, 3))
    np.testing.assert_allclose(
        nearest_neighbors(x, num_neighbors).distances, brute_force(x, num_neighbors), rtol=1e-10, atol=0
    )


def test_float32_input_is_taken_exactly() -> None:
    x = torch.randn(100, 30, generator=torch.Generator().manual_seed(0)) + 1000
    np.testing.assert_allclose(nearest_neighbors(x, 2).distances, brute_force(x.double().numpy(), 2), rtol=1e-10)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    spread=st.sampled_from([0.0, 1e-9, 1.0]),
    fraction=st.floats(0.1, 1.0),
    num_kept=st.integers(1, 12),
    num_neighbors=st.integers(1, 4),
)
def test_neighbours_among_some_rows_equal_brute_force_on_them(
    seed: int, spread: float, fraction: float, num_kept: int, num_neighbors: int
) -> None:
    rng = np.random.default_rng(seed)
    x = 1e3 + rng.normal(size=(6, 3))[rng.integers(6, size=60)] + spread * rng.normal(size=(60, 3))
    chosen = rng.permutation(60)[: max(num_neighbors + 1, int(60 * fraction))]
    kept = nearest_neighbors(x, num_kept)
    found = neighbors_among(x, kept, torch.from_numpy(chosen), num_neighbors)
    np.testing.assert_allclose(found.distances, brute_force(x[chosen], num_neighbors), rtol=1e-10, atol=0)
    direct = np.linalg.norm(x[chosen][found.indices.numpy()] - x[chosen][:, None], axis=2)
    np.testing.assert_allclose(direct, found.distances, rtol=1e-14, atol=0)


def test_kept_neighbours_are_a_prefix() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    kept = nearest_neighbors(x, 8)
    assert torch.equal(kept.nearest(3).distances, nearest_neighbors(x, 3).distances)
    assert len(kept) == 50 and kept.nearest(3).dtype == "float32"
    with pytest.raises(ValueError, match="num_neighbors=9 is not valid: between 1 and the 8 that were kept"):
        kept.nearest(9)


@pytest.mark.parametrize("view", ["read-only", "reversed", "big-endian", "integers", "transposed"])
def test_arrays_that_torch_cannot_share_are_copied(view: str) -> None:
    x = np.random.default_rng(0).integers(100, size=(40, 5)).astype(np.float64)
    expected = nearest_neighbors(x[::-1], 2) if view == "reversed" else nearest_neighbors(x, 2)
    given_views = {
        "reversed": x[::-1],
        "big-endian": x.astype(">f8"),
        "integers": x.astype(np.int16),
        "transposed": np.asfortranarray(x),
        "read-only": np.frombuffer(x.tobytes()).reshape(x.shape),
    }
    found = nearest_neighbors(given_views[view], 2)
    assert torch.equal(found.distances, expected.distances)
    assert found.dtype == ("int16" if view == "integers" else "float64")


@pytest.mark.parametrize(
    ("x", "num_neighbors", "message"),
    [
        (np.zeros(5), 1, r"shape \(5,\) is not valid: examples in rows"),
        (np.zeros((5, 0)), 1, r"shape \(5, 0\) is not valid"),
        (np.array([[0.0], [np.nan], [np.inf]]), 1, "2 of 3 rows hold NaN or infinity"),
        (torch.zeros((3, 2), dtype=torch.complex64), 1, "dtype complex64 is not valid: real numbers"),
        (np.array([["a"]]), 1, "dtype str32 is not valid: real numbers"),
        (np.array(5.0), 1, r"shape \(\) is not valid"),
        (1e200 * np.eye(3), 1, "coordinates up to 7e\\+199 from the mean have no squares in float64: rescale them"),
        (1e-200 * np.eye(3), 1, "coordinates up to 7e-201 from the mean have no squares in float64"),
        (1e308 * np.eye(3) - 1e308, 1, "from the mean have no squares in float64"),
        (np.zeros((3, 2)), 3, "3 points are too few: 3 neighbours of each need 4"),
        (np.zeros((3, 2)), 0, "num_neighbors=0 is not valid: at least 1"),
    ],
)
def test_refuses(x: np.ndarray, num_neighbors: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(x, num_neighbors)


def test_points_too_large_for_a_copy_in_float64_have_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.randn(1500, 40, generator=torch.Generator().manual_seed(0)) + 1e3
    expected = nearest_neighbors(points.double(), 5)
    monkeypatch.setattr(neighbors, "LARGEST_COPY", 0)
    for x in (points, points[:900]):  # screened in float32 and in float64
        found = nearest_neighbors(x, 5)
        reference = expected if len(x) == len(points) else nearest_neighbors(x.double(), 5)
        assert torch.equal(found.indices, reference.indices) and found.distances.dtype is torch.float64
        torch.testing.assert_close(found.distances, reference.distances, rtol=1e-12, atol=0)
