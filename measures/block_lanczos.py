"""The largest eigenvalues from several starts at a time, for spectra that repeat eigenvalues.

One start sees a single vector of each eigenspace, so it can miss the copies of a repeated eigenvalue and call what it
found converged; a block of b starts sees b. Its Krylov space grows less deep for the same number of products, so where
nothing repeats `top_eigenvalues` is the better choice. Every block is orthogonalised twice against all earlier ones, in
float64, and the projected matrix is kept in full.
"""

import numpy as np
import torch
from torch import Tensor

from measures.examples import generator
from measures.lanczos import Eigenpairs, Floats, ritz_pairs
from measures.operators import LinearOperator


def block_top_eigenvalues(
    operator: LinearOperator,
    *,
    num_eigenvalues: int,
    seed: int,
    block_size: int = 4,
    tolerance: float = 1e-3,
    max_products: int | None = None,
) -> Eigenpairs:
    """The algebraically largest eigenvalues of a symmetric operator, each up to `block_size` times if it repeats.

    Block Lanczos until every residual is at most `tolerance` times the largest magnitude in the spectrum, or
    `max_products` (default 100 + 5 per eigenvalue, times the block size). Golub and Van Loan, Matrix Computations (4th
    ed.), section 10.3.6. Costs `block_size` products a step, made together, and one an eigenvalue for the residuals;
    memory for up to `max_products` vectors in float64.

    >>> twice = torch.diag(torch.tensor([3.0, 3.0, *torch.linspace(0, 1, 50)]))
    >>> block_top_eigenvalues(twice, num_eigenvalues=2, seed=0).eigenvalues.round(4).tolist()
    [3.0, 3.0]
    """
    size = operator.shape[0]
    allowed = block_size * (100 + 5 * num_eigenvalues) if max_products is None else max_products
    if block_size < 2:
        raise ValueError(f"block_size={block_size} is not valid: at least 2; one start is `top_eigenvalues`")
    if not 1 <= num_eigenvalues <= min(size, allowed):
        raise ValueError(
            f"num_eigenvalues={num_eigenvalues} is not valid: between 1 and {min(size, allowed)}, "
            "the smaller of products and dimension"
        )
    limit, draws = min(size, allowed), generator(seed, 2)
    basis = torch.empty(limit, size, dtype=torch.float64, device=operator.device)
    projected = np.zeros((limit, limit))
    first, end = 0, min(block_size, limit)
    basis[:end] = _new_rows(torch.zeros_like(basis[:end]), basis[:0], draws)
    while True:
        remainder = _extend(operator, basis[:end], first, projected)
        if end == limit or _has_converged(projected[:end, :end], remainder, num_eigenvalues, tolerance):
            break
        first, end = end, min(end + block_size, limit)
        basis[first:end] = _new_rows(remainder[: end - first], basis[:first], draws)
    ritz_values, coefficients = np.linalg.eigh(projected[:end, :end])
    residuals = _residuals(operator, basis[:end], ritz_values[-num_eigenvalues:], coefficients[:, -num_eigenvalues:])
    return ritz_pairs(basis[:end], ritz_values, coefficients, residuals, num_eigenvalues, tolerance)


def _residuals(operator: LinearOperator, basis: Tensor, ritz_values: Floats, coefficients: Floats) -> Floats:
    """Norms of H v - lambda v, from products with the Ritz vectors."""
    vectors = basis.T @ torch.from_numpy(coefficients.copy()).to(basis)
    images = (operator @ vectors.to(operator.dtype)).to(basis)
    differences = images - vectors * torch.from_numpy(ritz_values.copy()).to(basis)
    return torch.linalg.vector_norm(differences, dim=0).cpu().numpy()


def _extend(operator: LinearOperator, basis: Tensor, first: int, projected: Floats) -> Tensor:
    """Fill the part of the projected matrix that the newest rows have; what of their images lies outside, in rows."""
    images = (operator @ basis[first:].T.to(operator.dtype)).T.to(basis)
    if not torch.isfinite(images).all():
        raise ValueError(f"the operator's products with Lanczos vectors {first + 1} to {len(basis)} are not finite")
    coefficients = (images @ basis.T).cpu().numpy()
    own = coefficients[:, first:]
    asymmetry = np.abs(own - own.T).max()
    if asymmetry > torch.finfo(operator.dtype).eps ** 0.25 * float(images.norm()):  # far beyond rounding
        raise ValueError(
            f"the operator is not symmetric: u^T A v and v^T A u of unit vectors differ by {asymmetry:.2g}"
        )
    projected[first : len(basis), : len(basis)] = coefficients
    projected[: len(basis), first : len(basis)] = coefficients.T
    projected[first : len(basis), first : len(basis)] = (own + own.T) / 2
    return _orthogonalized(images, basis)


def _new_rows(candidates: Tensor, basis: Tensor, draws: torch.Generator) -> Tensor:
    """Orthonormal rows that span the candidates; random ones in place of those that depend on the others."""
    rows = basis.new_empty(0, candidates.shape[1])
    floor = 1e-10 * max(1e-300, float(candidates.norm()))
    for candidate in candidates:
        known = torch.cat([basis, rows])
        row = _orthogonalized(candidate[None], known)
        if float(row.norm()) <= floor:
            drawn = torch.randn(1, candidates.shape[1], dtype=torch.float64, generator=draws).to(candidates)
            row = _orthogonalized(drawn, known)
        rows = torch.cat([rows, _orthogonalized(row / row.norm(), known)])
        rows[-1] /= rows[-1].norm()
    return rows


def _has_converged(projected: Floats, remainder: Tensor, count: int, tolerance: float) -> bool:
    """Whether the residuals of the largest pairs, which lie in what the newest images have outside, are small."""
    if len(projected) < count:
        return False
    ritz_values, coefficients = np.linalg.eigh(projected)
    gram = (remainder @ remainder.T).cpu().numpy()
    last = coefficients[-len(gram) :, -count:]
    squares = np.einsum("ik,ij,jk->k", last, gram, last)
    return bool(np.sqrt(np.maximum(squares, 0.0)).max() <= tolerance * np.abs(ritz_values).max())


def _orthogonalized(rows: Tensor, basis: Tensor) -> Tensor:
    for _ in range(2):
        rows = rows - (rows @ basis.T) @ basis
    return rows
