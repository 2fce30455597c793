"""TwoNN: the exact Pareto set, reference values of the public implementations, invariances, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from measures import Neighbors, gride, nearest_neighbors, twonn
from measures.twonn import fit_pareto
from tests.measures.dimension_cases import (
    LATTICE,
    flat_torus,
    moved,
    reference_cube,
    scikit_dimension_ball,
    sphere,
    uniform_ball,
)

SURFACES = {
    "gauss": lambda size, dimension, rng: rng.normal(size=(size, dimension)),
    "cube": lambda size, dimension, rng: rng.random((size, dimension)),
    "ball": uniform_ball,
    "sphere": sphere,
    "torus": flat_torus,
}


@pytest.mark.parametrize("dimension", [0.5, 2.0, 7.5, 40.0])
@pytest.mark.parametrize("discard_fraction", [0.02, 0.1, 0.5])
def test_exact_pareto_quantiles_give_the_exact_dimension(dimension: float, discard_fraction: float) -> None:
    ratios = (1 - np.arange(1, 200) / 200) ** (-1 / dimension)
    log_ratios = np.log(np.append(ratios, 2 * ratios[-1]))
    value, _ = fit_pareto(np.random.default_rng(0).permutation(log_ratios), discard_fraction)
    assert value == pytest.approx(dimension, rel=1e-13)


def test_reference_values() -> None:
    assert twonn(scikit_dimension_ball()).value == pytest.approx(4.52231, abs=5e-6)  # scikit-dimension
    assert twonn(scikit_dimension_ball(), discard_fraction=0.05).value == pytest.approx(4.63403, abs=5e-6)
    cube = reference_cube()
    assert twonn(cube).value == pytest.approx(4.582776, abs=5e-7)
    assert twonn(cube, method="mle").value == pytest.approx(4.552038, abs=5e-7)  # DADApy


def test_by_the_formula() -> None:
    x = np.random.default_rng(1).normal(size=(80, 4))
    r1, r2 = nearest_neighbors(x, 2).distances.numpy().T
    log_ratios = np.sort(np.log(r2 / r1))[:72]
    y = -np.log(1 - np.arange(1, 73) / 80)
    result = twonn(x)
    assert result.value == pytest.approx(np.linalg.lstsq(log_ratios[:, None], y, rcond=None)[0][0], rel=1e-12)
    assert (result.mean_r1, result.mean_r2) == (pytest.approx(r1.mean()), pytest.approx(r2.mean()))
    assert (result.num_points, result.num_duplicates, result.num_ties) == (80, 0, 0)


@pytest.mark.parametrize(("discard_fraction", "factor"), [(0.0, None), (0.1, 1.07), (0.5, None)])
def test_standard_error_is_that_of_independent_ratios(discard_fraction: float, factor: float | None) -> None:
    rng = np.random.default_rng(0)
    results = np.array([fit_pareto(rng.exponential(1 / 5, size=500), discard_fraction) for _ in range(2000)])
    assert np.mean(results[:, 1]) == pytest.approx(results[:, 0].std() / 5, rel=0.05)
    if factor is not None:
        assert results[0, 1] * 500**0.5 == pytest.approx(factor, abs=0.005)


def test_standard_error_of_the_mle() -> None:
    result = twonn(np.random.default_rng(0).normal(size=(400, 3)), method="mle")
    assert result.stderr == pytest.approx(result.value / 20)


@pytest.mark.parametrize(
    ("name", "dimension", "expected"),
    [
        ("gauss", 2, 2.05), ("gauss", 5, 5.12), ("gauss", 10, 9.69),
        ("cube", 2, 2.00), ("cube", 5, 4.53), ("cube", 10, 8.55),
        ("ball", 2, 2.01), ("ball", 5, 4.72), ("ball", 10, 8.92),
        ("sphere", 2, 2.03), ("sphere", 5, 4.87), ("sphere", 10, 9.34),
        ("torus", 2, 2.02), ("torus", 5, 5.10), ("torus", 10, 12.6),
    ],
)  # fmt: skip
def test_surfaces_of_known_bias(name: str, dimension: int, expected: float) -> None:
    """Two means over 10 draws of 1000 points, each with an error of 1.2 %: three errors of their difference."""
    rng = np.random.default_rng(0)
    values = [twonn(SURFACES[name](1000, dimension, rng)).value for _ in range(10)]
    assert np.mean(values) == pytest.approx(expected, rel=3 * 2**0.5 * 0.012)


@pytest.mark.parametrize("method", ["fit", "mle"])
@pytest.mark.parametrize("dimension", [1, 2])  # beyond, the curvature shows at this number of points
def test_torus_of_known_dimension_is_found_within_the_error(method, dimension: int) -> None:
    rng = np.random.default_rng(0)
    results = [twonn(flat_torus(2000, dimension, rng), method=method) for _ in range(5)]
    error = np.mean([result.stderr for result in results]) / 5**0.5
    assert np.mean([result.value for result in results]) == pytest.approx(dimension, abs=2.5 * error)


def test_more_points_bring_the_estimate_nearer() -> None:
    rng = np.random.default_rng(0)
    errors = [20 - np.mean([twonn(rng.normal(size=(n, 20))).value for _ in range(8000 // n)]) for n in (125, 4000)]
    assert errors[0] > errors[1] + 1 > 1


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_is_invariant_under_similarity_and_permutation(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 4))
    before, after = twonn(x), twonn(moved(x, rng, scale, shift))
    assert (after.value, after.ks_distance) == (
        pytest.approx(before.value, rel=1e-6),
        pytest.approx(before.ks_distance, rel=1e-5),
    )


def test_arrays_and_tensors_agree() -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert twonn(x) == twonn(x.detach().numpy())


def test_kept_neighbours_give_the_same_result() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert twonn(nearest_neighbors(x, 16)) == twonn(x)
    assert replace(twonn(nearest_neighbors(x, 2)), curve=None) == replace(twonn(x), curve=None)


def test_follows_the_dimension_over_scales() -> None:
    rng = np.random.default_rng(0)
    line = np.outer(rng.normal(size=500), np.ones(10))
    clean, noisy = twonn(line), twonn(line + 0.01 * rng.normal(size=line.shape))
    assert clean.curve is not None and clean.curve.verdict == "plateau: dimension 1.0 from rank 1 to 8"
    assert noisy.curve is not None and noisy.curve.verdict.startswith("no plateau: the dimension depends on the scale")
    assert clean.curve == gride(line, ranks=(1, 2, 4, 8))
    few = twonn(rng.normal(size=(5, 3)))
    assert few.curve is not None and [scale.rank for scale in few.curve.scales] == [1, 2]
    tied = torch.tensor([[1.0, 2, 2, 2], [1, 3, 3, 3], [1, 4, 4, 4]], dtype=torch.float64)
    assert twonn(Neighbors(tied, torch.zeros((3, 4), dtype=torch.long), "float64")).curve is None


def test_says_what_limits_the_number() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    assert (twonn(x).dtype, twonn(x).notes) == ("float64", ())
    assert twonn(x.astype(np.float32)).dtype == "float32"
    high = twonn(rng.normal(size=(300, 30)))
    assert high.value > 10 and "above 10 is underestimated" in high.notes[0]
    half = twonn(torch.from_numpy(x).to(torch.bfloat16))
    assert half.dtype == "bfloat16" and "came in bfloat16" in half.notes[-1]
    assert half.value == twonn(torch.from_numpy(x).to(torch.bfloat16).double()).value
    repeated = twonn(np.vstack([x, x[:10]]))
    assert repeated.notes == ("20 of 310 points were dropped as duplicates of another.",)


def test_duplicates_are_dropped_and_counted() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    result = twonn(np.vstack([x, x[:10]]))
    assert (result.num_points, result.num_duplicates) == (190, 20)


def test_ties_are_kept_and_counted() -> None:
    x = np.vstack([np.random.default_rng(0).normal(size=(50, 2)), [[100.0, 0.0], [101.0, 0.0], [99.0, 0.0]]])
    result = twonn(x)
    assert (result.num_points, result.num_ties) == (53, 1)


def test_fit_quality_falls_away_from_one_dimension() -> None:
    rng = np.random.default_rng(0)
    good = twonn(rng.normal(size=(1000, 3)))
    bad = twonn(np.vstack([rng.normal(size=(500, 1)) @ np.ones((1, 20)), 100 + rng.normal(size=(500, 20))]))
    assert good.r_squared > 0.99 > bad.r_squared
    assert good.ks_distance < 0.05 < bad.ks_distance


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.zeros((2, 3)), {}, "2 points are too few: 2 neighbours of each need 3"),
        (np.zeros(9), {}, r"shape \(9,\) is not valid"),
        (np.ones((10, 3)), {}, "0 of 10 points have no duplicate; at least 3 are needed"),
        (np.full((10, 3), np.nan), {}, "10 of 10 rows hold NaN"),
        (LATTICE, {}, r"all 64 points have r1 = r2 \(a lattice\?\)"),
        (LATTICE, {"method": "mle"}, "all 64 points have r1 = r2"),
        (np.vstack([LATTICE, [[9.0, 9.0, 9.0]]]), {}, "discard_fraction=0.1 is not valid here: the 58 smallest ratios"),
        (LATTICE, {"discard_fraction": 1.0}, "discard_fraction=1.0 is not valid: at least 0 and below 1"),
        (LATTICE, {"method": "ml"}, "method='ml' is not valid: 'fit' or 'mle'"),
    ],
)
def test_refuses(x: np.ndarray, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        twonn(x, **options)
