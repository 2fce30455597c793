"""Eigenvalues and spectral sums of a symmetric operator from its products with vectors.

The recurrence runs in float64 whatever the operator's precision, and orthogonalises every vector twice against all
earlier ones, so that no eigenvalue appears as a spurious copy. Spectral sums are estimated by stochastic quadrature.
Eigenpairs that are already known are summed exactly instead, and the probes live in their orthogonal complement: the
estimate stays unbiased, and the outliers of a Hessian no longer add to its variance.
"""

from collections.abc import Sequence
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
BASES_BYTES = 1 << 30  # of probes that take their steps together: of a large network one alone may fill them


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
    run = _started(operator, start, num_steps, orthogonal_to)
    _finish(operator, [run])
    return run.tridiagonalization()


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
    run = Recurrence(operator, basis, 0, generator)
    steps = run.steps
    while not run.is_done:
        _advance(operator, [run])
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
    (2017), algorithm 1; Ghorbani, Krishnan, Xiao, ICML 2019, algorithm 1. Costs num_steps * num_probes products,
    those of a step of all probes together as far as their bases fit in a gigabyte.

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
    rows = min(num_steps + (0 if vectors is None else vectors.shape[1]), size)
    together = max(1, BASES_BYTES // (rows * size * torch.float64.itemsize))
    matrices: list[tuple[Floats, Floats]] = []
    while len(matrices) < num_probes:
        starts = [_draw(size, generator).to(operator.device) for _ in range(min(together, num_probes - len(matrices)))]
        runs = [_started(operator, start, num_steps, vectors) for start in starts]
        _finish(operator, runs)
        matrices += [entries(run.steps) for run in runs]
    width = max(len(diagonal) for diagonal, _ in matrices)
    diagonals, off_diagonals = zip(*matrices, strict=True)
    return Spectrum(size, known, _stacked(diagonals, width), _stacked(off_diagonals, width))


class Recurrence:
    """Fills the rows of `basis` after `first`, a step for each image of its newest vector.

    At an invariant subspace it is done, or goes on from a random direction if it has a generator to `restart` with.
    """

    def __init__(self, operator: LinearOperator, basis: Tensor, first: int, restart: torch.Generator | None = None):
        self._operator, self._basis, self._first, self._restart = operator, basis, first, restart
        self._scale = self._norm = 0.0
        self.steps: list[Step] = []
        self.is_done = False

    @property
    def newest(self) -> Tensor:
        """The vector (p,) whose image the next step takes."""
        return self._basis[self._first + len(self.steps)]

    def tridiagonalization(self) -> Tridiagonalization:
        """By the steps taken so far."""
        diagonal, off_diagonal = entries(self.steps)
        return Tridiagonalization(self._basis[self._first :][: len(self.steps)].T, diagonal, off_diagonal)

    def advance(self, image: Tensor) -> None:
        """Take a step with the operator's product with `newest`; ValueError if it is not finite or not symmetric."""
        known = self._basis[: self._first + len(self.steps) + 1]
        image = image.to(known)
        coefficients, previous = known @ image, self._norm
        diagonal = float(coefficients[-1])
        if not np.isfinite(diagonal):
            raise ValueError(f"the operator's product in Lanczos step {len(self.steps) + 1} is not finite")
        image = _orthogonalized(image - coefficients @ known, known, passes=1)
        self._norm = float(torch.linalg.vector_norm(image))
        self._scale = max(self._scale, abs(diagonal) + self._norm)
        _check_symmetry(coefficients[self._first : -1], previous, self._scale, self._operator)
        is_invariant = self._norm <= 100 * torch.finfo(self._operator.dtype).eps * self._scale
        self.steps.append(Step(coefficients[self._first :].cpu().numpy(), self._norm, not is_invariant))
        self.is_done = len(known) == len(self._basis) or (is_invariant and self._restart is None)
        if not self.is_done and is_invariant:
            self.newest[:] = _unit_remainder(_draw(len(image), self._restart).to(image), known)
        elif not self.is_done:
            self.newest[:] = image / self._norm


def _started(operator: LinearOperator, start: Tensor, num_steps: int, orthogonal_to: Tensor | None) -> Recurrence:
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
    return Recurrence(operator, basis, first)


def _finish(operator: LinearOperator, runs: Sequence[Recurrence]) -> None:
    while unfinished := [run for run in runs if not run.is_done]:
        _advance(operator, unfinished)


def _advance(operator: LinearOperator, runs: Sequence[Recurrence]) -> None:
    """One step of each, whose products are made together."""
    vectors = torch.stack([run.newest for run in runs]).mT  # so that the parts of a vector lie together
    for run, image in zip(runs, (operator @ vectors.to(operator.dtype)).unbind(1), strict=True):
        run.advance(image)


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


def _stacked(rows: Sequence[Floats], width: int) -> Floats:
    """Rows padded to one width; behind the zero that ends a shorter run, no entry matters."""
    return np.array([np.pad(row, (0, width - len(row))) for row in rows])
