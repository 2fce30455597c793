"""Nearest neighbours against brute force, where screening by matrix products is known to fail."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from measures import nearest_neighbors, neighbors


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


@pytest.mark.parametrize(
    ("x", "num_neighbors", "message"),
    [
        (np.zeros(5), 1, r"rows of a matrix; got shape \(5,\)"),
        (np.array([[0.0], [np.nan], [np.inf]]), 1, "2 rows hold NaN or infinity"),
        (np.zeros((3, 2)), 3, "num_neighbors=3 is not valid: between 1 and 2 for 3 points"),
        (np.zeros((3, 2)), 0, "num_neighbors=0 is not valid"),
    ],
)
def test_refuses(x: np.ndarray, num_neighbors: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(x, num_neighbors)
