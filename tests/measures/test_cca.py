"""CCA, R2 CCA, SVCCA, PWCCA: prescribed correlations, textbook formulas, scipy, invariances, errors, bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh, subspace_angles

from measures import mean_cca, pwcca, pwcca_as_released, r2_cca, svcca

ALL = [mean_cca, r2_cca, svcca, pwcca]
# Correlations of the logits of two MNIST networks of google/svcca (model_0, model_1, lay04), and their summaries.
MNIST = np.array([0.94625, 0.92025, 0.90542, 0.88326, 0.84735, 0.77715, 0.73653, 0.57412, 0.37665, 0.09029])


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def frame(num_examples: int, num_columns: int, seed: int = 0) -> np.ndarray:
    """Orthonormal columns with mean 0."""
    columns = normal(seed, num_examples, num_columns)
    return np.linalg.qr(columns - columns.mean(axis=0))[0]


def pair_with(correlations: np.ndarray, num_examples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two representations whose canonical correlations are these exactly."""
    k = len(correlations)
    columns = frame(num_examples, 2 * k, seed)
    y = correlations * columns[:, :k] + np.sqrt(1 - correlations**2) * columns[:, k:]
    return columns[:, :k] @ normal(seed + 1, k, k) + 3, y @ normal(seed + 2, k, k) - 5


def correlated(num_examples: int, p: int, q: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    z = normal(seed, num_examples, p)
    return z * np.geomspace(1, 0.1, p), z @ normal(seed + 1, p, q) + 2 * normal(seed + 2, num_examples, q)


@pytest.mark.parametrize("measure", ALL)
def test_a_representation_is_like_itself_and_its_rotations(measure) -> None:
    x = normal(0, 60, 5)
    rotation, _ = np.linalg.qr(normal(1, 5, 5))
    for y in (x, x @ rotation, 7 * x - 2):
        result = measure(x, y)
        assert result.value == pytest.approx(1, abs=1e-13)
        assert result.stderr == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("measure", [mean_cca, r2_cca, pwcca])
def test_an_invertible_or_widening_map_changes_nothing(measure) -> None:
    x = normal(0, 60, 5)
    for matrix in (np.diag([1e-6, 1.0, 1e3, 1.0, 1.0]) @ normal(1, 5, 5), normal(2, 5, 9)):
        assert measure(x, x @ matrix).value == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("measure", ALL)
def test_orthogonal_representations_have_nothing_in_common(measure) -> None:
    columns = frame(50, 7)
    assert measure(columns[:, :3], columns[:, 3:]).value == pytest.approx(0, abs=1e-12)


def test_reference_correlations_of_two_mnist_networks() -> None:
    x, y = pair_with(MNIST, 200)
    assert mean_cca(x, y).correlations == pytest.approx(MNIST, abs=1e-12)
    assert mean_cca(x, y).value == pytest.approx(0.705726, abs=2e-6)  # from correlations of five digits
    assert r2_cca(x, y).value == pytest.approx(0.568624, abs=5e-6)


def test_by_the_textbook_eigenvalue_problem_and_by_scipy() -> None:
    x, y = correlated(80, 6, 4)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    explained = x.T @ y @ np.linalg.solve(y.T @ y, y.T @ x)
    squares = eigh(explained, x.T @ x, eigvals_only=True)[::-1][:4]
    assert mean_cca(x, y).correlations == pytest.approx(np.sqrt(squares), abs=1e-10)
    assert mean_cca(x, y).correlations == pytest.approx(np.cos(subspace_angles(x, y))[::-1], abs=1e-12)
    assert r2_cca(x, y).value == pytest.approx(squares.mean(), abs=1e-12)


def test_pwcca_by_the_formula_from_either_side() -> None:
    x, y = (side - side.mean(axis=0) for side in correlated(80, 6, 4))
    for one, other in ((x, y), (y, x)):
        explained = one.T @ other @ np.linalg.solve(other.T @ other, other.T @ one)
        squares, directions = eigh(explained, one.T @ one)  # directions make variates of length 1
        squares, directions = squares[-4:], directions[:, -4:]
        weights = np.abs((one @ directions).T @ one).sum(axis=1)
        assert pwcca(one, other).value == pytest.approx(weights @ np.sqrt(squares) / weights.sum(), rel=1e-10)
    assert abs(pwcca(x, y).value - pwcca(y, x).value) > 1e-3


def test_svcca_keeps_the_fewest_components_that_hold_the_variance() -> None:
    columns = frame(60, 8)
    x, y = columns[:, :4] * [10.0, 5.0, 1.0, 0.5], (columns[:, :4] + columns[:, 4:]) * [10.0, 5.0, 1.0, 0.5]
    total = 100 + 25 + 1 + 0.25
    for variance, kept in [(99 / total, 1), (101 / total, 2), (125.1 / total, 3), (0.99, 2), (1.0, 4)]:
        result = svcca(x, y, variance=variance)
        assert (result.rank_x, result.rank_y) == (kept, kept)
        assert result.value == pytest.approx(0.5**0.5, abs=1e-12)
    # By the sum of singular values, as google's tutorial takes it, 99 % would need all four.
    ours, first_two = svcca(x, y), svcca(x[:, :2], y[:, :2], variance=1.0)
    assert ours.correlations == pytest.approx(first_two.correlations, abs=1e-12)  # last bits differ by processor


def test_svcca_is_cca_of_the_reduced_sets() -> None:
    x, y = correlated(100, 12, 9)
    reduced = []
    for side in (x, y):
        left, values, _ = np.linalg.svd(side - side.mean(axis=0), full_matrices=False)
        kept = np.searchsorted(np.cumsum(values**2) / np.sum(values**2), 0.9) + 1
        reduced.append(left[:, :kept] * values[:kept])
    assert svcca(x, y, variance=0.9).value == pytest.approx(mean_cca(*reduced).value, rel=1e-12)


@pytest.mark.parametrize("measure", [mean_cca, r2_cca, pwcca])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dead_duplicated_and_dependent_units_change_nothing(measure, dtype) -> None:
    """The released code gives 0.909, an error, and 0.8696 with a correlation above 1 (20 units x 500 examples)."""
    x = normal(0, 500, 20).astype(dtype)
    y = (x[:, :12] + normal(1, 500, 12)).astype(dtype)
    dead, constant = np.zeros((500, 2), dtype), np.full((500, 1), 1e3 / 3, dtype)
    for extra in (dead, constant, x[:, :3], (x @ normal(2, 20, 5)).astype(dtype)):
        wide = np.hstack([x, extra])
        result = measure(wide, wide)
        assert result.value == pytest.approx(1, abs=1e-6)
        assert (result.rank_x, result.rank_y, len(result.correlations)) == (20, 20, 20)
        if measure is not pwcca:  # which weighs by the units of x, a duplicate twice
            assert measure(wide, y).value == pytest.approx(measure(x, y).value, rel=1e-5)
        assert measure(y, wide).value == pytest.approx(measure(y, x).value, rel=1e-5)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), exponent=st.integers(-6, 6), p=st.integers(1, 6), q=st.integers(1, 6))
