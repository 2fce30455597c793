"""The spectrum of a symmetric matrix, exact or as random probes see it, and the numbers one reads off it.

Everything is kept with its sign, and as the tridiagonal matrices rather than as sums, so that any other function of
the spectrum, or the same one with fewer Lanczos steps, can be computed later without a further Hessian product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from measures.inputs import Estimate
from measures.operators import LinearOperator

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues known exactly, and the quadrature of the rest by probe.

    Row j of `diagonals` (probes, steps) is the tridiagonal matrix of probe j; `off_diagonals` (probes, steps) holds the
    entries below it, the last one being the norm of what lies outside the Krylov space. Nodes and weights are those of
    the generalised averaged Gauss rule, which continues each matrix by its own mirror image: on the Hessians of small
    networks its error was 3 to 10 times below that of the Gauss rule, from the same products (Spalevic, On generalized
    averaged Gaussian formulas, Math. Comp. 76 (2007), eq. 3). Standard errors are over probes; what is exact has none,
    and a dense spectrum has the standard error 0.
    """

    dimension: int
    exact: Floats
    diagonals: Floats
    off_diagonals: Floats

    @cached_property
    def _nodes_and_weights(self) -> tuple[Floats, Floats]:
        num_probes, num_steps = self.diagonals.shape
        diagonals = np.hstack([self.diagonals, self.diagonals[:, : num_steps - 1][:, ::-1]])
        off_diagonals = np.hstack([self.off_diagonals, self.off_diagonals[:, : max(num_steps - 2, 0)][:, ::-1]])
        step = np.arange(diagonals.shape[1])
        matrices = np.zeros((num_probes, len(step), len(step)))
        matrices[:, step, step] = diagonals
        matrices[:, step[1:], step[:-1]] = off_diagonals[:, : len(step) - 1]  # eigh reads the lower triangle
        nodes, vectors = np.linalg.eigh(matrices)
        return nodes, vectors[:, :1, :].sum(axis=1) ** 2  # one row, or none without probes

    @property
    def nodes(self) -> Floats:
        """Nodes of the averaged rule by probe (probes, 2 steps - 1), ascending."""
        return self._nodes_and_weights[0]

    @property
    def weights(self) -> Floats:
        """Share of the inexact eigenvalues that each node stands for; every row sums to 1."""
        return self._nodes_and_weights[1]

    @property
    def num_probes(self) -> int:
        return len(self.diagonals)

    @property
    def num_steps(self) -> int:
        return self.diagonals.shape[1]

    @property
    def trace(self) -> Estimate:
        return self.sum(lambda values: values)

    @property
    def negative_mass(self) -> Estimate:
        """Share of the sum of |lambda| that comes from negative eigenvalues; 0 for the zero matrix.

        A ratio of two estimates; the standard error is that of the delta method.
        """
        negative, total = self._by_probe(lambda values: np.maximum(-values, 0.0)), self._by_probe(np.abs)
        whole = self.sum(np.abs).value
        if whole == 0.0:
            return Estimate(0.0, 0.0)
        share = self.sum(lambda values: np.maximum(-values, 0.0)).value / whole
        return Estimate(share, _standard_error((negative - share * total) / whole))

    def effective_dimensionality(self, z: float) -> Estimate:
        r"""Number of directions whose curvature exceeds about z: $\sum_i \lambda_i^+ / (\lambda_i^+ + z)$.

        Negative eigenvalues count as 0. Maddox, Benton, Wilson, arXiv 2003.02139, equation of section 3.

        >>> Spectrum(3, np.array([-1.0, 1.0, 3.0]), np.empty((0, 0)), np.empty((0, 0))).effective_dimensionality(1.0)
        Estimate(value=1.25, stderr=0.0)
        """
        return self.sum(_counted_directions(z))

    def log_determinant(self, z: float) -> Estimate:
        r"""$\log\det(H^+ + z I) = \sum_i \log(\lambda_i^+ + z)$, of the Occam factor in a Laplace approximation.

        Negative eigenvalues count as 0, as in the effective dimensionality, which is `dimension` less the derivative in
        log z; where there are none it is the log-determinant of H + z I. Ubaru, Chen, Saad, SIAM J. Matrix Anal. Appl.
        38 (2017), section 2.1.

        >>> Spectrum(2, np.array([-1.0, 3.0]), np.empty((0, 0)), np.empty((0, 0))).log_determinant(1.0)
        Estimate(value=1.3862943611198906, stderr=0.0)
        """
        _check_positive(z)
        return self.sum(lambda values: np.log(np.maximum(values, 0.0) + z))

    def sum(self, f: Callable[[Floats], Floats]) -> Estimate:
        """Sum of f over the eigenvalues; f acts elementwise and is finite on the whole range of the spectrum.

        Nodes of the averaged rule can lie somewhat outside that range, below 0 for a semidefinite matrix too.

        >>> Spectrum(2, np.array([1.0, 3.0]), np.empty((0, 0)), np.empty((0, 0))).sum(np.square)
        Estimate(value=10.0, stderr=0.0)
        """
        exact, by_probe = float(np.sum(f(self.exact))), self._by_probe(f)
        if not (np.isfinite(exact) and np.isfinite(by_probe).all()):
            points = np.concatenate([self.exact, self.nodes.ravel()])
            raise ValueError(f"the function is not finite from {points.min():.3g} to {points.max():.3g}")
        sampled = float(np.mean(by_probe)) if self.num_probes else 0.0
        return Estimate(exact + sampled, _standard_error(by_probe))

    def density(self, grid: Floats) -> Floats:
        """Share of the eigenvalues per unit of lambda between each two neighbouring points of an ascending grid."""
        if len(grid) < 2 or not np.all(np.diff(grid) > 0):
            raise ValueError(f"the grid must ascend and hold at least 2 points; got {grid}")
        exact, _ = np.histogram(self.exact, grid)
        counts = exact.astype(np.float64)
        if self.num_probes:
            inexact = self.dimension - len(self.exact)
            sampled, _ = np.histogram(self.nodes, grid, weights=self.weights * (inexact / self.num_probes))
            counts += sampled
        return counts / (self.dimension * np.diff(grid))

    def truncated(self, num_steps: int) -> "Spectrum":
        """The same probes after fewer Lanczos steps."""
        if not 1 <= num_steps <= max(1, self.num_steps):
            raise ValueError(f"num_steps={num_steps} is not valid: between 1 and {self.num_steps}")
        return Spectrum(self.dimension, self.exact, self.diagonals[:, :num_steps], self.off_diagonals[:, :num_steps])

    def truncation(self, z: float) -> float:
        """Change of the effective dimensionality over the last quarter of the Lanczos steps: a scale of its bias."""
        return self.truncation_of(_counted_directions(z))

    def truncation_of(self, f: Callable[[Floats], Floats]) -> float:
        """Change of a sum over the last quarter of the Lanczos steps: a scale of what its standard error leaves out.

        The sum has converged in steps where this is well below its standard error.
        """
        if not self.num_probes:
            return 0.0
        fewer = self.truncated(max(1, self.num_steps - max(1, self.num_steps // 4)))
        return self.sum(f).value - fewer.sum(f).value

    def _by_probe(self, f: Callable[[Floats], Floats]) -> Floats:
        return (self.dimension - len(self.exact)) * np.sum(self.weights * f(self.nodes), axis=1)


def dense_spectrum(operator: LinearOperator) -> Spectrum:
    """All eigenvalues of an operator, from its full matrix in float64.

    Rounding leaves a Hessian asymmetric by about its precision, so it is symmetrised; more than the square root of the
    precision is refused. Costs as many products as the dimension.

    >>> dense_spectrum(torch.diag(torch.tensor([2.0, 1.0]))).exact.tolist()
    [1.0, 2.0]
    """
    eigenvalues = torch.linalg.eigvalsh(symmetric_matrix(operator)).cpu().numpy()
    return Spectrum(len(eigenvalues), eigenvalues, np.empty((0, 0)), np.empty((0, 0)))


def symmetric_matrix(operator: LinearOperator) -> Tensor:
    """An operator's matrix in float64, freed from the asymmetry that rounding leaves; ValueError if there is more."""
    matrix = (operator @ torch.eye(operator.shape[0], dtype=operator.dtype, device=operator.device)).to(torch.float64)
    if not torch.isfinite(matrix).all():
        raise ValueError("the matrix holds values that are not finite")
    norm, asymmetry = float(matrix.norm()), float((matrix - matrix.T).norm())
    if asymmetry > torch.finfo(operator.dtype).eps ** 0.5 * norm:
        raise ValueError(f"the matrix is not symmetric: |A - A^T| / |A| = {asymmetry / norm:.2g}")
    return (matrix + matrix.T) / 2


def _counted_directions(z: float) -> Callable[[Floats], Floats]:
    _check_positive(z)
    return lambda values: np.maximum(values, 0.0) / (np.maximum(values, 0.0) + z)


def _check_positive(z: float) -> None:
    if not z > 0:
        raise ValueError(f"z={z} is not valid: it must be positive")


def _standard_error(by_probe: Floats) -> float:
    return float(np.std(by_probe, ddof=1) / np.sqrt(len(by_probe))) if len(by_probe) else 0.0
