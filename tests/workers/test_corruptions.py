"""Corruptions of labels and of pixels: what they change, how much of it, and what they leave alone."""

import dataclasses
import hashlib
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from measures.registry import Component
from workers.corruptions import corruptions
from workers.datasets.dataset import Dataset
from workers.seeding import stream

PIXELS = ("shuffled_pixels", "random_pixels", "gaussian_pixels")


def labelled(num_train: int = 20_000, num_test: int = 4_000, num_classes: int = 10) -> Dataset:
    """Examples without inputs to speak of."""
    random = np.random.default_rng(0)
    labels = random.integers(num_classes, size=num_train + num_test)
    return Dataset(
        np.zeros((num_train, 1)), labels[:num_train], np.zeros((num_test, 1)), labels[num_train:], num_classes
    )


def pictured(num_train: int = 40, num_test: int = 10, height: int = 7, width: int = 5) -> Dataset:
    """Bytes whose three channels have different brightness; every pixel of an image is another."""
    random = np.random.default_rng(1)
    shape = (num_train + num_test, 3, height, width)
    images = random.integers((0, 50, 100), (256, 156, 120), size=(*shape[:1], *shape[2:], 3)).transpose(0, 3, 1, 2)
    images = np.ascontiguousarray(images.astype(np.uint8))
    labels = np.arange(len(images)) % 10
    return Dataset(images[:num_train], labels[:num_train], images[num_train:], labels[num_train:], 10)


def corrupted(name: str, dataset: Dataset, data_seed: int = 0, **settings: object) -> Dataset:
    """As a trial corrupts it."""
    return corruptions.call(Component(name, **settings), dataset, stream(data_seed, "corruption", name))


def pixels(images: NDArray[np.generic]) -> NDArray[np.generic]:
    """(n, positions, channels): a pixel in a row."""
    return images.reshape(*images.shape[:2], -1).transpose(0, 2, 1)


def sorted_pixels(image: NDArray[np.generic]) -> list[list[float]]:
    return sorted(image.tolist())


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_nine_tenths_of_the_noise_really_change_a_label(fraction: float) -> None:
    clean = labelled()
    noisy = corrupted("random_labels", clean, fraction=fraction, corrupt_test=True)
    expected = 0.9 * fraction
    for before, after in ((clean.y_train, noisy.y_train), (clean.y_test, noisy.y_test)):
        changed = float(np.mean(before != after))
        assert abs(changed - expected) <= 4 * math.sqrt(expected * (1 - expected) / len(before))


def test_drawn_labels_are_uniform_and_independent_of_the_old_ones() -> None:
    clean = labelled()
    drawn = corrupted("random_labels", clean, fraction=1.0).y_train
    counts = np.zeros((10, 10))
    np.add.at(counts, (clean.y_train, drawn), 1)
    expected = counts.sum(axis=1, keepdims=True) / 10
    assert ((counts - expected) ** 2 / expected).sum() < 137.2  # chi-squared, 90 degrees of freedom, p = 0.001


def test_noise_is_nested_and_an_example_draws_the_same_label_at_every_fraction() -> None:
    clean = labelled()
    levels = [corrupted("random_labels", clean, fraction=p / 10, corrupt_test=True) for p in range(11)]
    for part in ("y_train", "y_test"):
        drawn = getattr(levels[-1], part)
        kept = np.stack([getattr(level, part) == getattr(clean, part) for level in levels])
        assert np.all(kept[:-1] >= kept[1:]), "an example that changed stays changed"
        for level in levels:
            labels = getattr(level, part)
            assert np.all((labels == getattr(clean, part)) | (labels == drawn))


def test_test_labels_change_only_if_asked_for_and_move_no_training_label() -> None:
    clean = labelled()
    without, with_test = (corrupted("random_labels", clean, fraction=0.3, corrupt_test=on) for on in (False, True))
    assert np.array_equal(without.y_test, clean.y_test)
    assert not np.array_equal(with_test.y_test, clean.y_test)
    assert np.array_equal(without.y_train, with_test.y_train)


def test_labels_are_bit_for_bit_those_of_version_1() -> None:
    labels = corrupted("random_labels", labelled(), fraction=0.5).y_train.astype("<i8")
    assert hashlib.sha256(labels.tobytes()).hexdigest()[:16] == "e60455c3b6a5229b"


def test_labels_need_classes() -> None:
    with pytest.raises(ValueError, match="random_labels is not valid for a data set without classes"):
        corrupted("random_labels", dataclasses.replace(labelled(), num_classes=None), fraction=0.5)


def test_shuffled_pixels_is_one_permutation_for_all() -> None:
    clean = pictured()
    shuffled = corrupted("shuffled_pixels", clean)
    # An image that counts its positions tells the permutation.
    counting = dataclasses.replace(clean, x_train=np.arange(35).reshape(1, 1, 7, 5).repeat(3, axis=1))
    permutation = corrupted("shuffled_pixels", counting).x_train[0, 0].ravel()
    assert sorted(permutation.tolist()) == list(range(35)) and permutation.tolist() != list(range(35))
    for before, after in ((clean.x_train, shuffled.x_train), (clean.x_test, shuffled.x_test)):
        assert np.array_equal(pixels(after), pixels(before)[:, permutation])


