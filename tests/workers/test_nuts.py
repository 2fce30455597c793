"""Draws from a network's posterior: a posterior that is known, what is published of it, and what is refused."""

import importlib.util
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from measures.registry import Component
from tests.workers.memory_session import MemorySession
from workers.datasets.prepared import prepared
from workers.fits.dense_jax import dense_layers
from workers.fits.nuts import mixing
from workers.fits.posterior_draws import PosteriorDraws, dimensionalities
from workers.rehearsal import rehearse
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.training import train

installed = pytest.mark.skipif(importlib.util.find_spec("numpyro") is None, reason="numpyro: of the extra `posterior`")

TRIAL = TrialSpec(
    dataset=Component("growing_wave", num_train=20, num_test=30),
    model=Component("spirals_net", width=4, depth=0, bias=False),
    loss=Component("half_mean_squared_error"),
    optimizer=Component("sgd"),
    fit=Component("nuts", num_warmup=30, num_samples=50),
)


@pytest.fixture(scope="module")
def session(cache: Path) -> MemorySession:
    """The trial, sampled once: most of its seconds go to compiling."""
    session = MemorySession(frozenset())
    assert train(TRIAL, Runtime(tracking_uri="", cache=cache), session).step == 80
    return session


@installed
def test_the_posterior_of_a_linear_model_is_the_known_one(runtime: Runtime) -> None:
    """Mean and covariance of the weights, given the mean of the precision that was drawn; 3 inputs, no hidden layer."""
    trial = replace(TRIAL, model=Component("linear"), fit=Component("nuts", num_warmup=200, num_samples=1500))
    session = MemorySession(frozenset())
    train(trial, runtime, session)
    draws = session.states[1700].part("draws")
    weights, precision = draws["output.weight"][:, 0].double().numpy(), float(draws["precision"].double().mean())
    data = prepared(trial.dataset, 0, runtime.cache).dataset
    x, y = data.x_train.astype(np.float64), data.y_train.astype(np.float64)
    covariance = np.linalg.inv(precision * x.T @ x + np.eye(3))
    mean = precision * covariance @ x.T @ y
    np.testing.assert_allclose(weights.mean(axis=0), mean, atol=0.25 * np.sqrt(covariance.diagonal()).max())
    np.testing.assert_allclose(weights.std(axis=0), np.sqrt(covariance.diagonal()), rtol=0.25)


@installed
def test_what_is_stored(session: MemorySession) -> None:
    assert sorted(session.states) == [0, 80]
    draws = session.states[80].part("draws")
    assert draws["precision"].shape == (50,) and draws["hidden1.0.weight"].shape == (50, 4, 3)
    assert torch.equal(session.states[80].tensors["model.hidden1.0.weight"], draws["hidden1.0.weight"][-1])
    found = {name: value for (name, step), value in session.points.items() if step == 80}
    assert 0.98 < found["posterior/share_of_ceiling"] <= 1, "the artefact: as many as there are points"
    assert found["posterior/published_function_dimensionality"] == pytest.approx(20, abs=0.3)
    assert found["posterior/function_dimensionality"] < 6, "of a function of at most 16 weights that hardly varies"
    assert found["posterior/function_dimensionality.stderr"] > 0
    assert found["posterior/parameter_dimensionality"] < 16 and all(map(math.isfinite, found.values()))
    assert found["test/relative_error"] < 1


def test_the_published_recipe_is_its_ceiling_and_the_plain_one_is_not() -> None:
    """A function that varies in two directions, at 30 points and then at 300, with 100 draws."""
    generator = np.random.default_rng(0)
    draws = generator.normal(size=(100, 2))
    for points, ceiling in ((30, 30), (300, 99)):
        function = draws @ generator.normal(size=(2, points))
        given = PosteriorDraws(draws + 3.0, np.full(100, 400.0), function)
        noise = generator.standard_normal(function.shape)
        found = dimensionalities(given, z=1.0, function_z=0.01, noise=noise)
        assert found["posterior/published_function_dimensionality"] == pytest.approx(ceiling, abs=0.1)
        assert found["posterior/function_dimensionality"] == pytest.approx(2, abs=0.01)
        assert found["posterior/parameter_dimensionality"] == pytest.approx(1.0, abs=0.2), (
            "two variances of 1: 1/2 each"
        )
        assert found["posterior/published_parameter_dimensionality"] > 1.4, "the means count as variances"


def test_a_missing_package_is_told_in_one_line_before_anything_starts(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    source = prepared(TRIAL.dataset, 0, runtime.cache)
    with pytest.raises(ValueError, match=re.escape("pip install 'gensweep[posterior]'")) as refused:
        rehearse(TRIAL, source)
    assert "\n" not in str(refused.value)


@installed
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": Component("sinusoid_net")}, "it takes a chain of linear layers and ELU, ReLU, Tanh"),
        ({"dataset": Component("two_spirals", num_train=8), "loss": Component("half_binary_cross_entropy")}, "classes"),
    ],
)
def test_refuses(changed: dict[str, Component], message: str, runtime: Runtime) -> None:
    trial = replace(TRIAL, **changed)
    with pytest.raises(ValueError, match=message):
        rehearse(trial, prepared(trial.dataset, 0, runtime.cache))


def test_only_chains_of_known_layers_are_taken() -> None:
    chain = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Linear(4, 1))
    assert [name for name, _ in dense_layers(chain)] == ["0", "1.0", "1.1", "2"]
    with pytest.raises(ValueError, match=r"a network with Dropout\(p=0.5, inplace=False\): it takes a chain of linear"):
        dense_layers(nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 1)))


@installed
def test_draws_that_seem_to_have_no_autocorrelation_time_count_as_the_ceiling() -> None:
    """Draws that alternate: of NumPyro's estimates one is infinite and one negative."""
    for draws in (4, 5):
        function = np.resize([-1.0, 1.0], draws)[:, None]
        found = mixing(function)["posterior/least_effective_draws"]
        assert found == pytest.approx(draws * math.log10(draws))


@installed
@pytest.mark.parametrize("activation", [nn.ELU(), nn.ReLU(), nn.Tanh()])
def test_the_function_is_that_of_the_network(activation: nn.Module) -> None:
    import jax

    from workers.fits.dense_jax import dense_function

    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), activation, nn.Linear(4, 2, bias=False))
    inputs = torch.randn(5, 2, 3)
    weights = {name: each.detach().numpy() for name, each in network.named_parameters()}
    ours = np.array(dense_function(network, jax)(weights, inputs.numpy()))
    np.testing.assert_allclose(ours, network(inputs).detach().numpy(), rtol=1e-5, atol=1e-6)


@installed
def test_a_finished_chain_is_not_run_again(session: MemorySession, runtime: Runtime) -> None:
    again = MemorySession(frozenset(), start=session.states[80])
    assert train(TRIAL, runtime, again).step == 80
    assert not again.points and not again.states
