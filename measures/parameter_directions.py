"""Directions in the space of all parameters: at random, inside a subspace or outside it. Columns, in float64."""

import torch
from torch import Tensor

ORTHONORMALITY = 1e-6


def random_directions(size: int, count: int, draws: torch.Generator) -> Tensor:
    """Independent Gaussian directions (size, count); the same on every device, as they are drawn on the CPU."""
    return torch.randn(size, count, generator=draws, dtype=torch.float64)


def directions_within(vectors: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """Independent Gaussian combinations (p, count) of orthonormal columns (p, k).

    >>> directions_within(torch.eye(3)[:, :2], 5, torch.Generator())[2].any().item()
    False
    """
    return vectors.double() @ random_directions(vectors.shape[1], count, draws).to(vectors.device)


def directions_outside(vectors: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """Independent Gaussian directions (p, count) in the orthogonal complement of orthonormal columns (p, k).

    >>> directions_outside(torch.eye(3)[:, :2], 5, torch.Generator())[:2].abs().max().item()
    0.0
    """
    size, fixed = vectors.shape
    if fixed >= size:
        raise ValueError(f"no direction is left: {fixed} columns to stay out of in dimension {size}")
    vectors = vectors.double()
    directions = random_directions(size, count, draws).to(vectors.device)
    for _ in range(2):  # once leaves what rounding adds
        directions = directions - vectors @ (vectors.T @ directions)
    return directions


def unit(directions: Tensor) -> Tensor:
    """The columns at length 1."""
    return directions / torch.linalg.vector_norm(directions, dim=0)


def orthonormal(directions: Tensor) -> Tensor:
    """Orthonormal columns that span the same space as the given ones, which must be independent.

    >>> orthonormal(torch.tensor([[2.0, 1.0], [0.0, 3.0]], dtype=torch.float64)).abs().round(decimals=6).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    basis, triangle = torch.linalg.qr(unit(directions))
    smallest = float(triangle.diagonal().abs().min()) if triangle.shape[0] == triangle.shape[1] else 0.0
    if not smallest > ORTHONORMALITY:
        raise ValueError(f"{directions.shape[1]} directions in dimension {len(directions)} span no such space")
    return basis


def check_orthonormal(directions: Tensor) -> None:
    """ValueError unless the columns are orthonormal to 1e-6."""
    columns = directions.double()
    gram = columns.T @ columns
    worst = float((gram - torch.eye(len(gram), dtype=gram.dtype, device=gram.device)).abs().max())
    if not worst <= ORTHONORMALITY:
        raise ValueError(f"the directions are not orthonormal: products are off by {worst:.2g}, more than 1e-6")
