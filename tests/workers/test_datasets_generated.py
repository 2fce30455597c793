"""Data sets that need no files, against their definitions and the published numbers."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from measures.registry import Component
from workers.datasets import datasets
from workers.datasets.bayesian_linear import bayesian_linear
from workers.datasets.dataset import Dataset
from workers.datasets.growing_wave import growing_wave
from workers.datasets.modular_arithmetic import modular_arithmetic
from workers.datasets.random_features import random_features
from workers.datasets.sinusoid import embedding, sinusoid
from workers.datasets.two_spirals import two_spirals

GENERATED = (modular_arithmetic, sinusoid, two_spirals, random_features, bayesian_linear, growing_wave)
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def drawn(one: Dataset, other: Dataset, entry: Any) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The arrays that differ between seeds: not the labels of alternating classes, nor evenly spaced points."""
    fixed = {two_spirals: ("y_train", "y_test"), bayesian_linear: ("x_train",), growing_wave: ("x_train",)}.get(
        entry, ()
    )
    return [(getattr(one, name), getattr(other, name)) for name in ARRAYS if name not in fixed]


@pytest.mark.parametrize("entry", GENERATED)
def test_the_data_seed_draws_all_of_it_and_nothing_else_does(entry: Any):
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, again, other = entry(5), entry(5), entry(6)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    for one, another in ((first, other), (first, entry(0))):
        assert not any(np.array_equal(*pair) for pair in drawn(one, another, entry))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("entry", GENERATED[1:])
def test_numbers_are_float32(entry: Any):
    dataset = entry(0)
    targets = np.float32 if dataset.num_classes is None else np.int64
    assert (dataset.x_train.dtype, dataset.x_test.dtype) == (np.float32, np.float32)
    assert (dataset.y_train.dtype, dataset.y_test.dtype) == (targets, targets)


# Modular arithmetic: activation-id 1.3, of which the first shuffled indices are 8360, 8818, 7909, 9044, 24.


def decoded(tokens: NDArray[Any], labels: NDArray[Any]) -> list[tuple[int, int, int]]:
    assert tokens.dtype == labels.dtype == np.int64
    assert (tokens[:, 1] == 0).all() and (tokens[:, 3] == 1).all()
    return [(int(a) - 2, int(b) - 2, int(c)) for (a, _, b, _), c in zip(tokens, labels, strict=True)]


def test_the_published_split_begins_as_published():
    dataset = modular_arithmetic(0)
    first = decoded(dataset.x_train[:5], dataset.y_train[:5])
    assert first[:4] == [(87, 9, 42), (91, 83, 42), (82, 38, 43), (94, 21, 83)]
    assert [a * 96 + b - 1 for a, b, _ in first] == [8360, 8818, 7909, 9044, 24]
    assert (dataset.num_classes, dataset.input_shape) == (97, (4,))


@pytest.mark.parametrize(
    ("fraction", "sizes"), [(0.15, (1396, 7916)), (0.20, (1862, 7450)), (0.25, (2328, 6984)), (0.30, (2793, 6519))]
)
def test_split_sizes_are_the_published_ones(fraction: float, sizes: tuple[int, int]):
    dataset = modular_arithmetic(0, train_fraction=fraction)
    assert (len(dataset.y_train), len(dataset.y_test)) == sizes


