"""Theorem-2 bounds against gradients and other programmes, and the terms of the Dropout bound by hand."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn import functional as F

from measures import (
    Snapshot,
    Split,
    activation_patterns,
    dropout_bound,
    dropout_bound_terms,
    far_bounds,
    far_lipschitz_bound,
    local_lipschitz,
)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mlp(*widths: int, seed: int = 0) -> nn.Sequential:
    layers = [module for i, o in pairwise(widths) for module in (nn.Linear(i, o), nn.ReLU())]
    model = nn.Sequential(*layers[:-1]).double()
    for i, parameter in enumerate(model.parameters()):
        parameter.data = gaussian(*parameter.shape, seed=100 * seed + i)
    return model


def snapshot_of(model: nn.Module, x: Tensor, test: Tensor | None = None) -> Snapshot:
    train = Split(x, torch.zeros(len(x)))
    return Snapshot(model, (), train, train if test is None else replace(train, inputs=test), F.mse_loss)


@pytest.mark.parametrize("widths", [(2, 4, 1), (3, 4, 3), (2, 3, 4, 1), (2, 3, 2, 3, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_are_above_the_slopes_and_exact_where_nothing_else_is_possible(
    widths: tuple[int, ...], seed: int
) -> None:
    model, train = mlp(*widths, seed=seed), gaussian(40, widths[0])
    points = 3 * gaussian(60, widths[0], seed=1)
    found = far_bounds(model, train, points)
    np.testing.assert_allclose(found.actual, local_lipschitz(model, points).per_point)
    assert (found.bounds >= found.actual * (1 - 1e-7)).all()
    assert np.isfinite(found.bounds[found.is_covered]).all() and found.is_covered.any()
    assert ((found.num_patterns == 0) == (np.isinf(found.bounds) | (found.bounds == 0))).all()


def test_gradient_is_linear_in_the_activation_vector() -> None:
    """What the bound rests on: equal combinations of vectors give equal combinations of gradients."""
    model, x = mlp(2, 3, 4, 1), gaussian(200, 2)
    first, second = (pattern.double() for pattern in activation_patterns(model, x))
    vectors = torch.einsum("na,nb->nab", first, second).flatten(1)
    gradients = torch.func.vmap(torch.func.jacrev(model))(x).detach()[:, 0]
    paths = torch.linalg.lstsq(vectors, gradients, driver="gelsd").solution
    torch.testing.assert_close(vectors @ paths, gradients)


def test_one_hidden_layer_by_hand() -> None:
    """f = relu(x) + 2 relu(y): trained where one unit is active, the corner where both are is bounded by 1 + 2."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    model[0].weight.data, model[2].weight.data = torch.eye(2).double(), torch.tensor([[1.0, 2.0]]).double()
    train = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).double()
    points = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [5.0, -9.0]]).double()
    found = far_bounds(model, train, points)
    np.testing.assert_allclose(found.bounds, [3.0, 0.0, 1.0])
    np.testing.assert_allclose(found.actual, [math.sqrt(5), 0.0, 1.0])
    assert found.num_patterns.tolist() == [2, 0, 1] and found.is_covered.tolist() == [False, False, True]
    assert found.num_training_patterns == 2
    assert np.isinf(far_bounds(model, train, points, largest_share=0.5).bounds[[0, 2]]).all()
    assert np.isinf(far_bounds(model, train[:1], points).bounds[0])


def test_programme_finds_the_least_sum() -> None:
    """Against a general-purpose minimiser on a smooth parametrisation of all solutions of the constraint."""
    model, train = mlp(3, 4, 1), gaussian(60, 3)
    point = gaussian(1, 3, seed=7)
    patterns = activation_patterns(model, torch.cat([train, point]))[0].double().numpy()
    columns = np.unique(patterns[:-1], axis=0)
    slopes = [
        local_lipschitz(model, train[(patterns[:-1] == row).all(axis=1)][:1]).value for row in columns
    ]  # per pattern
    start = np.linalg.lstsq(columns.T, patterns[-1], rcond=None)[0]
    null = np.linalg.svd(columns.T)[2][np.linalg.matrix_rank(columns) :].T
    best = min(
        minimize(lambda z: np.abs(start + null @ z) @ slopes, s, method="Powell", options={"maxiter": 20000}).fun
        for s in np.random.default_rng(0).normal(size=(4, null.shape[1]))
    )
    bound = far_bounds(model, train, point).bounds[0]
    assert bound <= best + 1e-9 and bound == pytest.approx(best, rel=0.05)


def test_order_and_number_of_training_examples() -> None:
    """Permuted examples and units change nothing; more examples never loosen a bound."""
    model, train, points = mlp(2, 5, 3, 1), gaussian(60, 2), 2 * gaussian(30, 2, seed=1)
    few, many = far_bounds(model, train[:10], points), far_bounds(model, train, points)
    assert (many.bounds <= few.bounds * (1 + 1e-7)).all() and np.isinf(few.bounds).sum() > np.isinf(many.bounds).sum()
    order = torch.tensor([3, 1, 4, 0, 2])
    model[0].weight.data, model[0].bias.data = 3 * model[0].weight.data[order], 3 * model[0].bias.data[order]
    model[2].weight.data = model[2].weight.data[:, order] / 3
    again = far_bounds(model, train.flip(0), points)
    np.testing.assert_allclose(again.bounds, many.bounds, rtol=1e-6)


