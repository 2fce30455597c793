"""The posterior of a linear model from a snapshot: published values, dense algebra, networks that are not linear."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from measures import Snapshot, Split, linear_posterior, parameter_derivatives, posterior_contraction
from workers.datasets.bayesian_linear import bayesian_linear
from workers.datasets.random_features import random_features


def snapshot(x: torch.Tensor, x_test: torch.Tensor | None = None, model: nn.Module | None = None) -> Snapshot:
    test = x if x_test is None else x_test
    splits = [Split(each, torch.ones(len(each))) for each in (x, test)]
    return Snapshot(model or nn.Linear(x.shape[1], 1, bias=False), (), *splits, F.mse_loss)


def values(given: Snapshot, **settings: float) -> dict[str, float]:
    return {name: each.value for name, each in linear_posterior(given, **settings).values.items()}


@pytest.mark.parametrize(
    ("num_seen", "parameters", "function", "contraction"), [(1, 74.63, 0.020, 2.999), (300, 0.03, 3.921, 599.867)]
)
def test_the_published_linear_model(num_seen: int, parameters: float, function: float, contraction: float) -> None:
    data = bayesian_linear(0, num_seen=num_seen)
    given = snapshot(torch.tensor(data.x_train), torch.tensor(data.x_test))
    found = values(given, prior_variance=3.0, noise_variance=0.1, z=5.0)
    assert found["parameter_dimensionality"] == pytest.approx(parameters, abs=0.005)
    assert found["function_dimensionality"] == pytest.approx(function, abs=0.0005)
    assert found["contraction"] == pytest.approx(contraction, abs=0.0005)
    assert min(found["identity_digits"], found["unchanged_digits"]) > 10
    assert found["num_unchanged"] == max(0, 200 - num_seen)


def test_at_other_points_the_function_contracts_while_at_those_seen_it_grows() -> None:
    """The published rise is of more and more points; where they stay the same the function is told, too."""
    seen, elsewhere = [], []
    for num_seen in (1, 100, 300):
        data = bayesian_linear(0, num_seen=num_seen)
        given = snapshot(torch.tensor(data.x_train), torch.tensor(data.x_test))
        found = values(given, prior_variance=3.0, noise_variance=0.1, z=5.0)
        seen.append(found["function_dimensionality"])
        elsewhere.append(found["test_function_dimensionality"])
    assert seen == sorted(seen)
    assert elsewhere[0] > 150 > elsewhere[1] > 50 > 5 > elsewhere[2]


def test_what_random_features_leave_undetermined_is_as_published() -> None:
    data = random_features(88, num_features=75, draws="published")
    found = values(snapshot(torch.tensor(data.x_train)), gram_z=0.2)
    assert found["undetermined"] == pytest.approx(0.1165, abs=5.1e-5)
    assert found["gram_dimensionality"] == pytest.approx(75 - 0.1165, abs=5.1e-5)


def test_function_at_the_test_examples_is_that_of_dense_algebra() -> None:
    x, x_test = torch.randn(7, 5), torch.randn(4, 5)
    found = values(snapshot(x, x_test), prior_variance=2.0, noise_variance=0.5, z=0.3)
    train, test = x.double().numpy(), x_test.double().numpy()
    covariance = np.linalg.inv(train.T @ train / 0.5 + np.eye(5) / 2)
    eigenvalues = np.linalg.eigvalsh(test @ covariance @ test.T)
    assert found["test_function_dimensionality"] == pytest.approx((eigenvalues / (eigenvalues + 0.3)).sum(), rel=1e-9)


def test_a_seen_direction_is_told_from_an_unseen_one() -> None:
    found = values(snapshot(torch.tensor([[2.0, 0.0, 0.0], [4.0, 0.0, 0.0]])))
    assert found["num_unchanged"] == 2
    assert found["unchanged_digits"] == pytest.approx(-math.log10(np.finfo(float).eps))


def test_examples_without_any_feature_leave_the_prior() -> None:
    found = values(snapshot(torch.zeros(3, 4)))
    assert (found["contraction"], found["num_unchanged"], found["gram_dimensionality"]) == (0.0, 4.0, 0.0)


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_features_of_a_network_are_its_derivatives(outputs: int) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, outputs)).eval()
    x = torch.randn(6, 3)
    features = parameter_derivatives(model, x)
    assert features.shape == (6 * outputs, sum(each.numel() for each in model.parameters()))
    rows = []
    for value in model.double()(x.double()).flatten():
        gradients = torch.autograd.grad(value, list(model.parameters()), retain_graph=True)
        rows.append(torch.cat([each.flatten() for each in gradients]))
    torch.testing.assert_close(features, torch.stack(rows))
    direct = posterior_contraction(features, prior_variance=1.0, noise_variance=0.1)
    assert values(snapshot(x, model=model.float()))["contraction"] == pytest.approx(direct.value, rel=1e-4)


def test_refuses_a_network_that_is_too_large() -> None:
    with pytest.raises(ValueError, match="5100 parameters and 2 examples are not valid: at most 5000 parameters"):
        linear_posterior(snapshot(torch.ones(2, 5100)))
