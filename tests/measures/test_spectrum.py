"""Numbers read off a spectrum: closed forms, and the same from probes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from measures import Estimate, Spectrum, dense_spectrum, lanczos_quadrature

NOTHING = np.empty((0, 0))


def exactly(*eigenvalues: float) -> Spectrum:
    return Spectrum(len(eigenvalues), np.array(eigenvalues), NOTHING, NOTHING)


def test_effective_dimensionality_counts_negative_curvature_as_none() -> None:
    assert exactly(-5.0, 0.0, 1.0, 3.0).effective_dimensionality(1.0) == Estimate(0.5 + 0.75, 0.0)


def test_effective_dimensionality_has_no_pole() -> None:
    assert exactly(-1.0, 1.0).effective_dimensionality(1.0).value == 0.5


def test_trace_and_negative_mass() -> None:
    assert exactly(-1.0, 1.0, 2.0).trace == Estimate(2.0, 0.0)
    assert exactly(-1.0, 1.0, 2.0).negative_mass == Estimate(0.25, 0.0)
    assert exactly(0.0, 0.0).negative_mass == Estimate(0.0, 0.0)


@given(eigenvalues=arrays(np.float64, 12, elements=st.floats(-10, 10)), z=st.floats(1e-3, 1e3))
def test_effective_dimensionality_is_bounded_and_falls_with_z(eigenvalues: np.ndarray, z: float) -> None:
    spectrum = exactly(*eigenvalues)
    value = spectrum.effective_dimensionality(z).value
    assert 0.0 <= value <= np.sum(eigenvalues > 0)
    assert spectrum.effective_dimensionality(2 * z).value <= value


def test_log_determinant_matches_numpy() -> None:
    factor = torch.randn(30, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = factor @ factor.T
    expected = np.linalg.slogdet(matrix.numpy() + 0.3 * np.eye(30)).logabsdet
    assert dense_spectrum(matrix).log_determinant(0.3) == Estimate(pytest.approx(expected, rel=1e-12), 0.0)
    assert exactly(-5.0, 0.0, 2.0).log_determinant(1.0).value == pytest.approx(np.log(3.0))


@given(eigenvalues=arrays(np.float64, 12, elements=st.floats(-10, 10)), z=st.floats(1e-2, 1e2))
def test_effective_dimensionality_is_what_the_log_determinant_leaves(eigenvalues: np.ndarray, z: float) -> None:
    spectrum, step = exactly(*eigenvalues), 1e-4
    up, down = (spectrum.log_determinant(z * np.exp(sign * step)).value for sign in (1, -1))
    assert spectrum.effective_dimensionality(z).value == pytest.approx(12 - (up - down) / (2 * step), abs=1e-6)


def test_sums_from_probes_are_within_their_errors() -> None:
    eigenvalues = np.concatenate([np.geomspace(1e-3, 1.0, 280), np.linspace(2.0, 50.0, 20)])
    matrix = torch.diag(torch.from_numpy(eigenvalues))
    runs = [lanczos_quadrature(matrix, num_steps=60, num_probes=5, seed=seed) for seed in range(30)]
    for f in (lambda x: np.log(np.maximum(x, 0.0) + 0.1), lambda x: np.exp(-x), np.square):
        sums = [run.sum(f) for run in runs]
        values = np.array([estimate.value for estimate in sums])
        assert abs(values.mean() - f(eigenvalues).sum()) < 3.5 * values.std() / 30**0.5
        assert np.mean([estimate.stderr**2 for estimate in sums]) == pytest.approx(values.var(ddof=1), rel=0.7)
        assert max(abs(run.truncation_of(f)) for run in runs) < 0.05 * values.std()


def test_truncation_shrinks_as_steps_grow() -> None:
    matrix = torch.diag(torch.logspace(-4, 1, 300, dtype=torch.float64))
    changes = [
        abs(lanczos_quadrature(matrix, num_steps=n, num_probes=8, seed=0).truncation_of(np.cos)) for n in (4, 12, 36)
    ]
    assert changes[0] > 10 * changes[1] > 100 * changes[2]


def test_density_is_a_share_per_unit() -> None:
    np.testing.assert_allclose(exactly(0.5, 0.6, 3.0, 9.0).density(np.array([0.0, 1.0, 5.0])), [0.5, 0.25 / 4])


def test_density_from_probes_integrates_to_one() -> None:
    matrix = torch.diag(torch.linspace(-1, 1, 300, dtype=torch.float64))
    grid = np.linspace(-1.01, 1.01, 11)
    density = lanczos_quadrature(matrix, num_steps=60, num_probes=20, seed=0).density(grid)
    assert density @ np.diff(grid) == pytest.approx(1.0)
    np.testing.assert_allclose(density, 0.5, atol=0.08)


def test_negative_mass_from_probes_is_within_its_error() -> None:
    eigenvalues = np.concatenate([np.linspace(-1.0, 0.0, 100), np.linspace(0.0, 3.0, 200)])
    matrix = torch.diag(torch.from_numpy(eigenvalues))
    exact = dense_spectrum(matrix).negative_mass.value
    masses = [lanczos_quadrature(matrix, num_steps=80, num_probes=5, seed=seed).negative_mass for seed in range(40)]
    values = np.array([mass.value for mass in masses])
    assert abs(values.mean() - exact) < 3.5 * values.std() / 40**0.5
    assert np.mean([mass.stderr**2 for mass in masses]) == pytest.approx(values.var(ddof=1), rel=0.7)


def test_truncated_is_what_fewer_steps_give() -> None:
    matrix = torch.diag(torch.linspace(-1, 9, 200, dtype=torch.float64))
    long, short = (lanczos_quadrature(matrix, num_steps=m, num_probes=3, seed=0) for m in (24, 18))
    np.testing.assert_array_equal(long.truncated(18).diagonals, short.diagonals)
    np.testing.assert_array_equal(long.truncated(18).off_diagonals, short.off_diagonals)
    change = long.effective_dimensionality(0.1).value - short.effective_dimensionality(0.1).value
    assert long.truncation(0.1) == change != 0.0


def test_truncation_of_an_exact_spectrum_is_none() -> None:
    assert exactly(1.0, 2.0).truncation(1.0) == 0.0


def test_probe_average_adds_to_the_exact_part() -> None:
    spectrum = Spectrum(5, np.array([10.0]), np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]]))
    assert spectrum.trace == Estimate(10.0 + 4 * 2.0, pytest.approx(4 * 2**0.5 / 2**0.5))


def test_dense_spectrum_matches_numpy() -> None:
    matrix = torch.randn(30, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = matrix + matrix.T
    np.testing.assert_allclose(dense_spectrum(matrix).exact, np.linalg.eigvalsh(matrix.numpy()), atol=1e-12)


def test_dense_spectrum_symmetrises_rounding_errors() -> None:
    matrix = torch.diag(torch.ones(10))
    matrix[0, 1] = 1e-5
    np.testing.assert_allclose(dense_spectrum(matrix).exact, 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exactly(1.0).effective_dimensionality(0.0), "z=0.0 is not valid: it must be positive"),
        (lambda: exactly(1.0).effective_dimensionality(np.nan), "z=nan is not valid"),
        (lambda: exactly(1.0).log_determinant(0.0), "z=0.0 is not valid: it must be positive"),
        (lambda: exactly(-1.0, 4.0).sum(lambda x: np.where(x > 0, x, np.nan)), "not finite from -1 to 4"),
        (lambda: exactly(1.0).truncation(-1.0), "z=-1.0 is not valid"),
        (lambda: exactly(1.0).density(np.array([1.0, 0.0])), r"the grid must ascend .* got \[1. 0.\]"),
        (lambda: exactly(1.0).truncated(2), "num_steps=2 is not valid: between 1 and 0"),
        (lambda: dense_spectrum(torch.tensor([[1.0, 2.0], [0.0, 1.0]])), r"not symmetric: \|A - A\^T\| / \|A\| = 1.2"),
        (lambda: dense_spectrum(torch.full((2, 2), torch.inf)), "not finite"),
    ],
)
def test_refuses(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
