"""Global and local principal components: closed forms, brute force, reference values, and what they refuse."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from measures import local_pca_dimension, pca_dimension
from tests.measures.dimension_cases import moved, scikit_dimension_ball, sphere


def with_spectrum(variances: list[float], num_features: int) -> np.ndarray:
    half = np.diag(np.sqrt(variances)) @ np.eye(len(variances), num_features)
    return np.vstack([half, -half])


@pytest.mark.parametrize("num_features", [4, 50])
@pytest.mark.parametrize(
    ("variance", "expected"), [(0.1, 1), (0.5, 1), (0.51, 2), (0.75, 2), (0.875, 3), (0.9, 4), (1.0, 4)]
)
def test_known_spectrum(variance: float, expected: int, num_features: int) -> None:
    result = pca_dimension(with_spectrum([4.0, 2.0, 1.0, 1.0], num_features), variance=variance)
    assert result.value == expected
    assert result.explained[:4] == pytest.approx([0.5, 0.75, 0.875, 1.0], rel=1e-12)


def test_all_variance_of_rank_deficient_points_is_their_rank() -> None:
    x = np.random.default_rng(0).normal(size=(100, 3)) @ np.random.default_rng(1).normal(size=(3, 40)) + 1e6
    assert pca_dimension(x, variance=1 - 1e-9).value == 3


@pytest.mark.parametrize("variance", [0.5, 0.8, 0.95])
def test_error_times_the_part_of_the_last_component_is_the_deviation_of_the_sum(variance: float) -> None:
    rng = np.random.default_rng(0)
    scales = np.arange(1, 101.0) ** -0.5
    found = [pca_dimension(rng.normal(size=(400, 100)) * scales, variance=variance) for _ in range(60)]
    count = int(np.median([r.value for r in found]))
    errors = [r.stderr * np.diff(r.explained)[int(r.value) - 2] for r in found]
    assert np.mean(errors) == pytest.approx(np.std([r.explained[count - 1] for r in found]), rel=0.25)


def test_error_by_the_formula() -> None:
    x = np.random.default_rng(0).normal(size=(30, 5)) * np.arange(1, 6)
    centred = x - x.mean(axis=0)
    u, singular, _ = np.linalg.svd(centred, full_matrices=False)
    parts, total = (u * singular) ** 2, np.sum(singular**2)
    result = pca_dimension(x, variance=0.8)
    count = int(result.value)
    held = parts[:, :count].sum() / total
    influence = parts[:, :count].sum(axis=1) - held * parts.sum(axis=1)
    assert result.stderr == pytest.approx(np.sqrt(np.sum(influence**2)) / singular[count - 1] ** 2, rel=1e-9)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-200, 1e-3, 1.0, 1e200]), features=st.integers(2, 40))
def test_is_invariant_under_similarity_and_permutation(seed: int, scale: float, features: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(15, features))
    before, after = pca_dimension(x), pca_dimension(moved(x, rng, scale, shift=7 * scale))
    assert (after.value, after.stderr) == (before.value, pytest.approx(before.stderr, rel=1e-6))


def test_local_of_all_points_is_the_global_fukunaga_olsen_number() -> None:
    assert local_pca_dimension(scikit_dimension_ball(), num_neighbors=29).value == 5.0  # scikit-dimension


def test_local_by_brute_force() -> None:
    x = np.random.default_rng(0).normal(size=(40, 6)) * np.array([3.0, 2.0, 1.0, 0.4, 0.2, 0.1])
    order = np.argsort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)[:, :13]
    spectra = np.array([np.linalg.svd(x[o] - x[o].mean(axis=0), compute_uv=False) ** 2 for o in order])
    counted = spectra > 0.05 * spectra[:, :1]
    result = local_pca_dimension(x, num_neighbors=12)
    np.testing.assert_array_equal(result.counts, counted.sum(axis=1))
    assert result.value == counted.sum(axis=1).mean()
    assert result.explained == pytest.approx(((spectra * counted).sum(axis=1) / spectra.sum(axis=1)).mean())
    wide = local_pca_dimension(np.hstack([x, np.zeros((40, 30))]), num_neighbors=12)
    np.testing.assert_array_equal(wide.counts, result.counts)


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_local_finds_a_curved_surface_where_global_does_not(dimension: int) -> None:
    x = sphere(2000, dimension, np.random.default_rng(0))
    assert local_pca_dimension(x, num_neighbors=20).value == pytest.approx(dimension, abs=0.05)
    assert pca_dimension(x, variance=0.99).value == dimension + 1


@pytest.mark.parametrize(("size", "num_neighbors", "dimension"), [(300, 15, 4), (200, 20, 8)])
def test_local_error_covers_the_true_deviation(size: int, num_neighbors: int, dimension: int) -> None:
    rng = np.random.default_rng(0)
    found = [local_pca_dimension(rng.normal(size=(size, dimension)), num_neighbors=num_neighbors) for _ in range(30)]
    ratio = np.std([r.value for r in found]) / np.mean([r.stderr for r in found])
    assert 0.2 < ratio < 1


def test_local_is_invariant_and_tensors_agree() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4)).astype(np.float32)
    before, after = (local_pca_dimension(y, num_neighbors=12) for y in (x, moved(x.astype(float), rng, 1e-3, 50.0)))
    assert (after.value, after.stderr) == (pytest.approx(before.value), pytest.approx(before.stderr))
    assert local_pca_dimension(torch.from_numpy(x), num_neighbors=12).value == before.value
    assert before.dtype == "float32"


def test_notes_and_duplicates() -> None:
    rng = np.random.default_rng(0)
    assert "there may be more; raise num_neighbors" in local_pca_dimension(rng.normal(size=(200, 30))).notes[0]
    repeated = np.vstack([rng.normal(size=(50, 2)), np.full((20, 2), 9.0)])
    result = local_pca_dimension(repeated, num_neighbors=10)
    assert (result.num_points, result.num_duplicates) == (50, 20)
    assert np.isnan(result.counts[50:]).all() and result.value == pytest.approx(2, abs=0.2)
    assert "directions are many for 10 points" in pca_dimension(rng.normal(size=(10, 20))).notes[0]


@pytest.mark.parametrize(
    ("measure", "x", "options", "message"),
    [
        (pca_dimension, np.eye(4), {"variance": 0.0}, "variance=0.0 is not valid: above 0 and at most 1"),
        (pca_dimension, np.full((10, 3), 0.1), {}, "all 10 points are equal"),
        (pca_dimension, np.zeros((2, 3)), {}, r"shape \(2, 3\) is not valid"),
        (pca_dimension, np.full((10, 3), np.nan), {}, "10 of 10 rows hold NaN"),
        (local_pca_dimension, np.eye(4), {"threshold": 1.0}, "threshold=1.0 is not valid: above 0 and below 1"),
        (local_pca_dimension, np.eye(4), {}, "4 points are too few: 50 neighbours of each need 51"),
        (local_pca_dimension, np.ones((10, 3)), {"num_neighbors": 3}, "all 10 points are identical to their 3 neig"),
    ],
)
def test_refuses(measure, x: np.ndarray, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(x, **options)
