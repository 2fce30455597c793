"""Kernel alignment: closed forms, the double-centred matrices, U-statistics, invariances, errors, bad input."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from measures import cka, linear_cka, minibatch_cka, rbf_cka

ALL = [
    linear_cka,
    rbf_cka,
    lambda x, y: linear_cka(x, y, debiased=True),
    lambda x, y: rbf_cka(x, y, debiased=True),
    lambda x, y: minibatch_cka([(x, y)]),
]


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def related(num_examples: int, p: int, q: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = normal(seed, num_examples, p) * np.geomspace(1, 0.3, p)
    return x + 3, np.tanh(x @ normal(seed + 1, p, q)) + 0.5 * normal(seed + 2, num_examples, q)


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """tr(K H L H), by the matrices."""
    h = np.eye(len(k)) - 1 / len(k)
    return float(np.trace(k @ h @ m @ h))


def unbiased_hsic(k: np.ndarray, m: np.ndarray) -> float:
    """HSIC_1 of Song et al., with the diagonals set to 0."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    cross = k.sum(axis=0) @ m.sum(axis=0)
    return float((np.trace(k @ m) + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * cross / (n - 2)) / (n * (n - 3)))


def alignment(norm, k: np.ndarray, m: np.ndarray) -> float:
    return norm(k, m) / np.sqrt(norm(k, k) * norm(m, m))


def gaussian_kernel(x: np.ndarray, bandwidth: float) -> np.ndarray:
    squares = squareform(pdist(x, "sqeuclidean"))
    return np.exp(
        -squares / (2 * bandwidth**2 * np.sort(pdist(x, "sqeuclidean"))[(len(x) * (len(x) - 1) // 2 - 1) // 2])
    )


@pytest.mark.parametrize("measure", ALL)
def test_a_representation_is_like_itself_and_its_rotations(measure) -> None:
    x = normal(0, 40, 5)
    rotation, _ = np.linalg.qr(normal(1, 7, 7))
    for y in (x, np.hstack([x, np.zeros((40, 2))]) @ rotation, 7 * x - 2):
        result = measure(x, y)
        assert result.value == pytest.approx(1, abs=1e-12)
        assert result.stderr is None or result.stderr == pytest.approx(0, abs=1e-10)


def test_closed_forms() -> None:
    columns, _ = np.linalg.qr(normal(0, 30, 6) - normal(0, 30, 6).mean(axis=0))
    assert linear_cka(columns[:, :3], columns[:, 3:]).value == pytest.approx(0, abs=1e-14)
    # Of orthonormal columns with scales s against the same without: sum s^2 / (sqrt(3) |s^2|).
    scales = np.array([3.0, 2.0, 1.0])
    expected = np.sum(scales**2) / (3**0.5 * np.linalg.norm(scales**2))
    assert linear_cka(columns[:, :3] * scales, columns[:, :3]).value == pytest.approx(expected, rel=1e-13)
    # One unit each: the squared correlation.
    x, y = normal(0, 30, 1), normal(0, 30, 1) + normal(1, 30, 1)
    assert linear_cka(x, y).value == pytest.approx(np.corrcoef(x.T, y.T)[0, 1] ** 2, rel=1e-12)


@pytest.mark.parametrize(("p", "q"), [(3, 4), (60, 50), (2, 80)])
@pytest.mark.parametrize("block_bytes", [1 << 26, 1 << 11])
def test_linear_by_the_double_centred_gram_matrices(p: int, q: int, block_bytes: int, monkeypatch) -> None:
    monkeypatch.setattr(cka, "BLOCK_BYTES", block_bytes)
    x, y = related(30, p, q)
    k, m = x @ x.T, y @ y.T
    assert linear_cka(x, y).value == pytest.approx(alignment(hsic, k, m), rel=1e-10)
    assert linear_cka(x, y, debiased=True).value == pytest.approx(alignment(unbiased_hsic, k, m), rel=1e-10)


def test_feature_and_example_space_agree() -> None:
    x, y = related(200, 5, 9)
    wide = [np.hstack([side, np.zeros((200, 300))]) for side in (x, y)]
    for debiased in (False, True):
        narrow_result, wide_result = linear_cka(x, y, debiased=debiased), linear_cka(*wide, debiased=debiased)
        for field in ("value", "stderr", "null"):
            assert getattr(wide_result, field) == pytest.approx(getattr(narrow_result, field), rel=1e-10)


@pytest.mark.parametrize("bandwidth", [0.2, 0.4, 1.0])
def test_rbf_by_its_matrices(bandwidth: float) -> None:
    x, y = related(31, 4, 6)
    k, m = gaussian_kernel(x, bandwidth), gaussian_kernel(y, bandwidth)
    assert rbf_cka(x, y, bandwidth=bandwidth).value == pytest.approx(alignment(hsic, k, m), rel=1e-10)
    debiased = rbf_cka(x, y, bandwidth=bandwidth, debiased=True).value
    assert debiased == pytest.approx(alignment(unbiased_hsic, k, m), rel=1e-9)


def test_a_wide_rbf_kernel_is_the_linear_one() -> None:
    x, y = related(50, 4, 6)
    assert rbf_cka(x, y, bandwidth=300).value == pytest.approx(linear_cka(x, y).value, abs=1e-4)


def test_the_unbiased_norm_is_the_u_statistic_over_quadruples() -> None:
    """Sum over distinct i, j, q, r of K_ij (L_ij + L_qr - 2 L_iq), over their number."""
    x, y = related(7, 2, 3)

    def by_quadruples(k: np.ndarray, m: np.ndarray) -> float:
        terms = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in itertools.permutations(range(7), 4)]
        return float(np.mean(terms))

    expected = alignment(by_quadruples, x @ x.T, y @ y.T)
    assert linear_cka(x, y, debiased=True).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("measure", [linear_cka, rbf_cka])
def test_null_is_the_mean_over_all_pairings(measure) -> None:
    x, y = related(6, 2, 3)
    orders = list(itertools.permutations(range(6)))
    values = [measure(x, y[list(order)]).value for order in orders]
    assert measure(x, y).null == pytest.approx(np.mean(values), rel=1e-10)
    debiased = [measure(x, y[list(order)], debiased=True).value for order in orders[::7]]
    assert measure(x, y, debiased=True).null == 0.0
    assert abs(np.mean(debiased)) < 0.1 < np.std(debiased)


@pytest.mark.parametrize(("n", "published"), [(200, 0.33333), (2000, 0.047619)])
def test_gaussian_data_lie_around_the_published_null(n: int, published: float) -> None:
    """sqrt(pq / ((n + p)(n + q))) for p = q = 100; the next order is 1 / n of it."""
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(n, 100)), rng.normal(size=(n, 100))) for _ in range(10)]
    results = [linear_cka(*pair) for pair in pairs]
    assert np.mean([result.null for result in results]) == pytest.approx(published, rel=2 / n)
    debiased = [linear_cka(*pair, debiased=True).value for pair in pairs]
    for differences in ([result.value - result.null for result in results], debiased):
        assert abs(np.mean(differences)) < 4 * np.std(differences) / 10**0.5