def test_random_pixels_shuffles_every_image_by_itself_and_keeps_its_colours() -> None:
    clean = pictured()
    counting = np.arange(35).reshape(1, 1, 7, 5).repeat(3, axis=1).repeat(50, axis=0)
    dataset = dataclasses.replace(clean, x_train=counting[:40], x_test=counting[40:])
    shuffled = corrupted("random_pixels", dataset)
    permutations = np.concatenate([pixels(shuffled.x_train), pixels(shuffled.x_test)])
    assert np.all(permutations == permutations[:, :, :1]), "channels move together"
    assert np.array_equal(np.sort(permutations[:, :, 0], axis=1), counting[:, 0].reshape(50, 35))
    assert len(np.unique(permutations[:, :, 0], axis=0)) == 50
    pictures = corrupted("random_pixels", clean)
    for before, after in ((clean.x_train, pictures.x_train), (clean.x_test, pictures.x_test)):
        assert [sorted_pixels(each) for each in pixels(before)] == [sorted_pixels(each) for each in pixels(after)]


def test_random_pixels_puts_every_pixel_everywhere_equally_often() -> None:
    counting = np.arange(6).reshape(1, 1, 2, 3).repeat(12_000, axis=0)
    dataset = dataclasses.replace(pictured(), x_train=counting)
    permutations = corrupted("random_pixels", dataset).x_train.reshape(-1, 6)
    counts = np.stack([np.bincount(column, minlength=6) for column in permutations.T])
    assert ((counts - 2_000) ** 2 / 2_000).sum() < 52.6  # chi-squared, 25 degrees of freedom, p = 0.001


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_normalised_gaussian_pixels_are_standard_normal(dtype: type) -> None:
    clean = pictured(num_train=400, num_test=400)
    raw = clean.x_train / 255
    if dtype is np.float32:
        clean = dataclasses.replace(clean, x_train=raw.astype(np.float32))
    mean, deviation = raw.mean(axis=(0, 2, 3), keepdims=True), raw.std(axis=(0, 2, 3), keepdims=True)
    noise = corrupted("gaussian_pixels", clean)
    for images in (noise.x_train, noise.x_test):
        assert images.dtype == np.float32
        standard = (images - mean) / deviation
        count = standard[:, 0].size
        for moment, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
            error = (standard**moment).mean(axis=(0, 2, 3)) - expected
            assert np.all(np.abs(error) < 4 * math.sqrt(variance / count))
        flat = standard.ravel()
        assert abs((flat[1:] * flat[:-1]).mean()) < 4 / math.sqrt(flat.size), "neighbours are independent"
    assert not np.array_equal(noise.x_train, noise.x_test)


def test_clamp_is_that_of_the_same_noise() -> None:
    noise, clamped = (corrupted("gaussian_pixels", pictured(), clamp=on) for on in (False, True))
    assert noise.x_train.min() < 0 and noise.x_train.max() > 1
    assert np.array_equal(clamped.x_train, np.clip(noise.x_train, 0, 1))
    assert np.array_equal(clamped.x_test, np.clip(noise.x_test, 0, 1))


def test_gaussian_pixels_of_a_channel_of_one_colour_are_that_colour() -> None:
    flat = dataclasses.replace(pictured(), x_train=np.full((10, 3, 7, 5), 77, dtype=np.uint8))
    np.testing.assert_allclose(corrupted("gaussian_pixels", flat).x_train, 77 / 255, atol=1e-6)


@pytest.mark.parametrize("name", PIXELS)
def test_what_an_image_becomes_does_not_depend_on_those_after_it(name: str) -> None:
    clean = pictured(num_train=33)
    statistics_kept = dataclasses.replace(clean, x_test=pictured(num_train=100).x_train)
    few, many = corrupted(name, clean), corrupted(name, statistics_kept)
    assert np.array_equal(few.x_train, many.x_train)
    assert len(few.x_test) < len(many.x_test)
    if name == "gaussian_pixels":  # which does not look at test images
        assert np.array_equal(few.x_test, many.x_test[: len(few.x_test)])


@pytest.mark.parametrize("name", list(corruptions.entries))
def test_a_corruption_repeats_itself_and_leaves_its_input_alone(name: str) -> None:
    settings = {"fraction": 0.5} if name == "random_labels" else {}
    clean = pictured()
    for array in (clean.x_train, clean.y_train, clean.x_test, clean.y_test):
        array.flags.writeable = False  # as a prepared array is
    first, again, other = (corrupted(name, clean, data_seed=seed, **settings) for seed in (1, 1, 2))
    fields = ("x_train", "y_train", "x_test", "y_test")
    assert all(np.array_equal(getattr(first, field), getattr(again, field)) for field in fields)
    same = all(np.array_equal(getattr(first, field), getattr(other, field)) for field in fields)
    assert same == (name == "none")
    assert first.x_train.shape == clean.x_train.shape and first.x_test.shape == clean.x_test.shape
    if name in PIXELS:
        assert first.y_train is clean.y_train and first.y_test is clean.y_test


@pytest.mark.parametrize("name", PIXELS)
def test_corruptions_of_pixels_are_for_images(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^corruption {name} is not valid for examples of shape \(1,\): .*images"):
        corrupted(name, labelled(20, 10))
