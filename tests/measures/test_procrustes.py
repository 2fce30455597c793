"""Procrustes distance: rotations, scipy, the triangle inequality, precision near 0, its error and its null."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes

from measures import linear_cka, procrustes_distance


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def unit(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=0)
    return centred / np.linalg.norm(centred)


def test_nothing_is_left_after_the_right_rotation() -> None:
    x = normal(0, 50, 4)
    rotation, _ = np.linalg.qr(normal(1, 6, 6))
    for y in (x, 9 * x + 1, np.hstack([x, np.zeros((50, 2))]) @ rotation):
        result = procrustes_distance(x, y)
        assert result.value < 1e-14 and result.stderr < 1e-14


def test_small_distances_keep_their_digits() -> None:
    x, noise = unit(normal(0, 50, 1)), unit(normal(1, 50, 1))
    noise -= x * np.sum(x * noise)
    distance = procrustes_distance(x, x + 1e-9 * noise / np.linalg.norm(noise)).value
    assert distance == pytest.approx(1e-9, rel=1e-5)


def test_orthogonal_representations_are_as_far_as_can_be() -> None:
    columns, _ = np.linalg.qr(normal(0, 30, 5) - normal(0, 30, 5).mean(axis=0))
    assert procrustes_distance(columns[:, :2], columns[:, 2:]).value == pytest.approx(2**0.5)


def test_by_scipy_and_by_the_nuclear_norm() -> None:
    x, y = unit(normal(0, 40, 4)), unit(normal(0, 40, 4) + normal(1, 40, 4))
    rotation, nuclear_norm = orthogonal_procrustes(x, y)
    value = procrustes_distance(x, y).value
    assert value == pytest.approx(np.linalg.norm(x @ rotation - y), rel=1e-12)
    assert value**2 == pytest.approx(2 - 2 * nuclear_norm, rel=1e-12)


def test_more_features_than_examples_and_unequal_widths() -> None:
    x, y = normal(0, 20, 30), normal(1, 20, 45)
    nuclear_norm = np.linalg.norm(unit(x).T @ unit(y), "nuc")
    assert procrustes_distance(x, y).value ** 2 == pytest.approx(2 - 2 * nuclear_norm, rel=1e-10)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), exponent=st.integers(-6, 6), widths=st.tuples(*[st.integers(1, 8)] * 3))
def test_is_an_invariant_metric(seed: int, exponent: int, widths: tuple[int, int, int]) -> None:
    x, y, z = (normal(seed + i, 12, width) for i, width in enumerate(widths))
    rotation, _ = np.linalg.qr(normal(seed, widths[0], widths[0]))
    order = np.random.default_rng(seed).permutation(12)
    xy, yz, xz = (procrustes_distance(*pair).value for pair in ((x, y), (y, z), (x, z)))
    assert xz <= xy + yz + 1e-12
    assert procrustes_distance(y, x).value == pytest.approx(xy, rel=1e-10)
    moved = procrustes_distance((x @ rotation)[order] * 10.0**exponent + 1, y[order])
    assert moved.value == pytest.approx(xy, rel=1e-8)


def test_standard_error_is_that_of_the_jackknife() -> None:
    x = normal(0, 150, 3)
    y = x @ normal(1, 3, 4) + normal(2, 150, 4)
    left_out = [procrustes_distance(np.delete(x, i, axis=0), np.delete(y, i, axis=0)).value for i in range(150)]
    assert procrustes_distance(x, y).stderr == pytest.approx(np.sqrt(149 * np.var(left_out)), rel=0.05)


def test_null_is_where_unrelated_representations_lie() -> None:
    rng = np.random.default_rng(0)
    results = [procrustes_distance(rng.normal(size=(60, 5)), rng.normal(size=(60, 8))) for _ in range(30)]
    differences = [result.value - result.null for result in results]
    assert abs(np.mean(differences)) < 4 * np.std(differences) / 30**0.5
    assert all(0 < result.null_stderr < 0.02 for result in results)
    x, y = rng.normal(size=(60, 5)), rng.normal(size=(60, 8))
    assert procrustes_distance(x, y) == procrustes_distance(x, y)
    assert procrustes_distance(x, y, seed=1).null != procrustes_distance(x, y).null


def test_more_examples_bring_the_null_to_the_largest_distance() -> None:
    nulls = [procrustes_distance(normal(0, n, 4), normal(1, n, 4)).null for n in (30, 300, 3000)]
    assert nulls[0] < nulls[1] < nulls[2] < 2**0.5
    assert 2**0.5 - nulls[2] < 0.05


def test_orders_pairs_as_alignment_does() -> None:
    x, noise = normal(0, 80, 5), normal(1, 80, 5)
    pairs = [(x, x + scale * noise) for scale in (0.1, 0.5, 2.0)]
    distances = [procrustes_distance(*pair).value for pair in pairs]
    assert distances == sorted(distances)
    assert [linear_cka(*pair).value for pair in pairs] == sorted((linear_cka(*p).value for p in pairs), reverse=True)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (normal(0, 9, 3), "x has 10 examples and y 9"),
        (np.full((10, 3), np.nan), "10 rows of y hold NaN"),
        (np.ones((10, 3)), "y is constant: all 10 examples are equal"),
        (normal(0, 10, 3).astype(np.float16), "y has dtype torch.float16"),
    ],
)
def test_refuses(y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        procrustes_distance(normal(0, 10, 3), y)