def test_batches_approach_the_debiased_value_of_all_examples() -> None:
    x, y = related(300, 6, 8)
    rng = np.random.default_rng(0)

    def passes(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        orders = [rng.permutation(300).reshape(10, 30) for _ in range(count)]
        return [(x[rows], y[rows]) for order in orders for rows in order]

    whole = linear_cka(x, y, debiased=True).value
    assert minibatch_cka([(x, y)]).value == pytest.approx(whole, rel=1e-12)
    assert minibatch_cka(passes(100)).value == pytest.approx(whole, abs=2e-3)
    one = minibatch_cka(passes(1))
    assert one.value == pytest.approx(whole, abs=3 * one.stderr)


def test_batches_are_averaged_before_the_ratio_and_a_short_last_one_is_left_out() -> None:
    x, y = related(25, 3, 4)
    batches = [(x[i : i + 10], y[i : i + 10]) for i in (0, 10, 20)]
    sums = [
        sum(unbiased_hsic(pair[a] @ pair[a].T, pair[b] @ pair[b].T) for pair in batches[:2])
        for a, b in ((0, 1), (0, 0), (1, 1))
    ]
    result = minibatch_cka(iter(batches))
    assert result.value == pytest.approx(sums[0] / np.sqrt(sums[1] * sums[2]), rel=1e-10)
    assert (result.num_examples, result.null) == (20, 0.0)
    one, two = (minibatch_cka([batch]).value for batch in batches[:2])
    assert result.stderr == pytest.approx(abs(one - two) / 2, rel=1e-10)  # the jackknife of two
    assert minibatch_cka(batches[:1]).stderr is None
    assert minibatch_cka([*batches[:2], (x[:1], y[:1])]) == result


def test_batches_of_unlike_scale_keep_their_weights() -> None:
    x, y = related(20, 3, 4)
    x[10:] *= 1000.0
    batches = [(x[i : i + 10], y[i : i + 10]) for i in (0, 10)]
    norms = [[unbiased_hsic(a @ a.T, b @ b.T) for a, b in ((x, y), (x, x), (y, y))] for x, y in batches]
    xy, xx, yy = np.sum(norms, axis=0)
    assert minibatch_cka(batches).value == pytest.approx(xy / np.sqrt(xx * yy), rel=1e-8)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), exponent=st.integers(-6, 6), p=st.integers(1, 8), q=st.integers(1, 8))