def test_sigmoid() -> None:
    model, train, points = mlp(2, 4, 1), gaussian(40, 2), 2 * gaussian(40, 2, seed=1)
    found, logits = far_bounds(model, train, points, sigmoid=True), far_bounds(model, train, points)
    np.testing.assert_allclose(found.actual, local_lipschitz(model, points, sigmoid=True).per_point)
    assert (found.bounds >= found.actual * (1 - 1e-7)).all()
    assert (np.isinf(found.bounds) == np.isinf(logits.bounds)).all()


def test_measure_sums_up_the_bounds() -> None:
    model, x = mlp(2, 4, 1), gaussian(30, 2)
    measurement = far_lipschitz_bound(snapshot_of(model, x, 2 * x), num_examples=30, num_points=30)
    bounds = measurement.arrays["test.bounds"]
    expected = far_bounds(model, x, 2 * x)
    np.testing.assert_allclose(np.sort(bounds), np.sort(expected.bounds))
    finite = np.isfinite(expected.bounds)
    values = measurement.values
    assert values["test.bounded"].value == pytest.approx(finite.mean())
    assert values["test.covered"].value == pytest.approx(expected.is_covered.mean())
    assert values["test.bound"].value == pytest.approx(expected.bounds[finite].mean())
    assert values["training_patterns"].value == expected.num_training_patterns


def test_measure_says_where_no_point_has_a_bound() -> None:
    model = mlp(2, 3, 1)
    model[0].weight.data, model[0].bias.data = torch.ones(3, 2).double(), torch.tensor([0.0, 5.0, -5.0]).double()
    corner = torch.full((4, 2), -9.0, dtype=torch.float64)
    measurement = far_lipschitz_bound(snapshot_of(model, corner, -corner), num_examples=4, num_points=4)
    assert math.isnan(measurement.values["test.bound"].value) and measurement.values["test.bounded"].value == 0.0
    assert measurement.notes[0] == "No test point has a bound: the training patterns span none of theirs."


class Residual(nn.Module):
    """Has paths that leave out a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.relu()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Residual(), r"add \(add\) is not valid here: affine layers and ReLUs in a row are"),
        (nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Tanh()), r"Tanh \(_2\) is not valid here"),
        (mlp(2, 300, 300, 1), "90000 paths through the ReLUs are too many: at most 65536"),
        (mlp(2, 1), "Sequential uses no ReLU"),
    ],
)
def test_refuses_networks(model: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        far_bounds(model.double(), gaussian(5, 2), gaussian(5, 2))


def test_dropout_terms_by_hand() -> None:
    """f = sigmoid(relu(x) - relu(-x)) = sigmoid(x), whose slope is f (1 - f); each unit is active at half of them."""
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    model[0].weight.data, model[2].weight.data = (
        torch.tensor([[1.0], [-1.0]]).double(),
        torch.tensor([[1.0, -1.0]]).double(),
    )
    x = torch.tensor([[-2.0], [-1.0], [1.0], [3.0]]).double()
    terms = dropout_bound_terms(model, x)
    f = 1 / (1 + np.exp(-x.numpy()))
    mu, phi = 1 / (1 + math.exp(3)), 1 / (1 + math.exp(1)) / (1 + math.exp(-1))
    c = 1 / (mu * (1 - mu) * 0.5)
    assert (terms.num_units, terms.p_min) == (2, 0.5)
    assert terms.mu == pytest.approx(mu) and terms.phi == pytest.approx(phi)
    assert terms.radius == pytest.approx(np.abs(1 - 2 * f).min() / (c * math.log(2) * phi))
    assert terms.steady_lipschitz == pytest.approx(phi * c / 4 * math.log(2))
    scaled = dropout_bound_terms(model, x, phi=2 * phi, gamma=0.5, beta=2.0)
    assert scaled.steady_lipschitz == pytest.approx(6 * terms.steady_lipschitz)
    assert scaled.radius == pytest.approx(terms.radius / 6)


def test_dropout_notes_say_what_the_terms_are() -> None:
    x = gaussian(40, 3)
    one = dropout_bound(snapshot_of(mlp(3, 4, 1), x))
    assert one.notes[0].startswith("phi is the largest local Lipschitz constant") and "no Dropout" in one.notes[-1]
    assert len(dropout_bound(snapshot_of(mlp(3, 4, 1), x), phi=1.0).notes) == 1
    assert dropout_bound(snapshot_of(nn.Sequential(mlp(3, 4, 1), nn.Dropout()), x), phi=1.0).notes == ()
    several = dropout_bound(snapshot_of(mlp(3, 4, 2), x))
    assert math.isnan(several.values["radius"].value) and several.values["num_units"].value == 4.0
    assert several.notes[0].startswith("The theorem is of one output")


def test_unit_that_is_never_active() -> None:
    model = mlp(3, 4, 1)
    model[0].bias.data[0] = -100.0
    measurement = dropout_bound(snapshot_of(model, gaussian(40, 3)), phi=1.0)
    assert measurement.values["p_min"].value == measurement.values["radius"].value == 0.0
    assert measurement.values["steady_lipschitz"].value == math.inf
    assert "A unit is active at none of the examples" in measurement.notes[0]
