"""Top and bottom eigenspaces: known matrices, the dense and the Lanczos path, and the directions drawn from them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import eigenspaces, hessian_operator
from measures.eigenspaces import DENSE_SIZE
from measures.parameter_directions import (
    check_orthonormal,
    directions_outside,
    directions_within,
    orthonormal,
    random_directions,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rotated(eigenvalues: list[float]) -> tuple[Tensor, Tensor]:
    vectors = orthonormal(random_directions(len(eigenvalues), len(eigenvalues), seeded()))
    return vectors @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ vectors.T, vectors


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """Cosines of the angles between the spans of orthonormal columns."""
    return torch.linalg.svdvals(one.T @ other)


def test_a_small_matrix_is_split_by_magnitude() -> None:
    matrix, vectors = rotated([5.0, -4.0, 3.0, 0.3, -0.2, 0.1, 0.0])
    spaces = eigenspaces(matrix, num_top=2, num_excluded=3, seed=0)
    assert spaces.bottom is not None
    np.testing.assert_allclose(spaces.top.eigenvalues, [5, -4], rtol=1e-12)
    np.testing.assert_allclose(spaces.bottom.eigenvalues, [0, 0.1, -0.2, 0.3], rtol=1e-12, atol=1e-12)
    for found, expected in (
        (spaces.top.eigenvectors, vectors[:, :2]),
        (spaces.excluded, vectors[:, :3]),
        (spaces.bottom.eigenvectors, vectors[:, 3:]),
    ):
        torch.testing.assert_close(overlap(found, expected), torch.ones(expected.shape[1], dtype=torch.float64))
    assert max(spaces.top.residuals.max(), spaces.bottom.residuals.max()) < 1e-12
    assert spaces.notes(2, 3) == []


def test_directions_lie_in_their_eigenspace() -> None:
    matrix, vectors = rotated([5.0, -4.0, 3.0, 0.3, -0.2, 0.1, 0.0])
    spaces = eigenspaces(matrix, num_top=2, num_excluded=3, seed=0)
    top, bottom = spaces.top_directions(4, seeded()), spaces.bottom_directions(4, seeded())
    assert top.shape == bottom.shape == (7, 4)
    assert float((vectors[:, 2:].T @ top).abs().max()) < 1e-12 < float((vectors[:, :2].T @ top).abs().min())
    assert float((vectors[:, :3].T @ bottom).abs().max()) < 1e-12


def test_where_no_plane_would_be_left_half_is_excluded() -> None:
    spaces = eigenspaces(torch.diag(torch.arange(10.0)), num_top=10, num_excluded=200, seed=0)
    assert spaces.top.eigenvalues.round(6).tolist() == [9, 8, 7, 6, 5]
    assert spaces.excluded.shape == (10, 5)
    assert spaces.notes(10, 200) == ["Of 10 directions 5 are top and 5 excluded, instead of 10 and 200."]
    assert eigenspaces(torch.eye(10), num_top=1, num_excluded=8, seed=0).excluded.shape == (10, 8)


def wide_regression() -> tuple[nn.Linear, Tensor, Tensor]:
    """More weights than the dense path takes, and 30 examples: the Hessian of the mean square has rank 30."""
    model = nn.Linear(DENSE_SIZE + 100, 1, bias=False).double()
    model.weight.data = random_directions(1, DENSE_SIZE + 100, seeded(1)) / 50
    scales = torch.logspace(1, -1, 30, dtype=torch.float64)[:, None]
    return model, scales * random_directions(30, DENSE_SIZE + 100, seeded(2)), torch.zeros(30, 1).double()


def test_a_large_network_is_split_by_lanczos_steps() -> None:
    model, x, y = wide_regression()
    hessian = hessian_operator(model, F.mse_loss, [(x, y)])
    spaces = eigenspaces(hessian, num_top=5, num_excluded=60, seed=0)
    _, values, rows = torch.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(spaces.top.eigenvalues, 2 / 30 * values[:5].square().numpy(), rtol=1e-9)
    assert spaces.bottom is None and spaces.top.converged.all()
    # The Krylov space of one start is that of the 30 rows and the part of the start outside them, but for rounding.
    assert 31 <= spaces.excluded.shape[1] <= 33
    assert float(overlap(spaces.excluded, rows.T).min()) > 1 - 1e-9
    bottom = spaces.bottom_directions(3, seeded())
    assert float((hessian @ bottom).abs().max()) < 1e-9 * values[0] ** 2
    (note,) = spaces.notes(5, 60)
    assert note.startswith("Lanczos steps end after 3") and note.endswith(
        "of 60: all other eigenvalues repeat those found."
    )


def test_too_few_lanczos_steps_are_said() -> None:
    model, x, y = wide_regression()
    spaces = eigenspaces(hessian_operator(model, F.mse_loss, [(x, y)]), num_top=4, num_excluded=5, seed=0)
    (note,) = spaces.notes(4, 5)
    assert note.startswith("The top eigenvectors have not converged: the largest residual is ")


def test_seeds_decide_the_directions() -> None:
    one, same, other = (directions_within(torch.eye(5)[:, :3], 2, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    large = directions_outside(torch.eye(5)[:, :3], 4000, seeded())[3:]
    torch.testing.assert_close(large @ large.T / 4000, torch.eye(2).double(), atol=0.1, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_orthonormal_columns(count: int) -> None:
    directions = 1e-3 * random_directions(50, count, seeded())
    basis = orthonormal(directions)
    check_orthonormal(basis)
    torch.testing.assert_close(basis @ (basis.T @ directions), directions)


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        (torch.ones(4, 2), "2 directions in dimension 4 span no such space"),
        (torch.eye(2)[:, [0, 1, 0]], "3 directions in dimension 2 span no such space"),
        (torch.zeros(4, 2), "2 directions in dimension 4 span no such space"),
    ],
)
def test_dependent_directions_are_refused(directions: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        orthonormal(directions.double())


def test_what_is_not_orthonormal_is_refused() -> None:
    almost = torch.eye(3, dtype=torch.float64)[:, :2]
    check_orthonormal(almost + 4e-7)
    with pytest.raises(ValueError, match="products are off by 4e-06, more than 1e-6"):
        check_orthonormal(almost + 2e-6)


def test_no_direction_is_outside_the_whole_space() -> None:
    with pytest.raises(ValueError, match="no direction is left: 3 columns to stay out of in dimension 3"):
        directions_outside(torch.eye(3), 1, seeded())


@pytest.mark.parametrize(("top", "excluded", "size"), [(0, 1, 3), (1, 0, 3), (1, 1, 1)])
def test_numbers_are_checked(top: int, excluded: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"num_top={top}, num_excluded={excluded} in dimension {size} are not valid"):
        eigenspaces(torch.eye(size), num_top=top, num_excluded=excluded, seed=0)