def test_invariances(seed: int, exponent: int, p: int, q: int) -> None:
    x, y = correlated(40, p, q, seed)
    order = np.random.default_rng(seed).permutation(40)
    rotation, _ = np.linalg.qr(normal(seed, p, p))
    for measure in (mean_cca, r2_cca):
        moved = measure(x[order] @ (np.eye(p) + rotation / 2) * 10.0**exponent + 1, y[order])
        assert moved.value == pytest.approx(measure(x, y).value, rel=1e-8)
        assert moved.stderr == pytest.approx(measure(x, y).stderr, rel=1e-6, abs=1e-12)
        assert measure(y, x).value == pytest.approx(measure(x, y).value, rel=1e-10)
    assert svcca(x[order] @ rotation * 10.0**exponent, y[order]).value == pytest.approx(svcca(x, y).value, rel=1e-8)
    units = np.random.default_rng(seed).permutation(p)
    moved = pwcca(x[order][:, units] * 10.0**exponent, y[order] * np.arange(1, q + 1))
    assert moved.value == pytest.approx(pwcca(x, y).value, rel=1e-8)


def test_more_examples_bring_the_estimate_to_the_population_and_the_null_to_zero() -> None:
    correlations = np.array([0.9, 0.6, 0.3])
    results = {}
    for size in (50, 500, 5000):
        z, w = normal(0, size, 3), normal(1, size, 3)
        results[size] = mean_cca(z @ normal(2, 3, 3), correlations * z + np.sqrt(1 - correlations**2) * w)
    assert abs(results[5000].value - 0.6) < 3 * results[5000].stderr < 0.03
    assert results[5000].null < results[500].null < results[50].null
    assert results[5000].stderr == pytest.approx(results[500].stderr / 10**0.5, rel=0.2)


@pytest.mark.parametrize("measure", [mean_cca, r2_cca])
def test_standard_error_is_that_of_the_jackknife(measure) -> None:
    x, y = correlated(300, 3, 2)
    left_out = [measure(np.delete(x, i, axis=0), np.delete(y, i, axis=0)).value for i in range(300)]
    deviation = np.array(left_out) - measure(x, y).value
    assert measure(x, y).stderr == pytest.approx(np.sqrt(np.sum(deviation**2)), rel=0.03)


