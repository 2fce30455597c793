"""Where a symmetric operator curves most and least: its top and its bottom eigenspace.

"Top" is what belongs to the eigenvalues of largest magnitude, of either sign. "Bottom" is the orthogonal complement of
a number of directions that hold the large curvature. In the papers both readings occur: eigenvectors of the smallest
magnitudes where all of them are known (two spirals), directions orthogonal to all that Lanczos steps have found where
they are not (CIFAR-10). They meet here: a small operator's excluded directions are its eigenvectors of largest
magnitude, so that the complement is spanned by those of the smallest; a large one's are the whole Krylov space, which
holds both ends of the spectrum.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from measures.examples import generator
from measures.lanczos import Eigenpairs, lanczos
from measures.operators import LinearOperator
from measures.parameter_directions import directions_outside, directions_within, random_directions, unit
from measures.spectrum import symmetric_matrix

# The network of the published two spirals has 2181 parameters, whose Hessian is formed there, too.
DENSE_SIZE = 2500
Floats = NDArray[np.float64]

TOLERANCE = 1e-3  # of a residual, relative to the largest magnitude in the spectrum


@dataclass(frozen=True)
class Eigenspaces:
    """`top` (p, k) by falling magnitude; the bottom eigenspace is the complement of the columns of `excluded` (p, m).

    `bottom` are all eigenpairs of that complement by rising magnitude where the operator is small enough to have them,
    otherwise None: Lanczos steps find the ends of a spectrum only.
    """

    top: Eigenpairs
    excluded: Tensor
    bottom: Eigenpairs | None

    def top_directions(self, count: int, draws: torch.Generator) -> Tensor:
        """Gaussian combinations (p, count) of the top eigenvectors, of any length."""
        return directions_within(self.top.eigenvectors, count, draws)

    def bottom_directions(self, count: int, draws: torch.Generator) -> Tensor:
        """Gaussian directions (p, count) in the bottom eigenspace, of any length."""
        return directions_outside(self.excluded, count, draws)

    def notes(self, num_top: int, num_excluded: int) -> list[str]:
        """What a reader must know: where there are fewer vectors than asked for, and eigenpairs that are not sharp."""
        notes: list[str] = []
        size, excluded = self.excluded.shape
        if self.bottom is None and excluded < num_excluded:
            notes.append(
                f"Lanczos steps end after {excluded} of {num_excluded}: all other eigenvalues repeat those found."
            )
        elif excluded < num_excluded or len(self.top.eigenvalues) < num_top:
            top = len(self.top.eigenvalues)
            notes.append(
                f"Of {size} directions {top} are top and {excluded} excluded, instead of {num_top} and {num_excluded}."
            )
        if not self.top.converged.all():
            worst = float(self.top.residuals.max())
            notes.append(f"The top eigenvectors have not converged: the largest residual is {worst:.2g}.")
        return notes


def eigenspaces(operator: LinearOperator, *, num_top: int, num_excluded: int, seed: int) -> Eigenspaces:
    """The eigenvectors of largest magnitude, and what the bottom eigenspace stays out of.

    From the whole matrix up to a dimension of 2,500, at as many products; beyond, from num_excluded Lanczos steps and
    num_top further products for the residuals. Where num_excluded would not leave a plane, half of all directions are
    excluded; top are no more than are excluded. An eigenvalue that repeats can leave a copy in the bottom eigenspace of
    a large operator.

    >>> spaces = eigenspaces(torch.diag(torch.tensor([0.1, -3.0, 2.0, 0.0])), num_top=1, num_excluded=2, seed=0)
    >>> spaces.top.eigenvalues.round(6).tolist(), spaces.bottom.eigenvalues.round(6).tolist()
    ([-3.0], [0.0, 0.1])
    """
    size = operator.shape[0]
    if num_top < 1 or num_excluded < 1 or size < 2:
        raise ValueError(
            f"num_top={num_top}, num_excluded={num_excluded} in dimension {size} are not valid: 1, 1 and 2 at least"
        )
    num_excluded = num_excluded if num_excluded <= size - 2 else size // 2
    if size <= DENSE_SIZE:
        return _dense(operator, min(num_top, num_excluded), num_excluded)
    start = random_directions(size, 1, generator(seed, 1))[:, 0].to(operator.device)
    found = lanczos(operator, start, num_excluded)
    off_diagonal = found.off_diagonal[:-1]
    matrix = np.diag(found.diagonal) + np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1)
    values, coefficients = np.linalg.eigh(matrix)
    chosen = np.argsort(np.abs(values), kind="stable")[::-1][:num_top].copy()
    vectors = found.basis @ torch.from_numpy(coefficients[:, chosen]).to(found.basis)
    differences = (operator @ vectors.to(operator.dtype)).to(vectors) - vectors * torch.from_numpy(values[chosen]).to(
        vectors
    )
    residuals = torch.linalg.vector_norm(differences, dim=0).cpu().numpy()
    top = Eigenpairs(values[chosen], residuals, residuals <= TOLERANCE * np.abs(values).max(), vectors)
    return Eigenspaces(top, found.basis, None)


def top_and_bottom(spaces: Eigenspaces, num_draws: int, seed: int) -> dict[str, Tensor]:
    """Random directions (p, num_draws) of length 1 in each of the two eigenspaces."""
    return {
        "top": unit(spaces.top_directions(num_draws, generator(seed, 2))),
        "bottom": unit(spaces.bottom_directions(num_draws, generator(seed, 3))),
    }


def curvatures(operator: LinearOperator, directions: Tensor) -> Floats:
    """The curvature along each of the columns, which have length 1; costs a product for each."""
    images = (operator @ directions.to(operator.dtype)).to(directions)
    return (directions * images).sum(dim=0).cpu().numpy()


def _dense(operator: LinearOperator, num_top: int, num_excluded: int) -> Eigenspaces:
    matrix = symmetric_matrix(operator)
    values, vectors = torch.linalg.eigh(matrix)
    order = torch.argsort(values.abs(), stable=True)
    excluded = order[-num_excluded:].flip(0)
    pairs = [_pairs(matrix, values[which], vectors[:, which]) for which in (excluded[:num_top], order[:-num_excluded])]
    return Eigenspaces(pairs[0], vectors[:, excluded], pairs[1])


def _pairs(matrix: Tensor, values: Tensor, vectors: Tensor) -> Eigenpairs:
    residuals = torch.linalg.vector_norm(matrix @ vectors - vectors * values, dim=0).cpu().numpy()
    return Eigenpairs(values.cpu().numpy(), residuals, np.ones(len(values), dtype=np.bool_), vectors)
