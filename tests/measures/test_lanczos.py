"""Lanczos, eigenpairs and quadrature against dense linear algebra, on spectra that are hard for them."""

from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from measures import dense_spectrum, lanczos, lanczos_quadrature, top_eigenvalues

SPECTRA = {
    "bulk and outliers": [*np.linspace(-0.5, 1.0, 57), 5.0, 20.0, 80.0],
    "clustered": [*(1.0 + 1e-9 * np.arange(20)), *(3.0 + 1e-9 * np.arange(20)), *np.zeros(20)],
    "negative": [*-np.geomspace(1e-3, 10.0, 60)],
    "wide range": [*np.geomspace(1e-6, 1e3, 60)],
}


def symmetric(eigenvalues: list[float] | np.ndarray, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """A matrix with the given eigenvalues in a random orthonormal basis."""
    generator = torch.Generator().manual_seed(seed)
    basis, _ = torch.linalg.qr(
        torch.randn(len(eigenvalues), len(eigenvalues), dtype=torch.float64, generator=generator)
    )
    matrix = basis @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ basis.T
    return ((matrix + matrix.T) / 2).to(dtype)


def start(size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("eigenvalues", SPECTRA.values(), ids=SPECTRA)
@pytest.mark.parametrize("num_steps", [1, 7, 60, 500])
def test_recurrence_holds_on_an_orthonormal_basis(eigenvalues: list[float], num_steps: int) -> None:
    matrix = symmetric(eigenvalues)
    run = lanczos(matrix, start(60), num_steps)
    size = len(run.diagonal)
    tridiagonal = torch.from_numpy(
        np.diag(run.diagonal) + np.diag(run.off_diagonal[:-1], 1) + np.diag(run.off_diagonal[:-1], -1)
    )
    scale = float(np.abs(eigenvalues).max())
    torch.testing.assert_close(run.basis.T @ run.basis, torch.eye(size, dtype=torch.float64), rtol=0, atol=1e-13)
    remainder = matrix @ run.basis - run.basis @ tridiagonal
    torch.testing.assert_close(remainder[:, :-1], torch.zeros(60, size - 1).double(), rtol=0, atol=1e-12 * scale)
    assert float(remainder[:, -1].norm()) == pytest.approx(run.off_diagonal[-1], abs=1e-12 * scale)


def test_stops_at_an_invariant_subspace() -> None:
    run = lanczos(symmetric([1.0] * 10 + [2.0] * 10 + [5.0] * 10), start(30), 30)
    assert len(run.diagonal) == 3
    assert run.off_diagonal[-1] == 0.0
    np.testing.assert_allclose(run.ritz_values, [1.0, 2.0, 5.0], rtol=1e-12)


@pytest.mark.parametrize("matrix", [torch.zeros(4, 4), torch.full((1, 1), -3.0)], ids=["zero", "one by one"])
def test_smallest_problems(matrix: Tensor) -> None:
    run = lanczos(matrix, start(len(matrix)), 10)
    assert len(run.diagonal) == 1
    assert run.ritz_values[0] == pytest.approx(float(matrix[0, 0]))
    assert top_eigenvalues(matrix, num_eigenvalues=1, seed=0).eigenvalues[0] == pytest.approx(float(matrix[0, 0]))
    spectrum = lanczos_quadrature(matrix, num_steps=10, num_probes=2, seed=0)
    assert spectrum.trace.value == pytest.approx(float(matrix.trace()))


@pytest.mark.parametrize("eigenvalues", SPECTRA.values(), ids=SPECTRA)
def test_top_eigenvalues_of_a_full_run_are_exact(eigenvalues: list[float]) -> None:
    matrix = symmetric(eigenvalues)
    pairs = top_eigenvalues(matrix, num_eigenvalues=25, seed=0, tolerance=1e-12)
    scale = np.abs(eigenvalues).max()
    np.testing.assert_allclose(pairs.eigenvalues, np.sort(eigenvalues)[::-1][:25], rtol=0, atol=1e-11 * scale)


def test_top_eigenvalues_finds_copies_behind_an_invariant_subspace() -> None:
    pairs = top_eigenvalues(symmetric([5.0, 5.0, 5.0, 2.0, 1.0, 1.0]), num_eigenvalues=4, seed=0)
    np.testing.assert_allclose(pairs.eigenvalues, [5.0, 5.0, 5.0, 2.0], rtol=1e-12)
    assert pairs.converged.all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_top_eigenpairs_of_a_large_matrix(dtype: torch.dtype) -> None:
    eigenvalues = np.concatenate([np.linspace(-1.0, 1.0, 590), np.linspace(3.0, 30.0, 10)])
    matrix = symmetric(eigenvalues, dtype=dtype)
    pairs = top_eigenvalues(matrix, num_eigenvalues=10, seed=0, tolerance=1e-5)
    assert pairs.converged.all()
    assert np.all(np.abs(pairs.eigenvalues - eigenvalues[::-1][:10]) <= pairs.residuals + 1e-6)
    true = matrix.double() @ pairs.eigenvectors - pairs.eigenvectors * torch.from_numpy(pairs.eigenvalues)
    rounding = 30 * (1e-5 if dtype == torch.float32 else 1e-14)  # of two products with the same vector
    np.testing.assert_allclose(pairs.residuals, true.norm(dim=0), rtol=1e-6, atol=rounding)
    torch.testing.assert_close(pairs.eigenvectors.T @ pairs.eigenvectors, torch.eye(10).double(), rtol=0, atol=1e-12)


def test_says_what_has_not_converged() -> None:
    pairs = top_eigenvalues(symmetric(np.linspace(0, 1, 200)), num_eigenvalues=5, seed=0, tolerance=1e-6, max_steps=20)
    assert not pairs.converged.any()
    distance = np.abs(pairs.eigenvalues[:, None] - np.linspace(0, 1, 200)).min(axis=1)
    assert np.all(distance <= pairs.residuals)


def test_quadrature_of_a_full_run_gives_the_moments_of_the_probe() -> None:
    """With as many steps as dimensions the rule is exact for every function of the probe's spectral measure."""
    matrix = symmetric(SPECTRA["bulk and outliers"])
    spectrum = lanczos_quadrature(matrix, num_steps=60, num_probes=200, seed=0)
    exact = dense_spectrum(matrix)
    for f in (np.exp, np.abs, lambda x: 1.0 * (x > 0.2)):
        estimate = spectrum.sum(lambda x, f=f: f(x / 80.0) if f is np.exp else f(x))
        truth = exact.sum(lambda x, f=f: f(x / 80.0) if f is np.exp else f(x)).value
        assert abs(estimate.value - truth) < 4 * estimate.stderr


@pytest.mark.parametrize("num_steps", [2, 3, 6])
def test_rule_is_exact_for_polynomials_of_twice_the_steps(num_steps: int) -> None:
    matrix, size = symmetric(np.linspace(-1.0, 2.0, 40)), 40
    spectrum = lanczos_quadrature(matrix, num_steps=num_steps, num_probes=2, seed=3)
    reference = lanczos_quadrature(matrix, num_steps=size, num_probes=2, seed=3)
    for degree in range(2 * num_steps + 1):
        moment = (spectrum.weights * spectrum.nodes**degree).sum(axis=1)
        expected = (reference.weights * reference.nodes**degree).sum(axis=1)
        np.testing.assert_allclose(moment, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("num_deflated", [0, 3, 8])
def test_quadrature_is_unbiased_and_its_standard_error_is_true(num_deflated: int) -> None:
    eigenvalues = np.concatenate([np.linspace(-0.3, 0.8, 45), np.geomspace(1.5, 60.0, 5)])
    matrix, exact = symmetric(eigenvalues), (np.maximum(eigenvalues, 0) / (np.maximum(eigenvalues, 0) + 0.5)).sum()
    pairs = top_eigenvalues(matrix, num_eigenvalues=num_deflated, seed=0, tolerance=1e-8) if num_deflated else None
    estimates = [
        lanczos_quadrature(matrix, num_steps=25, num_probes=4, seed=seed, deflate=pairs).effective_dimensionality(0.5)
        for seed in range(100)
    ]
    values, stderrs = (np.array([getattr(e, name) for e in estimates]) for name in ("value", "stderr"))
    assert abs(values.mean() - exact) < 3.5 * values.std() / 10
    # Mean squared standard error and variance agree to within the sampling error of 100 variances.
    assert np.mean(stderrs**2) == pytest.approx(values.var(ddof=1), rel=0.5)


def test_deflation_cuts_the_standard_error() -> None:
    eigenvalues = np.concatenate([np.geomspace(1e-4, 1e-2, 190), np.geomspace(5.0, 60.0, 10)])
    matrix = symmetric(eigenvalues)
    pairs = top_eigenvalues(matrix, num_eigenvalues=10, seed=0)
    plain = lanczos_quadrature(matrix, num_steps=40, num_probes=10, seed=0).effective_dimensionality(1.0)
    deflated = lanczos_quadrature(matrix, num_steps=40, num_probes=10, seed=0, deflate=pairs)
    assert deflated.effective_dimensionality(1.0).stderr < plain.stderr / 50
    assert len(deflated.exact) == 10


def test_only_converged_pairs_are_deflated() -> None:
    matrix = symmetric(np.linspace(0, 1, 200))
    pairs = top_eigenvalues(matrix, num_eigenvalues=5, seed=0, tolerance=1e-6, max_steps=20)
    assert len(lanczos_quadrature(matrix, num_steps=5, num_probes=2, seed=0, deflate=pairs).exact) == 0


def test_everything_deflated_is_exact() -> None:
    matrix = symmetric([1.0, 2.0, 4.0])
    pairs = top_eigenvalues(matrix, num_eigenvalues=3, seed=0)
    trace = lanczos_quadrature(matrix, num_steps=5, num_probes=2, seed=0, deflate=pairs).trace
    assert trace.value == pytest.approx(7.0, rel=1e-12) and trace.stderr == 0.0


def test_converges_in_steps_and_probes() -> None:
    eigenvalues = np.concatenate([np.linspace(-0.1, 0.1, 250), np.geomspace(0.1, 50.0, 50)])
    matrix = symmetric(eigenvalues)
    full = lanczos_quadrature(matrix, num_steps=300, num_probes=2, seed=0).effective_dimensionality(0.1).value
    errors = [
        abs(lanczos_quadrature(matrix, num_steps=m, num_probes=2, seed=0).effective_dimensionality(0.1).value - full)
        for m in (5, 40, 80)
    ]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    few, many = (
        lanczos_quadrature(matrix, num_steps=40, num_probes=n, seed=0).effective_dimensionality(0.1).stderr
        for n in (20, 320)
    )
    assert many == pytest.approx(few / 4, rel=0.4)


@settings(deadline=None, max_examples=30)
@given(factor=st.floats(1e-4, 1e4), seed=st.integers(0, 50))
def test_scaling_the_matrix_scales_its_spectrum(factor: float, seed: int) -> None:
    matrix = symmetric(SPECTRA["bulk and outliers"], seed)
    one = lanczos_quadrature(matrix, num_steps=20, num_probes=2, seed=seed).effective_dimensionality(1.0)
    scaled = lanczos_quadrature(factor * matrix, num_steps=20, num_probes=2, seed=seed).effective_dimensionality(factor)
    assert scaled.value == pytest.approx(one.value, rel=1e-7)


def test_runs_of_different_length_are_combined() -> None:
    """A probe inside an invariant subspace ends early; the others do not."""
    matrix = torch.diag(torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0], dtype=torch.float64))
    spectrum = lanczos_quadrature(matrix, num_steps=4, num_probes=3, seed=0)
    np.testing.assert_allclose(spectrum.weights.sum(axis=1), 1.0)
    assert spectrum.num_steps == 2


class Watched:
    """A matrix that notes how many vectors it is multiplied by at a time."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix, self.shape, self.dtype, self.device = matrix, matrix.shape, matrix.dtype, matrix.device
        self.counts: list[int] = []

    def __matmul__(self, vectors: Tensor) -> Tensor:
        self.counts.append(vectors.shape[1])
        return self.matrix @ vectors


@pytest.mark.parametrize(("probes_that_fit", "counts"), [(5, {5}), (2, {2, 1}), (0.5, {1})])
def test_probes_go_together_as_far_as_their_bases_fit(
    probes_that_fit: float, counts: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = Watched(torch.diag(torch.linspace(0.1, 3, 40, dtype=torch.float64)))
    expected = lanczos_quadrature(matrix.matrix, num_steps=6, num_probes=5, seed=0)
    monkeypatch.setattr(import_module("measures.lanczos"), "BASES_BYTES", int(probes_that_fit * 6 * 40 * 8))
    found = lanczos_quadrature(matrix, num_steps=6, num_probes=5, seed=0)
    assert set(matrix.counts) == counts and sum(matrix.counts) == 30, "no product more"
    np.testing.assert_allclose(found.diagonals, expected.diagonals, rtol=1e-12)


def test_same_seed_same_bits_and_the_global_generator_is_untouched() -> None:
    matrix, state = symmetric(SPECTRA["bulk and outliers"]), torch.get_rng_state()
    one, two, other = (lanczos_quadrature(matrix, num_steps=9, num_probes=2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.diagonals, two.diagonals)
    assert not np.array_equal(one.diagonals, other.diagonals)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("size", [3, 40, 400])
def test_says_that_an_operator_is_not_symmetric(size: int, deflated: bool) -> None:
    matrix = symmetric(np.linspace(1.0, 2.0, size))
    pairs = top_eigenvalues(matrix, num_eigenvalues=1, seed=0, max_steps=size) if deflated else None
    rotation = torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) / size**0.5
    with pytest.raises(ValueError, match="the operator is not symmetric"):
        lanczos_quadrature(matrix + 0.1 * rotation, num_steps=10, num_probes=2, seed=0, deflate=pairs)


@settings(deadline=None, max_examples=25)
@given(spread=st.floats(0, 12), seed=st.integers(0, 50))
def test_rounding_in_single_precision_is_not_taken_for_asymmetry(spread: float, seed: int) -> None:
    matrix = symmetric(np.logspace(-spread, 0, 60), seed, torch.float32)
    assert len(lanczos(matrix, start(60, seed), 60).diagonal) >= 1


def test_partial_effective_dimensionality_is_that_of_the_pairs() -> None:
    pairs = top_eigenvalues(symmetric([-2.0, 0.5, 1.0, 3.0]), num_eigenvalues=2, seed=0)
    assert pairs.partial_effective_dimensionality(1.0) == pytest.approx(0.75 + 0.5)
    everything = top_eigenvalues(symmetric([-2.0, 0.5, 1.0, 3.0]), num_eigenvalues=4, seed=0)
    assert everything.partial_effective_dimensionality(1.0) == pytest.approx(0.75 + 0.5 + 1 / 3)


EYE, TRIANGULAR = torch.eye(3), torch.ones(3, 3).triu()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lanczos(EYE, torch.ones(3), 0), "num_steps=0 is not valid: at least 1"),
        (lambda: lanczos(EYE, torch.ones(4), 1), r"vector of length 3; got shape \(4,\), norm 2"),
        (lambda: lanczos(EYE, torch.zeros(3), 1), "norm 0"),
        (lambda: lanczos(EYE, torch.full((3,), torch.nan), 1), "norm nan"),
        (lambda: lanczos(EYE, torch.ones(3), 1, orthogonal_to=EYE.double()), "3 columns to stay out of in dimension 3"),
        (lambda: lanczos(EYE * torch.nan, torch.ones(3), 1), "product in Lanczos step 1 is not finite"),
        (lambda: lanczos(TRIANGULAR, torch.ones(3), 3), "not symmetric: in Lanczos step 2, .* differ by"),
        (lambda: top_eigenvalues(TRIANGULAR, num_eigenvalues=1, seed=0), "the operator is not symmetric"),
        (lambda: lanczos_quadrature(TRIANGULAR, num_steps=3, num_probes=2, seed=0), "the operator is not symmetric"),
        (lambda: lanczos(torch.ones(2, 3), torch.ones(3), 1), r"square and not empty; got shape \(2, 3\)"),
        (lambda: top_eigenvalues(EYE, num_eigenvalues=4, seed=0), "num_eigenvalues=4 is not valid: between 1 and 3"),
        (lambda: top_eigenvalues(EYE, num_eigenvalues=0, seed=0), "num_eigenvalues=0 is not valid"),
        (lambda: lanczos_quadrature(EYE, num_steps=2, num_probes=1, seed=0), "num_probes=1 is not valid"),
    ],
)
def test_refuses(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
