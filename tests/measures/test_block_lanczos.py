"""Eigenvalues from a block of starts: repeated ones, which a single start misses, and agreement elsewhere."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import block_top_eigenvalues, hessian_operator, top_eigenvalues
from tests.measures.test_lanczos import SPECTRA, symmetric

REPEATED = [*np.linspace(-1.0, 2.0, 290), 5.0, 5.0, 5.0, 5.0, 7.0, 9.0, 9.0, 9.0]
# Five values of a cluster of twenty need a block of five.
CASES = [(name, size) for name in SPECTRA for size in (2, 3, 7, 100) if name != "clustered" or size >= 5]


@pytest.mark.parametrize("seed", range(5))
def test_finds_the_copies_that_one_start_misses(seed: int) -> None:
    """At the default tolerance; the single start says that it has converged."""
    matrix = symmetric(REPEATED, seed)
    single = top_eigenvalues(matrix, num_eigenvalues=3, seed=seed)
    np.testing.assert_allclose(single.eigenvalues, [9.0, 7.0, 5.0], rtol=1e-5)
    assert single.converged.all()
    block = block_top_eigenvalues(matrix, num_eigenvalues=8, seed=seed)
    np.testing.assert_allclose(block.eigenvalues, sorted(REPEATED)[::-1][:8], rtol=1e-5)
    assert block.converged.all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "block_size"), CASES)
def test_pairs_are_those_of_the_matrix(name: str, block_size: int, dtype: torch.dtype) -> None:
    eigenvalues = SPECTRA[name]
    matrix = symmetric(eigenvalues, dtype=dtype)
    pairs = block_top_eigenvalues(matrix, num_eigenvalues=5, seed=1, tolerance=1e-5, block_size=block_size)
    scale = float(np.abs(eigenvalues).max())
    vectors = pairs.eigenvectors
    np.testing.assert_allclose(pairs.eigenvalues, sorted(eigenvalues)[::-1][:5], atol=1e-5 * scale)
    residuals = torch.linalg.vector_norm(
        matrix.double() @ vectors - vectors * torch.from_numpy(pairs.eigenvalues), dim=0
    )
    np.testing.assert_allclose(pairs.residuals, residuals.numpy(), atol=2e-6 * scale)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-10)
    assert pairs.converged.all()


@pytest.mark.parametrize("matrix", [torch.zeros(4, 4), torch.eye(4), torch.full((1, 1), -3.0)], ids=["0", "I", "1 x 1"])
def test_smallest_problems(matrix: Tensor) -> None:
    pairs = block_top_eigenvalues(matrix, num_eigenvalues=len(matrix), seed=0, block_size=2)
    np.testing.assert_allclose(pairs.eigenvalues, np.diag(matrix.numpy()), atol=1e-12)


def test_the_hessian_of_outputs_that_share_their_inputs_repeats() -> None:
    """Least squares with 3 outputs: every eigenvalue of the second moment three times."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 40, dtype=torch.float64, generator=generator)
    model = nn.Linear(40, 3, bias=False).double()
    hessian = hessian_operator(model, F.mse_loss, [(inputs, torch.zeros(200, 3, dtype=torch.float64))])
    moments = np.linalg.eigvalsh((2 / 3 * inputs.T @ inputs / 200).numpy())[::-1]
    pairs = block_top_eigenvalues(hessian, num_eigenvalues=6, seed=0, block_size=3, tolerance=1e-6)
    np.testing.assert_allclose(pairs.eigenvalues, np.repeat(moments[:2], 3), rtol=1e-8)


def test_same_seed_same_bits_and_the_global_generator_is_untouched() -> None:
    matrix, state = symmetric(REPEATED), torch.get_rng_state()
    one, two = (block_top_eigenvalues(matrix, num_eigenvalues=3, seed=5) for _ in range(2))
    assert np.array_equal(one.eigenvalues, two.eigenvalues) and torch.equal(one.eigenvectors, two.eigenvectors)
    assert torch.equal(torch.get_rng_state(), state)


def test_says_what_has_not_converged() -> None:
    matrix = symmetric(np.linspace(0.0, 1.0, 300))
    pairs = block_top_eigenvalues(matrix, num_eigenvalues=3, seed=0, tolerance=1e-9, max_products=16)
    assert not pairs.converged.any()


EYE = torch.eye(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: block_top_eigenvalues(EYE, num_eigenvalues=4, seed=0),
            "num_eigenvalues=4 is not valid: between 1 and 3",
        ),
        (lambda: block_top_eigenvalues(EYE, num_eigenvalues=0, seed=0), "num_eigenvalues=0 is not valid"),
        (
            lambda: block_top_eigenvalues(EYE, num_eigenvalues=1, seed=0, block_size=1),
            "block_size=1 is not valid: at least 2",
        ),
        (lambda: block_top_eigenvalues(EYE * torch.nan, num_eigenvalues=1, seed=0), "vectors 1 to 3 are not finite"),
        (
            lambda: block_top_eigenvalues(EYE.cumsum(0), num_eigenvalues=1, seed=0),
            "the operator is not symmetric: .* by",
        ),
    ],
)
def test_refuses(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
