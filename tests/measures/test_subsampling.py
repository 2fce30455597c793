"""TwoNN of random parts of the points: equal to TwoNN on each part, and what its error is worth."""

import numpy as np
import pytest
import torch

from measures import subsampled_twonn, twonn


@pytest.mark.parametrize("fraction", [0.9, 0.5, 0.1])
@pytest.mark.parametrize("method", ["fit", "mle"])
def test_every_part_equals_twonn_on_it(fraction: float, method) -> None:
    x = np.random.default_rng(1).normal(size=(300, 4))
    result = subsampled_twonn(x, fraction=fraction, num_subsets=4, seed=7, method=method, discard_fraction=0.2)
    generator = np.random.default_rng(7)
    parts = [generator.permutation(300)[: int(300 * fraction)] for _ in range(4)]
    expected = np.array([twonn(x[part], method=method, discard_fraction=0.2).value for part in parts])
    np.testing.assert_allclose(result.values, expected, rtol=1e-12)
    assert result.value == twonn(x, method=method, discard_fraction=0.2).value
    assert (result.mean, result.spread) == (pytest.approx(expected.mean()), pytest.approx(expected.std()))
    assert result.stderr == pytest.approx((fraction / (1 - fraction)) ** 0.5 * expected.std())


def test_duplicates_and_tensors() -> None:
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    result = subsampled_twonn(torch.cat([x, x[:10]]), num_subsets=3)
    assert np.array_equal(result.values, subsampled_twonn(torch.cat([x, x[:10]]).numpy(), num_subsets=3).values)


def test_error_covers_the_true_deviation_and_the_published_spread_does_not() -> None:
    rng = np.random.default_rng(0)
    found = [subsampled_twonn(rng.normal(size=(400, 5)), num_subsets=12, seed=i) for i in range(60)]
    true = np.std([result.value for result in found])
    assert 1 < np.mean([result.stderr for result in found]) / true < 2
    assert np.mean([result.spread for result in found]) < 0.7 * true


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": 1.0}, "fraction=1.0 is not valid: above 0 and below 1"),
        ({"num_subsets": 1}, "num_subsets=1 is not valid: at least 2"),
        ({"fraction": 0.2}, "2 of 10 points are too few for TwoNN: at least 3"),
    ],
)
def test_refuses_settings(options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        subsampled_twonn(np.random.default_rng(0).normal(size=(10, 2)), **options)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array(5.0), r"shape \(\) is not valid"),
        (np.zeros((2, 3)), "2 points are too few: 2 neighbours of each need 3"),
        (np.ones((9, 3)), "0 of 8 points have no duplicate"),
        (np.full((9, 3), np.nan), "9 of 9 rows hold NaN or infinity"),
    ],
)
def test_refuses_points(x: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        subsampled_twonn(x)
