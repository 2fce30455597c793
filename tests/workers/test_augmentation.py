"""Shift, mirror and rotation against torchvision's own operations, and that it takes part in exact resumption."""

import dataclasses

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional

from measures.inputs import Split
from tests.workers.memory_session import MemorySession
from workers.building import build_problem
from workers.datasets.augmentation import augment, crop_flip, rotated, shifted
from workers.datasets.dataset import Augmentation
from workers.fits.sgd import sgd
from workers.problem import Problem
from workers.runtime import Runtime
from workers.spec import TrialSpec

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
BLACK = -torch.tensor(MEAN) / torch.tensor(DEVIATION)


def random_images(count: int, height: int = 32, width: int = 32) -> Tensor:
    """Images between black 0 and white 1."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("top", [0, 3, 8])
@pytest.mark.parametrize("left", [0, 4, 7])
@pytest.mark.parametrize("flip", [False, True])
def test_one_shift_is_torchvisions_pad_crop_flip_normalize(top: int, left: int, flip: bool):
    images = random_images(2, 20, 32)
    expected = functional.crop(functional.pad(images, [4]), top, left, 20, 32)
    expected = functional.hflip(expected) if flip else expected
    expected = functional.normalize(expected, list(MEAN), list(DEVIATION))
    result = shifted(
        functional.normalize(images, list(MEAN), list(DEVIATION)),
        torch.tensor([top, top]),
        torch.tensor([left, left]),
        torch.tensor([flip, flip]),
        BLACK,
        4,
    )
    torch.testing.assert_close(result, expected, rtol=0, atol=0)


def test_every_image_is_shifted_by_itself():
    images = random_images(3)
    tops, lefts, flips = torch.tensor([0, 8, 5]), torch.tensor([4, 1, 8]), torch.tensor([True, False, True])
    together = shifted(images, tops, lefts, flips, torch.zeros(3), 4)
    for i in range(3):
        one = slice(i, i + 1)
        alone = shifted(images[one], tops[one], lefts[one], flips[one], torch.zeros(3), 4)
        torch.testing.assert_close(together[one], alone, rtol=0, atol=0)


def test_the_same_stream_draws_the_same_and_leaves_the_images_alone():
    images = random_images(16)
    before = images.clone()
    first, again, other = (
        crop_flip(images, torch.Generator().manual_seed(seed), black=torch.zeros(3)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)


def test_all_offsets_and_both_directions_are_drawn_equally_often():
    # A single pixel of 1 in the middle of a 9 x 9 image shows by its place what was drawn.
    count = 16_200
    images = torch.zeros(count, 1, 9, 9)
    images[:, :, 4, 3] = 1
    result = crop_flip(images, torch.Generator().manual_seed(0), black=torch.zeros(1), padding=1)
    places, frequencies = torch.unique(result.nonzero()[:, 2:], dim=0, return_counts=True)
    # Rows 3 to 5; columns 2 to 4, and 4 to 6 when mirrored: column 4 is reached in both ways.
    assert places.tolist() == [[row, column] for row in (3, 4, 5) for column in (2, 3, 4, 5, 6)]
    expected = count / 18 * torch.tensor([1, 1, 2, 1, 1] * 3)
    assert ((frequencies - expected) ** 2 / expected).sum() < 36.1  # chi-squared, 14 degrees of freedom, p = 0.001


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 27, 40), (1, 1, 5)])
def test_a_rotation_is_torchvisions(shape: tuple[int, int, int]):
    angles = [-15.0, -14.2, -7.3, -1.0, 0.0, 0.4, 3.6, 9.9, 12.5, 15.0, 60.0]
    images = torch.rand(len(angles), *shape, generator=torch.Generator().manual_seed(0))
    black = -torch.arange(1.0, shape[0] + 1)
    result = rotated(images, torch.tensor(angles, dtype=torch.float64), black)
    for image, angle, turned in zip(images, angles, result, strict=True):
        expected = functional.rotate(image, angle, fill=black.tolist())
        torch.testing.assert_close(turned, expected, rtol=0, atol=0)


def test_angles_are_uniform_up_to_fifteen_degrees_to_both_sides():
    # Every pixel tells the column it came from; down the middle of a turned image that changes by -sin(angle) a row.
    count, size = 1000, 65
    images = torch.arange(1.0, size + 1).expand(count, 1, size, size)
    result = augment(images, torch.Generator().manual_seed(0), kind="crop_flip_rotation", black=torch.zeros(1))
    inner = slice(8, size - 8)  # which no border reaches
    middle = result[:, 0, inner, size // 2].double()
    rows = torch.arange(size)[inner] - (size - 1) / 2
    slopes = (middle * rows).sum(dim=1) / rows.square().sum()
    angles = torch.rad2deg(torch.asin(-slopes)).sort().values
    assert -15.3 < angles[0] < -14.7
    assert 14.7 < angles[-1] < 15.3
    uniform = torch.linspace(-15, 15, count)
    assert (angles - uniform).abs().max() < 30 * 1.95 / count**0.5  # Kolmogorov and Smirnov, p = 0.001


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 28, 28)])
def test_each_kind_adds_to_the_one_before(shape: tuple[int, int, int]):
    images = torch.rand(6, *shape, generator=torch.Generator().manual_seed(0))
    black = -torch.ones(shape[0])

    def augmented(kind: Augmentation) -> Tensor:
        return augment(images, torch.Generator().manual_seed(3), kind=kind, black=black)

    shifted_only = crop_flip(images, torch.Generator().manual_seed(3), black=black)
    torch.testing.assert_close(augmented("none"), images, rtol=0, atol=0)
    torch.testing.assert_close(augmented("crop_flip"), shifted_only, rtol=0, atol=0)
    turned = augmented("crop_flip_rotation")
    assert turned.shape == images.shape
    assert torch.equal(turned, augmented("crop_flip_rotation"))
    assert not torch.equal(turned, shifted_only)
    for before, after in zip(shifted_only, turned, strict=True):
        assert set(after.flatten().tolist()) <= {-1.0, *before.flatten().tolist()}


def image_problem(runtime: Runtime, spec: TrialSpec, augmented: bool) -> Problem:
    """The small trial, on 30 small images with one channel."""
    problem = build_problem(spec, runtime)
    images = random_images(30, 5, 8)[:, :1]
    train = Split(images.contiguous(), problem.train.targets[:30])
    augment = (lambda x, g: crop_flip(x, g, black=torch.zeros(1), padding=2)) if augmented else None
    return dataclasses.replace(problem, train=train, test=train, clean_targets={}, augment=augment)


def test_an_augmented_training_resumes_exactly(runtime: Runtime, small_trial: TrialSpec):
    settings = {"epochs": 3, "batch_size": 10}  # checkpoint at step 4: in the middle of the second epoch
    whole, plain = MemorySession(frozenset({4})), MemorySession(frozenset())
    sgd(image_problem(runtime, small_trial, augmented=True), whole, **settings)
    resumed = MemorySession(frozenset(), start=whole.states[4])
    sgd(image_problem(runtime, small_trial, augmented=True), resumed, **settings)
    sgd(image_problem(runtime, small_trial, augmented=False), plain, **settings)
    end, again, without = (memory.states[9].tensors for memory in (whole, resumed, plain))
    assert all(torch.equal(end[name], again[name]) for name in end)
    assert not all(torch.equal(end[name], without[name]) for name in end)


def test_batches_of_an_epoch_and_epochs_are_augmented_differently(runtime: Runtime, small_trial: TrialSpec):
    draws: list[float] = []

    def note(inputs: Tensor, generator: torch.Generator) -> Tensor:
        draws.append(torch.rand((), generator=generator).item())
        return inputs

    problem = dataclasses.replace(image_problem(runtime, small_trial, augmented=False), augment=note)
    sgd(problem, MemorySession(frozenset()), epochs=3, batch_size=10)
    assert len(set(draws)) == 9
