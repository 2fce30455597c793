"""Optimisers against their update formulas written out in float64, frozen parameters, and exact resumption."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from measures.registry import Component
from tests.workers.memory_session import Cut, MemorySession
from workers.optimizers import optimizers
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.training import train

STEPS = 7
RATE, DECAY, MOMENTUM, BETAS, EPSILON = 0.05, 0.3, 0.9, (0.8, 0.95), 1e-6

Formula = Callable[[Tensor, Iterable[Tensor], float], Tensor]


def sgd_formula(weights: Tensor, gradients: Iterable[Tensor], decay: float) -> Tensor:
    velocity = torch.zeros_like(weights)
    for gradient in gradients:
        velocity = MOMENTUM * velocity + gradient + decay * weights
        weights = weights - RATE * velocity
    return weights


def nesterov_formula(weights: Tensor, gradients: Iterable[Tensor], decay: float) -> Tensor:
    velocity = torch.zeros_like(weights)
    for gradient in gradients:
        force = gradient + decay * weights
        velocity = MOMENTUM * velocity + force
        weights = weights - RATE * (force + MOMENTUM * velocity)
    return weights


def adam_step(gradients: list[Tensor]) -> Tensor:
    """Bias-corrected mean over the root of the bias-corrected mean square, from the whole history at once."""
    n = len(gradients)
    history = torch.stack(gradients)

    def mean(values: Tensor, beta: float) -> Tensor:
        powers = torch.tensor([(1 - beta) * beta ** (n - 1 - i) for i in range(n)], dtype=torch.float64)
        return torch.tensordot(powers, values, 1) / (1 - beta**n)

    return mean(history, BETAS[0]) / (mean(history**2, BETAS[1]).sqrt() + EPSILON)


def adam_formula(weights: Tensor, gradients: Iterable[Tensor], decay: float) -> Tensor:
    seen: list[Tensor] = []
    for gradient in gradients:
        seen.append(gradient + decay * weights)
        weights = weights - RATE * adam_step(seen)
    return weights


def adamw_formula(weights: Tensor, gradients: Iterable[Tensor], decay: float) -> Tensor:
    seen: list[Tensor] = []
    for gradient in gradients:
        seen.append(gradient)
        weights = weights - RATE * decay * weights - RATE * adam_step(seen)
    return weights


ADAM = {"betas": BETAS, "epsilon": EPSILON}
CASES: dict[str, tuple[Component, Formula]] = {
    "sgd": (Component("sgd", momentum=MOMENTUM), sgd_formula),
    "nesterov": (Component("sgd", momentum=MOMENTUM, nesterov=True), nesterov_formula),
    "adam": (Component("adam", **ADAM), adam_formula),
    "adamw": (Component("adamw", **ADAM), adamw_formula),
}
SHAPES = {"weight": (5, 3), "bias": (5,), "scale": (), "kernel": (2, 1, 3, 3)}


def with_settings(component: Component, **settings: Any) -> Component:
    return Component(component.name, **{**dict(component.settings), **settings})


@pytest.mark.parametrize("decay", ["all", "matrices"])
@pytest.mark.parametrize("case", list(CASES))
def test_updates_are_those_of_the_formula(case: str, decay: str) -> None:
    component, formula = CASES[case]
    generator = torch.Generator().manual_seed(0)
    start = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in SHAPES.items()}
    gradients = {
        name: [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(STEPS)]
        for name, shape in SHAPES.items()
    }
    parameters = {name: nn.Parameter(value.clone()) for name, value in start.items()}
    component = with_settings(component, learning_rate=RATE, weight_decay=DECAY, decay=decay)
    optimizer = optimizers.call(component, list(parameters.values()))
    for step in range(STEPS):
        for name, parameter in parameters.items():
            parameter.grad = gradients[name][step].clone()
        optimizer.step()
    for name, parameter in parameters.items():
        decays = DECAY if decay == "all" or name in ("weight", "kernel") else 0.0
        expected = formula(start[name], gradients[name], decays)
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", list(optimizers.entries))
@pytest.mark.parametrize("decay", ["all", "matrices"])
def test_every_optimizer_reduces_a_quadratic(name: str, decay: str) -> None:
    """Only a matrix to move: with decay="matrices", the group of all others is empty."""
    curvature = torch.tensor([[1.0, 3.0, 10.0]])
    weights = nn.Parameter(torch.tensor([[1.0, -2.0, 0.5]]))
    optimizer = optimizers.call(Component(name, learning_rate=0.01, decay=decay), [weights])
    losses: list[float] = []
    for _ in range(50):
        loss = (curvature * weights.square()).sum() / 2
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("name", list(optimizers.entries))
@pytest.mark.parametrize("decay", ["all", "matrices"])
def test_frozen_parameters_stay_and_have_no_state(name: str, decay: str) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = optimizers.call(Component(name, weight_decay=0.1, decay=decay), model.parameters())
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"1.weight", "1.bias"}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("case", list(CASES))
def test_the_number_of_threads_changes_no_bit(case: str, threads: int) -> None:
    def trained(num_threads: int) -> Tensor:
        torch.set_num_threads(num_threads)
        generator = torch.Generator().manual_seed(0)
        weights = nn.Parameter(torch.randn(100_003, generator=generator))
        optimizer = optimizers.call(with_settings(CASES[case][0], weight_decay=0.1), [weights])
        for _ in range(4):
            weights.grad = torch.randn(len(weights), generator=generator)
            optimizer.step()
        return weights.detach()

    before = torch.get_num_threads()
    try:
        assert torch.equal(trained(1), trained(threads))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("decay", ["all", "matrices"])
@pytest.mark.parametrize("case", list(CASES))
def test_a_training_resumes_exactly(case: str, decay: str, small_trial: TrialSpec, runtime: Runtime) -> None:
    """Through the bytes of a checkpoint in the middle of an epoch: running means, and Adam's count of steps."""
    spec = dataclasses.replace(
        small_trial,
        optimizer=with_settings(CASES[case][0], weight_decay=0.01, decay=decay),
        fit=Component("sgd", epochs=3, batch_size=30),
    )
    whole = MemorySession(frozenset())
    train(spec, runtime, whole)
    before = MemorySession(frozenset({6}), cut_at=6)
    with pytest.raises(Cut):
        train(spec, runtime, before)
    after = MemorySession(frozenset(), start=before.states[6])
    train(spec, runtime, after)
    expected, resumed = whole.states[12].tensors, after.states[12].tensors
    assert expected.keys() == resumed.keys()
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    assert any(name.startswith("optimizer.") for name in expected)
    assert all(math.isfinite(value) for value in after.points.values())


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (Component("adam", betas=(0.9, 1.0)), r"betas=\(0\.9, 1\.0\) is not valid: .*less than 1"),
        (Component("adamw", betas=(-0.1, 0.9)), r"betas=\(-0\.1, 0\.9\) is not valid: .*at least 0"),
        (Component("adam", epsilon=0.0), r"epsilon=0\.0 is not valid"),
        (Component("sgd", decay="biases"), r"decay='biases' is not valid: .*'all' or 'matrices'"),
        (Component("sgd", nesterov=True), r"nesterov=True is not valid with momentum=0\.0"),
    ],
)
def test_bad_settings_are_refused_by_value(component: Component, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        optimizers.call(component, [nn.Parameter(torch.zeros(1))])
    assert "\n" not in str(caught.value)
