"""The participation ratio: eigenvalues, the jackknife by brute force, reference values, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from measures import participation_ratio
from tests.measures.dimension_cases import moved, reference_cube, scikit_dimension_ball


def by_eigenvalues(x: np.ndarray) -> float:
    eigenvalues = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    return eigenvalues.sum() ** 2 / (eigenvalues**2).sum()


@pytest.mark.parametrize("dimension", [1, 3, 8])
def test_a_cross_polytope_has_as_many_directions_as_dimensions(dimension: int) -> None:
    corners = np.vstack([np.eye(8)[:dimension], -np.eye(8)[:dimension]]) if dimension > 1 else np.arange(4.0)[:, None]
    assert participation_ratio(corners).value == pytest.approx(dimension, rel=1e-14)


def test_known_spectrum() -> None:
    half = np.diag(np.sqrt([4.0, 2.0, 1.0, 1.0]))
    assert participation_ratio(np.vstack([half, -half])).value == pytest.approx(64 / 22, rel=1e-14)


def test_reference_values() -> None:
    assert participation_ratio(scikit_dimension_ball()).value == pytest.approx(4.387876, abs=5e-7)
    assert participation_ratio(reference_cube()).value == pytest.approx(4.983143, abs=5e-7)


@pytest.mark.parametrize("shape", [(12, 5), (6, 20), (3, 1)])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_error_and_bias_are_the_jackknife_by_brute_force(shape: tuple[int, int], offset: float) -> None:
    x = offset + np.random.default_rng(0).normal(size=shape)
    n = len(x)
    left_out = np.array([by_eigenvalues(np.delete(x, i, axis=0)) for i in range(n)])
    result = participation_ratio(x)
    assert result.value == pytest.approx(by_eigenvalues(x), rel=1e-9)
    assert result.stderr == pytest.approx(np.sqrt((n - 1) * left_out.var()), rel=1e-6, abs=1e-8)
    assert result.bias == pytest.approx((n - 1) * (left_out.mean() - result.value), rel=1e-6, abs=1e-8)


def test_one_dominant_example_is_left_out_exactly() -> None:
    x = np.vstack([np.random.default_rng(0).normal(size=(9, 3)), [[1e7, 0, 0]]])
    left_out = np.array([by_eigenvalues(np.delete(x, i, axis=0)) for i in range(10)])
    assert participation_ratio(x).stderr == pytest.approx(3 * left_out.std(), rel=1e-6)


def test_error_is_that_of_repeated_draws_and_bias_correction_helps() -> None:
    rng = np.random.default_rng(0)
    scales = np.sqrt(1 / np.arange(1, 11))
    true = (scales**2).sum() ** 2 / (scales**4).sum()
    found = [participation_ratio(rng.normal(size=(200, 10)) * scales) for _ in range(300)]
    values = np.array([result.value for result in found])
    assert np.mean([result.stderr for result in found]) == pytest.approx(values.std(), rel=0.1)
    corrected = values - [result.bias for result in found]
    assert abs(corrected.mean() - true) < 0.3 * abs(values.mean() - true)


def test_more_points_bring_the_estimate_nearer() -> None:
    rng = np.random.default_rng(0)
    errors = [abs(20 - participation_ratio(rng.normal(size=(n, 20))).value) for n in (50, 500, 5000)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-200, 1e-3, 1.0, 1e200]), features=st.integers(2, 40))
def test_is_invariant_under_similarity_and_permutation(seed: int, scale: float, features: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(15, features))
    before, after = participation_ratio(x), participation_ratio(moved(x, rng, scale, shift=7 * scale))
    assert 1 <= before.value <= min(14, features) + 1e-9
    assert (after.value, after.stderr) == (pytest.approx(before.value), pytest.approx(before.stderr))


def test_arrays_and_tensors_agree_and_notes_say_what_limits_the_number() -> None:
    x = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    assert participation_ratio(x) == participation_ratio(x.numpy())
    assert (participation_ratio(x).num_points, participation_ratio(x).num_features) == (20, 30)
    assert "directions are many for 20 points" in participation_ratio(x).notes[0]
    assert "came in float16" in participation_ratio(x.half()).notes[1]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3)), r"shape \(2, 3\) is not valid: examples in rows, at least 3"),
        (np.full((10, 3), 0.1), "all 10 points are equal"),
        (np.eye(10)[[0, 1, 1, 1]], "all 3 points are equal"),
        (np.full((10, 3), np.nan), "10 of 10 rows hold NaN"),
    ],
)
def test_refuses(x: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        participation_ratio(x)
