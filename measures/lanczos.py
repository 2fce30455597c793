"""Eigenvalues and spectral sums of a symmetric operator from its products with vectors.

The recurrence runs in float64 whatever the operator's precision, and orthogonalises every vector twice against all
earlier ones, so that no eigenvalue appears as a spurious copy. Spectral sums are estimated by stochastic quadrature.
Eigenpairs that are already known are summed exactly instead, and the probes live in their orthogonal complement: the
estimate stays unbiased, and the outliers of a Hessian no longer add to its variance.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from measures.lanczos_steps import Step, entries, have_converged, residuals_of, tridiagonal_eigenpairs
from measures.operators import LinearOperator
from measures.spectrum import Spectrum

Floats = NDArray[np.float64]

STEPS_BETWEEN_CHECKS = 10


@dataclass(frozen=True)
class Tridiagonalization:
    """An orthonormal basis Q (p, steps) and the matrix T, where H Q = Q T + off_diagonal[-1] * q e_last^T.

    `off_diagonal` is as long as `diagonal`: its last entry is the norm of what H maps out of the span of Q.
    """

    basis: Tensor
    diagonal: Floats
    off_diagonal: Floats

    @property
    def ritz_values(self) -> Floats:
        """Eigenvalues of T, ascending."""
        return tridiagonal_eigenpairs(self.diagonal, self.off_diagonal)[0]


@dataclass(frozen=True)
class Eigenpairs:
    """Approximate eigenpairs, largest eigenvalue first; `residuals` are the norms ||H v - lambda v||.

    Some eigenvalue of H lies within the residual of each value. `eigenvectors` is (p, k), float64.
    """

    eigenvalues: Floats
    residuals: Floats
    converged: NDArray[np.bool_]
    eigenvectors: Tensor

    def partial_effective_dimensionality(self, z: float) -> float:
        """These eigenvalues' part of the effective dimensionality: at most their number, and not the full sum.

        >>> eigenpairs = top_eigenvalues(torch.diag(torch.arange(5.0)), num_eigenvalues=2, seed=0)
        >>> round(eigenpairs.partial_effective_dimensionality(1.0), 6)  # 4/5 + 3/4; the full sum is 2.716667
        1.55
        """
        nothing = np.empty((0, 0))
        return Spectrum(len(self.eigenvalues), self.eigenvalues, nothing, nothing).effective_dimensionality(z).value


def lanczos(
    operator: LinearOperator, start: Tensor, num_steps: int, *, orthogonal_to: Tensor | None = None
) -> Tridiagonalization:
    """A symmetric operator reduced to a tridiagonal matrix on the Krylov space of a start vector.

    It stops early at an invariant subspace. The columns of `orthogonal_to` are orthonormal and span an invariant
    subspace to stay out of. Golub and Van Loan, Matrix Computations (4th ed.), algorithm 10.1.1, with every vector
    orthogonalised twice against all earlier ones. Costs one product a step.

    >>> lanczos(torch.diag(torch.tensor([1.0, 3.0])), torch.ones(2), 5).ritz_values.round(6).tolist()
    [1.0, 3.0]
    """
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps} is not valid: at least 1")
    size = _dimension(operator)
    if start.shape != (size,) or not torch.isfinite(start).all() or not start.any():
        found = f"shape {tuple(start.shape)}, norm {float(torch.linalg.vector_norm(start)):g}"
        raise ValueError(f"the start must be a finite non-zero vector of length {size}; got {found}")
    fixed = start.new_empty(size, 0) if orthogonal_to is None else orthogonal_to
    if fixed.shape[1] >= size:
        raise ValueError(f"no direction is left: {fixed.shape[1]} columns to stay out of in dimension {size}")
    basis = _empty_basis(operator, min(fixed.shape[1] + num_steps, size))
    first = fixed.shape[1]
    basis[:first] = fixed.T
    basis[first] = _unit_remainder(start.to(basis), basis[:first])
    steps = list(_recurrence(operator, basis, first, None))
    diagonal, off_diagonal = entries(steps)
    return Tridiagonalization(basis[first : first + len(steps)].T, diagonal, off_diagonal)


def top_eigenvalues(
    operator: LinearOperator,
    *,
    num_eigenvalues: int,
    seed: int,
    tolerance: float = 1e-3,
    max_steps: int | None = None,
) -> Eigenpairs:
    """The algebraically largest eigenvalues of a symmetric operator, with residuals and eigenvectors.

    Lanczos steps from one random start until every residual is at most `tolerance` times the largest magnitude in the
    spectrum, or `max_steps` (default 100 + 5 per eigenvalue). An eigenvalue lies within the residual r of each value,
    and within r^2 / gap if it is separated (Parlett, The Symmetric Eigenvalue Problem, theorem 11.7.1). Of an exactly
    repeated eigenvalue one start can miss copies: see `block_top_eigenvalues`. Residuals are those of the products that
    the steps made, with all the rounding these have; costs one product a step.

    >>> top_eigenvalues(torch.diag(torch.arange(5.0)), num_eigenvalues=2, seed=0).eigenvalues.round(6).tolist()
    [4.0, 3.0]
    """
    size = _dimension(operator)
    limit = min(size, max_steps if max_steps is not None else 100 + 5 * num_eigenvalues)
    if not 1 <= num_eigenvalues <= limit:
        raise ValueError(
            f"num_eigenvalues={num_eigenvalues} is not valid: between 1 and {limit}, the smaller of steps and dimension"
        )
    generator = _generator(seed, stream=0)
    basis = _empty_basis(operator, limit)
    basis[0] = _unit_remainder(_draw(size, generator).to(basis), basis[:0])
    steps: list[Step] = []
    for step in _recurrence(operator, basis, 0, generator):
        steps.append(step)
        is_checked = len(steps) % STEPS_BETWEEN_CHECKS == 0 and len(steps) >= num_eigenvalues
        if is_checked and have_converged(steps, num_eigenvalues, tolerance):
            break
    ritz_values, coefficients = tridiagonal_eigenpairs(*entries(steps))
    residuals = residuals_of(steps, ritz_values, coefficients)
    return ritz_pairs(basis[: len(steps)], ritz_values, coefficients, residuals, num_eigenvalues, tolerance)


def lanczos_quadrature(
    operator: LinearOperator,
    *,
    num_steps: int,
    num_probes: int,
    seed: int,
    deflate: Eigenpairs | None = None,
) -> Spectrum:
    r"""The spectrum as seen by random probes, for sums over all eigenvalues (stochastic Lanczos quadrature).

    $\mathrm{tr} f(H) \approx p\,\mathrm{mean}_j \sum_k w_{jk} f(\theta_{jk})$ is unbiased up to truncation in steps,
    and the rule is exact for polynomials of degree 2 `num_steps`. The converged pairs of `deflate` are summed exactly,
    and the probes are uniform on the unit sphere orthogonal to them. Ubaru, Chen, Saad, SIAM J. Matrix Anal. Appl. 38
    (2017), algorithm 1; Ghorbani, Krishnan, Xiao, ICML 2019, algorithm 1. Costs num_steps * num_probes products.

    >>> identity = torch.eye(50, dtype=torch.float64)
    >>> round(lanczos_quadrature(identity, num_steps=5, num_probes=2, seed=0).effective_dimensionality(1.0).value, 6)
    25.0
    """
    if num_probes < 2:
        raise ValueError(f"num_probes={num_probes} is not valid: a standard error needs at least 2")
    size = _dimension(operator)
    known, vectors = np.empty(0), None
    if deflate is not None:
        known = deflate.eigenvalues[deflate.converged]
        vectors = deflate.eigenvectors[:, deflate.converged.tolist()]
    if len(known) == size:
        return Spectrum(size, known, np.empty((0, 0)), np.empty((0, 0)))
    generator = _generator(seed, stream=1)
    starts = (_draw(size, generator).to(operator.device) for _ in range(num_probes))
    runs = [lanczos(operator, start, num_steps, orthogonal_to=vectors) for start in starts]
    width = max(len(run.diagonal) for run in runs)
    diagonals = _stacked([run.diagonal for run in runs], width)
    return Spectrum(size, known, diagonals, _stacked([run.off_diagonal for run in runs], width))


def _recurrence(operator: LinearOperator, basis: Tensor, first: int, restart: torch.Generator | None) -> Iterator[Step]:
    """Fill the rows of `basis` after `first`, yielding each step.

    At an invariant subspace it ends, or goes on from a random direction if it is given a generator to `restart` with.
    """
    scale = norm = 0.0
    for row in range(first, len(basis)):
        image = (operator @ basis[row].to(operator.dtype)).to(basis)
        coefficients, previous, known = basis[: row + 1] @ image, norm, basis[: row + 1]
        diagonal = float(coefficients[-1])
        if not np.isfinite(diagonal):
            raise ValueError(f"the operator's product in Lanczos step {row - first + 1} is not finite")
        image = _orthogonalized(image - coefficients @ known, known, passes=1)
        norm = float(torch.linalg.vector_norm(image))
        scale = max(scale, abs(diagonal) + norm)
        _check_symmetry(coefficients[first:-1], previous, scale, operator)
        is_invariant = norm <= 100 * torch.finfo(operator.dtype).eps * scale
        yield Step(coefficients[first:].cpu().numpy(), norm, not is_invariant)
        if row + 1 == len(basis) or (is_invariant and restart is None):
            return
        if is_invariant:
            basis[row + 1] = _unit_remainder(_draw(len(image), restart).to(image), known)
        else:
            basis[row + 1] = image / norm


def ritz_pairs(
    rows: Tensor, ritz_values: Floats, coefficients: Floats, residuals: Floats, count: int, tolerance: float
) -> Eigenpairs:
    """The largest pairs that a projection onto orthonormal rows gives; all come in ascending order."""
    chosen = torch.from_numpy(coefficients[:, ::-1][:, :count].copy()).to(rows)
    largest = residuals[::-1][:count].copy()
    converged = largest <= tolerance * np.abs(ritz_values).max()
    return Eigenpairs(ritz_values[::-1][:count].copy(), largest, converged, rows.T @ chosen)


def _check_symmetry(coefficients: Tensor, previous: float, scale: float, operator: LinearOperator) -> None:
    """ValueError unless the newest vector's image has the parts along earlier vectors that their own images imply.

    Costs nothing, as the coefficients are needed anyway. The fourth root of the precision leaves ample room for
    rounding, and an operator that is not symmetric by construction is off by far more.
    """
    if len(coefficients) == 0:
        return
    expected = torch.zeros_like(coefficients)
    expected[-1] = previous
    asymmetry = float((coefficients - expected).abs().max())
    if asymmetry > torch.finfo(operator.dtype).eps ** 0.25 * scale:
        raise ValueError(
            f"the operator is not symmetric: in Lanczos step {len(coefficients) + 1}, u^T A v and v^T A u of two unit "
            f"vectors differ by {asymmetry:.2g} where products are of size {scale:.2g}"
        )


def _orthogonalized(vector: Tensor, rows: Tensor, *, passes: int = 2) -> Tensor:
    for _ in range(passes):
        vector = vector - (rows @ vector) @ rows
    return vector


def _unit_remainder(vector: Tensor, rows: Tensor) -> Tensor:
    remainder = _orthogonalized(vector, rows)
    return remainder / torch.linalg.vector_norm(remainder)


def _dimension(operator: LinearOperator) -> int:
    rows, columns = operator.shape
    if rows != columns or rows == 0:
        raise ValueError(f"the operator must be square and not empty; got shape {tuple(operator.shape)}")
    return rows


def _empty_basis(operator: LinearOperator, num_rows: int) -> Tensor:
    return torch.empty(num_rows, operator.shape[0], dtype=torch.float64, device=operator.device)


def _generator(seed: int, stream: int) -> torch.Generator:
    """Draws on the CPU, so that every device sees the same probes; streams of one seed are independent."""
    state = np.random.SeedSequence((seed, stream)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _draw(size: int, generator: torch.Generator | None) -> Tensor:
    return torch.randn(size, dtype=torch.float64, generator=generator)


def _stacked(rows: list[Floats], width: int) -> Floats:
    """Rows padded to one width; behind the zero that ends a shorter run, no entry matters."""
    return np.array([np.pad(row, (0, width - len(row))) for row in rows])