@pytest.mark.parametrize(("operation", "count"), [("division", 11 * 10), ("sum", 121), ("subtraction", 121)])
@pytest.mark.parametrize("data_seed", [0, 1])
def test_every_equation_holds_and_occurs_once(operation: Any, count: int, data_seed: int):
    dataset = modular_arithmetic(data_seed, prime=11, operation=operation, train_fraction=0.3)
    train, test = decoded(dataset.x_train, dataset.y_train), decoded(dataset.x_test, dataset.y_test)
    assert len(train) == int(0.3 * count)
    assert len({(a, b) for a, b, _ in train + test}) == len(train + test) == count
    for a, b, c in train + test:
        assert 0 <= a < 11 and 0 <= b < 11 and 0 <= c < 11
        assert {"division": (b * c - a) % 11, "sum": (a + b - c) % 11, "subtraction": (a - b - c) % 11}[operation] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prime": 91}, "prime=91 is not valid: value error, a prime is needed"),
        ({"prime": 2}, "prime=2 is not valid"),
        ({"prime": 3, "train_fraction": 0.1}, r"^train_fraction=0.1 is not valid: it leaves none of 6 equations$"),
        ({"operation": "product"}, "operation='product' is not valid"),
    ],
)
def test_arithmetic_that_is_not_there_is_refused(settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        datasets.call(Component("modular_arithmetic", **settings), 0)


# Sinusoid: trajectory 1.1.


def latent(inputs: NDArray[Any], data_seed: int) -> NDArray[np.float64]:
    """(u, v, 0, ..., 0) of each point; E^T E is 100 times the identity."""
    return inputs.astype(np.float64) @ embedding(data_seed).numpy() / 100


@pytest.mark.parametrize("omega", [0.25, 0.5, 0.75, 1.0])
def test_targets_are_the_sinusoid_of_the_points_in_the_plane(omega: float):
    dataset = sinusoid(2, omega=omega)
    for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        points = latent(x, 2)
        np.testing.assert_allclose(points[:, 2:], 0, atol=1e-6)
        u, v = points[:, 0], points[:, 1]
        np.testing.assert_allclose(y, np.cos(2 * np.pi * omega * u) * np.cos(2 * np.pi * omega * v), atol=1e-5)
    assert (dataset.x_train.shape, dataset.x_test.shape, dataset.num_classes) == ((100, 10), (30, 10), None)


def test_the_embedding_is_an_isometry_times_ten():
    np.testing.assert_allclose(embedding(7).T @ embedding(7), 100 * np.eye(10), atol=1e-12)


def test_latent_points_are_uniform_in_the_square():
    points = latent(sinusoid(0, num_train=20_000).x_train, 0)[:, :2]
    assert np.abs(points).max() < 1 + 1e-6
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=5, range=[[-1, 1], [-1, 1]])
    assert ((counts - 800) ** 2 / 800).sum() < 51.2  # chi-squared, 24 degrees of freedom, p = 0.001


def test_all_omega_share_points_and_embedding():
    slow, fast = sinusoid(1, omega=0.25), sinusoid(1, omega=1.0)
    np.testing.assert_array_equal(slow.x_train, fast.x_train)
    np.testing.assert_array_equal(slow.x_test, fast.x_test)
    assert not np.array_equal(slow.y_train, fast.y_train)


# Two spirals: effective-dimensionality 1.8.


def test_without_noise_points_lie_on_the_two_spirals():
    dataset = two_spirals(0, num_train=501, num_test=40, noise=0)
    assert (len(dataset.y_train), len(dataset.y_test), dataset.num_classes) == (501, 40, 2)
    assert np.bincount(dataset.y_train).tolist() == [251, 250]
    sign = np.where(dataset.y_train == 0, 1.0, -1.0)[:, None]
    x = dataset.x_train * sign
    t = np.linalg.norm(x, axis=1) / 1.5
    assert t.max() < 600 * 2 * math.pi / 360
    np.testing.assert_allclose(x, np.stack([-1.5 * t * np.cos(t), 1.5 * t * np.sin(t)], axis=1), atol=1e-4)


def test_spirals_are_filled_and_blurred_as_defined():
    clean, noisy = (two_spirals(0, num_train=20_000, noise=noise) for noise in (0, 1.3))
    # t^2 is uniform: its mean is half the largest, to within 4 standard errors.
    squares = (np.linalg.norm(clean.x_train[::2], axis=1) / 1.5 / (600 * 2 * math.pi / 360)) ** 2
    assert abs(squares.mean() - 0.5) < 4 / math.sqrt(12 * 10_000)
    noise = (noisy.x_train - clean.x_train)[::2] / 1.3
    assert abs(noise.mean()) < 4 / math.sqrt(20_000)
    assert abs(noise.std() - 1) < 4 / math.sqrt(40_000)
    np.testing.assert_array_equal(noisy.x_train[1::2], -noisy.x_train[::2])


# Random features: effective-dimensionality 1.7.


def relative_test_error(num_features: int, data_seed: int) -> float:
    data = random_features(data_seed, num_features=num_features)
    x, y, x_test, y_test = (getattr(data, name).astype(np.float64) for name in ARRAYS)
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    return float(np.linalg.norm(x_test @ weights - y_test) / np.linalg.norm(y_test))


def test_the_test_error_peaks_where_features_are_as_many_as_examples():
    # Published, for one draw: 1.96 at 199 features, and descents on both sides.
    errors = {count: np.mean([relative_test_error(count, seed) for seed in range(3)]) for count in (50, 199, 399)}
    assert errors[199] > 1
    assert max(errors[50], errors[399]) < 0.5


def test_fewer_features_are_the_first_of_more():
    few, many = random_features(0, num_features=7), random_features(0, num_features=90)
    np.testing.assert_array_equal(few.x_train, many.x_train[:, :7])
    np.testing.assert_array_equal(few.x_test, many.x_test[:, :7])
    np.testing.assert_array_equal(few.y_train, many.y_train)