@pytest.mark.parametrize(("measure", "low", "high"), [(mean_cca, 0.85, 1.25), (pwcca, 0.85, 1.35)])
def test_standard_error_covers_the_spread_over_samples(measure, low: float, high: float) -> None:
    rng, mixing, results = np.random.default_rng(0), normal(1, 4, 3), []
    for _ in range(100):
        z = rng.normal(size=(200, 4))
        results.append(measure(z * np.geomspace(1, 0.1, 4), z @ mixing + 2 * rng.normal(size=(200, 3))))
    spread = np.std([result.value for result in results])
    assert low < np.mean([result.stderr for result in results]) / spread < high


def test_arrays_tensors_and_integers_agree() -> None:
    x, y = torch.as_tensor(normal(0, 50, 3)).requires_grad_(), normal(1, 50, 4)
    assert mean_cca(x, y) == mean_cca(x.detach().numpy(), torch.as_tensor(y))
    labels = np.eye(3, dtype=np.int64)[np.arange(50) % 3]  # one-hot: rank 2
    assert mean_cca(labels, y).rank_x == 2
    assert mean_cca(labels, y) == mean_cca(labels.astype(float), y)


def test_the_released_form_is_the_papers_on_white_centred_data() -> None:
    columns = frame(60, 8)
    x, y = columns[:, :4], columns[:, :4] * [0.9, 0.7, 0.5, 0.3] + columns[:, 4:]
    assert pwcca_as_released(x, y) == pytest.approx(pwcca(x, y).value, rel=1e-10)


def test_the_released_form_differs_from_the_paper_and_weighs_by_the_narrower() -> None:
    x, y = correlated(200, 6, 4)
    assert pwcca_as_released(x, y) == pwcca_as_released(y, x)
    assert abs(pwcca_as_released(x + 1, y + 1) - pwcca(y, x).value) > 1e-3


def test_too_few_examples_for_the_ranks_are_flagged() -> None:
    result = mean_cca(normal(0, 12, 8), normal(1, 12, 6))
    assert result.notes == ("3 of 6 correlations are 1 for any data: 12 examples are too few for ranks 8 and 6.",)
    assert result.correlations[:3] == pytest.approx([1, 1, 1]) and result.correlations[3] < 0.999
    assert mean_cca(normal(0, 101, 100), normal(1, 101, 100)).value == pytest.approx(1)
    assert mean_cca(normal(0, 15, 8), normal(1, 15, 6)).notes == ()


def test_few_examples_of_low_rank_are_fine() -> None:
    x = normal(0, 20, 3) @ normal(1, 3, 50)
    assert mean_cca(x, x[:, :2]).value == pytest.approx(1)
    assert mean_cca(x, normal(2, 20, 4)).rank_x == 3


GOOD, WITH_NAN = normal(0, 10, 3), normal(0, 10, 3)
WITH_NAN[4:6, 1] = np.nan


@pytest.mark.parametrize("measure", [*ALL, pwcca_as_released])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (GOOD, GOOD[:9], "x has 10 examples and y 9; rows must be the same examples"),
        (GOOD, WITH_NAN, "2 rows of y hold NaN or infinity"),
        (GOOD.astype(np.float16), GOOD, "x has dtype torch.float16; float32, float64 or integers are valid"),
        (GOOD, torch.as_tensor(GOOD).bfloat16(), "y has dtype torch.bfloat16"),
        (GOOD.astype(complex), GOOD, "x has dtype torch.complex128"),
        (GOOD, np.full((10, 3), 0.1), "y is constant: all 10 examples are equal, so there is nothing to compare"),
        (np.zeros((10, 2, 4, 4)), GOOD, r"x has shape \(10, 2, 4, 4\); examples must be rows \(for n, c, h, w see"),
        (GOOD[:, :0], GOOD, r"x has shape \(10, 0\)"),
        (GOOD[:2], GOOD[:2], "x has 2 examples; at least 3 are needed"),
    ],
)
def test_refuses(measure, x, y, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(x, y)


@pytest.mark.parametrize("measure", ALL)
@pytest.mark.parametrize(("size", "features"), [(20, 30), (20, 20), (50, 400)])
def test_refuses_fewer_examples_than_features(measure, size: int, features: int) -> None:
    message = rf"{size} examples of {features} features \(ranks \d+ and \d+\) are too few"
    with pytest.raises(ValueError, match=message):
        measure(normal(0, size, features), normal(1, size, features))


@pytest.mark.parametrize("variance", [0.0, 1.01, np.nan])
def test_refuses_a_share_of_variance(variance: float) -> None:
    with pytest.raises(ValueError, match=f"variance={variance} is not valid: above 0 and at most 1"):
        svcca(GOOD, GOOD, variance=variance)


def test_the_released_form_refuses_what_it_cannot_invert() -> None:
    with pytest.raises(ValueError, match="a covariance of 4 units is singular; the released form needs full rank"):
        pwcca_as_released(np.hstack([GOOD, GOOD[:, :1]]), normal(1, 10, 4))
