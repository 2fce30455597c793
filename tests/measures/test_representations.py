"""Convolutional outputs as rows, and what all comparisons leave as it was."""

import numpy as np
import pytest
import torch

from measures import (
    flattened,
    linear_cka,
    mean_cca,
    positions_as_examples,
    procrustes_distance,
    pwcca,
    rbf_cka,
    spatial_average,
    svcca,
)

IMAGES = np.arange(2 * 3 * 2 * 2, dtype=np.float64).reshape(2, 3, 2, 2)


def test_every_position_is_an_example_of_all_channels() -> None:
    rows = positions_as_examples(IMAGES)
    assert rows.shape == (8, 3)
    np.testing.assert_array_equal(rows[6], IMAGES[1, :, 1, 0])  # example 1, row 1, column 0


def test_every_channel_at_every_position_is_a_feature() -> None:
    np.testing.assert_array_equal(flattened(IMAGES), IMAGES.reshape(2, 12))


def test_the_average_is_over_positions() -> None:
    np.testing.assert_array_equal(spatial_average(torch.as_tensor(IMAGES)), IMAGES.mean(axis=(2, 3)))


def test_a_mixing_of_channels_is_seen_by_positions() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3, 2, 2))
    mixed = np.einsum("nchw,cd->ndhw", x, np.random.default_rng(1).normal(size=(3, 4)))
    assert mean_cca(positions_as_examples(x), positions_as_examples(mixed)).value == pytest.approx(1)


@pytest.mark.parametrize("as_rows", [positions_as_examples, flattened, spatial_average])
def test_refuses_what_has_no_positions(as_rows) -> None:
    with pytest.raises(ValueError, match=r"shape \(5, 3\) is not valid: \(examples, channels, height, width\)"):
        as_rows(np.zeros((5, 3)))


@pytest.mark.parametrize("measure", [mean_cca, svcca, pwcca, linear_cka, rbf_cka, procrustes_distance])
@pytest.mark.parametrize("scale", [1e-250, 1e-30, 1e30, 1e300])
def test_no_scale_overflows(measure, scale: float) -> None:
    x, y = (np.random.default_rng(seed).normal(size=(30, 3)) for seed in (0, 1))
    result, scaled = measure(x, y), measure(x * scale, y)
    assert scaled.value == pytest.approx(result.value, rel=1e-10)
    assert scaled.stderr == pytest.approx(result.stderr, rel=1e-8)


def test_read_only_and_reversed_arrays_are_taken_as_they_are() -> None:
    x = np.random.default_rng(0).normal(size=(30, 3))
    frozen = x[::-1].copy()
    frozen.setflags(write=False)
    assert linear_cka(frozen, x[::-1]) == linear_cka(x[::-1].copy(), frozen)


def test_two_devices_are_refused() -> None:
    x = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(ValueError, match="x is on cpu and y on meta; they must be on one device"):
        linear_cka(x, torch.empty(10, 3, device="meta"))


def test_comparing_leaves_the_inputs_and_the_global_generators_alone() -> None:
    x, y = (torch.randn(20, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    before, states = (x.clone(), y.clone()), (torch.get_rng_state(), np.random.get_state()[1].copy())
    for measure in (mean_cca, svcca, pwcca, linear_cka, rbf_cka, procrustes_distance):
        assert measure(x, y) == measure(x, y)
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])
    assert torch.equal(torch.get_rng_state(), states[0]) and np.array_equal(np.random.get_state()[1], states[1])
