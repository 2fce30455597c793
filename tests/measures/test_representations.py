"""Convolutional outputs as rows, and that the pages and docstrings on similarity run as they stand."""

import contextlib
import doctest
import importlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from measures import flattened, mean_cca, positions_as_examples, spatial_average

PAGES = Path(__file__).parents[2] / "docs" / "measures"
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


@pytest.mark.parametrize("page", ["canonical_correlation", "kernel_alignment", "procrustes_distance"])
def test_examples_of_the_page_run(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (PAGES / f"{page}.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, page, "exec"), {})
        assert printed.getvalue()


@pytest.mark.parametrize("name", ["cca", "cca_null", "cka", "procrustes", "representations"])
def test_examples_of_the_docstrings_hold(name: str) -> None:
    results = doctest.testmod(importlib.import_module(f"measures.{name}"))
    assert results.attempted > 0 and results.failed == 0