def test_invariances(seed: int, exponent: int, p: int, q: int) -> None:
    x, y = related(12, p, q, seed)
    order = np.random.default_rng(seed).permutation(12)
    rotation, _ = np.linalg.qr(normal(seed, p, p))
    for measure in ALL[:4]:
        result, moved = measure(x, y), measure(((x @ rotation) * 10.0**exponent + 1)[order], y[order])
        assert moved.value == pytest.approx(result.value, rel=1e-7, abs=1e-9)
        assert moved.stderr == pytest.approx(result.stderr, rel=1e-6, abs=1e-8)
        assert measure(y, x).value == pytest.approx(result.value, rel=1e-9, abs=1e-12)
        assert -1 <= result.value <= 1 + 1e-12


def test_is_not_invariant_under_other_linear_maps() -> None:
    x = normal(0, 100, 3)
    assert linear_cka(x, x * [1.0, 10.0, 100.0]).value < 0.7


@pytest.mark.parametrize(
    ("measure", "size", "tolerance"),
    [(ALL[0], 400, 0.05), (ALL[2], 400, 0.05), (ALL[1], 150, 0.2)],  # rbf_cka takes the bandwidth as given
)
def test_standard_error_is_that_of_the_jackknife(measure, size: int, tolerance: float) -> None:
    x, y = related(size, 3, 4)
    left_out = [measure(np.delete(x, i, axis=0), np.delete(y, i, axis=0)).value for i in range(size)]
    assert measure(x, y).stderr == pytest.approx(np.sqrt((size - 1) * np.var(left_out)), rel=tolerance)


def test_standard_error_covers_the_spread_over_samples_and_more_examples_shrink_both() -> None:
    ratios, spreads = [], []
    for size in (100, 400):
        mixing, rng, results = normal(1, 3, 4), np.random.default_rng(0), []
        for _ in range(100):
            x = rng.normal(size=(size, 3))
            results.append(linear_cka(x, x @ mixing + 2 * rng.normal(size=(size, 4)), debiased=True))
        spreads.append(np.std([result.value for result in results]))
        ratios.append(np.mean([result.stderr for result in results]) / spreads[-1])
    assert all(0.85 < ratio < 1.25 for ratio in ratios)
    assert spreads[1] == pytest.approx(spreads[0] / 2, rel=0.3)


def test_arrays_and_tensors_agree_and_float32_is_taken_exactly() -> None:
    x, y = (side.astype(np.float32) for side in related(40, 3, 4))
    assert linear_cka(torch.as_tensor(x), torch.as_tensor(y)) == linear_cka(x.astype(np.float64), y)


GOOD, WITH_NAN = normal(0, 10, 3), normal(0, 10, 3)
WITH_NAN[0, 0] = np.inf


@pytest.mark.parametrize("measure", ALL)
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (GOOD, GOOD[:9], "x has 10 examples and y 9; rows must be the same examples"),
        (WITH_NAN, GOOD, "1 rows of x hold NaN or infinity"),
        (GOOD.astype(np.float16), GOOD, "x has dtype torch.float16"),
        (GOOD, np.full((10, 3), 0.1), "y is constant: all 10 examples are equal"),
        (GOOD[:3], GOOD[:3], "x has 3 examples; at least 4 are needed"),
    ],
)
def test_refuses(measure, x, y, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(x, y)


def test_refuses_equal_distances_where_the_debiased_norm_is_zero() -> None:
    with pytest.raises(ValueError, match="all examples of y are equally far from one another"):
        linear_cka(GOOD, np.eye(10), debiased=True)
    assert 0 < linear_cka(GOOD, np.eye(10)).value < 1


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, np.nan])
def test_refuses_a_bandwidth(bandwidth: float) -> None:
    with pytest.raises(ValueError, match=f"bandwidth={bandwidth} is not valid: it must be positive"):
        rbf_cka(GOOD, GOOD, bandwidth=bandwidth)


def test_refuses_a_median_distance_of_zero() -> None:
    mostly_equal = np.vstack([np.zeros((9, 3)), np.ones((1, 3))])
    with pytest.raises(ValueError, match="the median distance within y is 0: half of its examples are equal"):
        rbf_cka(GOOD, mostly_equal)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((), "there are no batches to compare"),
        ((5, 6), "a batch of 6 examples is not valid: all but the last have 5"),
        ((6, 5, 6), "a batch of 5 examples is not valid: all but the last have 6"),
    ],
)
def test_refuses_batches(sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        minibatch_cka((GOOD[:size], GOOD[:size] ** 2) for size in sizes)