def test_informative_features_are_the_target_with_unit_noise():
    data = random_features(0, num_features=60, num_informative=20, num_train=5000)
    noise = data.x_train[:, :20] - data.y_train[:, None]
    for rest in (noise, data.x_train[:, 20:]):
        correlation = rest.T @ data.y_train / 5000
        assert np.abs(correlation).max() < 4.5 / math.sqrt(5000)
        assert np.abs(rest.std(axis=0) - 1).max() < 4.5 / math.sqrt(10_000)


# Bayesian linear model: effective-dimensionality 1.5.


def test_the_gram_matrix_has_the_published_spectrum():
    features = bayesian_linear(0).x_train.astype(np.float64)
    assert features.shape == (300, 200)
    eigenvalues = np.linalg.eigvalsh(features.T @ features)
    assert eigenvalues.min() == pytest.approx(149.5, abs=0.1)
    assert eigenvalues.max() == pytest.approx(249.5, abs=0.1)


def test_features_are_cosines_and_sines_of_evenly_spaced_points():
    dataset = bayesian_linear(0, num_frequencies=3)
    x = np.linspace(0, 50, 300)
    waves = [np.cos(k * np.pi * x) for k in (1, 2, 3)] + [np.sin(k * np.pi * x) for k in (1, 2, 3)]
    np.testing.assert_allclose(dataset.x_train, np.stack(waves, axis=1), atol=1e-6)
    assert dataset.x_test.shape == (300, 6)


def residuals(dataset: Dataset) -> NDArray[np.float64]:
    """What weights fitted to the training examples leave of the test targets."""
    x, y, x_test, y_test = (getattr(dataset, name).astype(np.float64) for name in ARRAYS)
    return y_test - x_test @ np.linalg.lstsq(x, y, rcond=None)[0]


def test_test_targets_have_the_same_weights_and_the_noise_asked_for():
    assert np.abs(residuals(bayesian_linear(0, noise=0))).max() < 1e-3
    noise = residuals(bayesian_linear(0, num_frequencies=2, num_train=5000, num_test=5000))
    assert noise.std() == pytest.approx(0.1, rel=4 / math.sqrt(10_000))


def test_fewer_points_seen_are_the_first_of_more_and_all_are_the_published_ones():
    few, many, published = bayesian_linear(3, num_seen=5), bayesian_linear(3, num_seen=300), bayesian_linear(3)
    np.testing.assert_array_equal(few.x_train, many.x_train[:5])
    np.testing.assert_array_equal(few.y_train, many.y_train[:5])
    np.testing.assert_array_equal(few.x_test, published.x_test)
    order = np.lexsort(many.x_train.T), np.lexsort(published.x_train.T)
    np.testing.assert_array_equal(many.x_train[order[0]], published.x_train[order[1]])
    assert not np.array_equal(many.x_train, published.x_train), "in another order"
    assert not np.array_equal(few.x_train, bayesian_linear(4, num_seen=5).x_train)


def test_no_more_points_can_be_seen_than_there_are():
    with pytest.raises(ValueError, match="num_seen=11 is not valid: at most num_train=10"):
        bayesian_linear(0, num_train=10, num_seen=11)


def test_the_published_random_features_are_drawn_in_the_notebooks_order():
    draws = np.random.RandomState(88)
    for count in (5, 7, 9):
        splits = []
        for _ in ("train", "test"):
            y = draws.standard_normal(200)
            splits += [draws.standard_normal((200, count)) + y[:, None], y]
        data = random_features(88, num_features=count, draws="published")
        for name, expected in zip(ARRAYS, splits, strict=True):
            np.testing.assert_array_equal(getattr(data, name), expected.astype(np.float32))


@pytest.mark.parametrize("count", [3, 4, 200])
def test_the_notebook_has_odd_numbers_of_features(count: int):
    with pytest.raises(ValueError, match=f"num_features={count} is not valid with the published draws: 5, 7, 9"):
        random_features(88, num_features=count, draws="published")


# The Bayesian network's data: effective-dimensionality 1.6.


def test_the_wave_grows_and_its_targets_are_standardised():
    data = growing_wave(0, num_train=400, num_test=50)
    x = np.linspace(-1, 1, 400)
    np.testing.assert_allclose(data.x_train, np.stack([np.ones(400), x, x**2], axis=1), atol=1e-6)
    assert (data.y_train.mean(), data.y_train.std()) == pytest.approx((0, 1), abs=1e-5)
    wave = 0.5 * (0.5 + x) ** 2 * np.sin(4 * x)
    basis = np.column_stack([np.ones(400), x, x**2, wave])
    weights = np.linalg.lstsq(basis, data.y_train, rcond=None)[0]
    noise = (basis @ weights - data.y_train).std() / weights[3]
    assert noise == pytest.approx(0.05, rel=4 / math.sqrt(800))
    assert data.x_test.min() >= -1 and data.x_test.shape == (50, 3)
