"""Least squares against numpy, the normal equations and published numbers; resumed without a second fit."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from measures.inputs import Split
from measures.registry import Component
from tests.workers.memory_session import Cut, MemorySession
from workers.fits import fits
from workers.fits.outcome import Outcome
from workers.losses import losses
from workers.models.network import Network
from workers.problem import Problem
from workers.schedules.constant import constant


def problem(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], module: nn.Module | None = None) -> Problem:
    if module is None:
        module = nn.Linear(train[0].shape[1], 1, bias=False, dtype=train[0].dtype)
    return Problem(
        network=Network(module, ()),
        train=Split(*train),
        test=Split(*test),
        clean_targets={},
        loss=losses.call(Component("half_mean_squared_error"), None),
        make_optimizer=lambda: torch.optim.SGD(module.parameters(), lr=0.1),
        learning_rate_factor=constant,
        order_seed=0,
        dataset_sha256="",
    )


def gaussian(num_examples: int, num_features: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(num_examples, num_features, generator=generator, dtype=torch.float64)
    return inputs, torch.randn(num_examples, generator=generator, dtype=torch.float64)


def fitted(given: Problem, **settings: float) -> tuple[Outcome, MemorySession, Tensor]:
    session = MemorySession(frozenset())
    outcome = fits.call(Component("least_squares", **settings), given, session)
    return outcome, session, next(given.network.module.parameters()).detach()[0]


class Scaled(nn.Module):
    """A linear layer behind a fixed scale: its parameters alone do not tell that it is not linear least squares."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(2.0))
        self.linear = nn.Linear(7, 1, bias=False)


def rank_deficient() -> tuple[Tensor, Tensor]:
    inputs, targets = gaussian(12, 5)
    return torch.cat([inputs, inputs[:, :3], torch.zeros(12, 2, dtype=torch.float64)], dim=1), targets


CASES = {
    "more examples": gaussian(30, 7),
    "square": gaussian(10, 10),
    "more features": gaussian(8, 25),
    "repeated and empty features": rank_deficient(),
    "repeated examples": tuple(torch.cat([each, each]) for each in gaussian(6, 9)),
}


@pytest.mark.parametrize("case", list(CASES))
def test_without_ridge_it_is_the_solution_of_minimum_norm(case: str) -> None:
    inputs, targets = CASES[case]
    _, session, weights = fitted(problem((inputs, targets), gaussian(20, inputs.shape[1], seed=1)))
    expected = np.linalg.pinv(inputs.numpy()) @ targets.numpy()
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-9, atol=1e-11)
    assert torch.equal(session.states[1].tensors["model.weight"][0], weights)


@pytest.mark.parametrize("ridge", [1e-3, 0.5, 100.0])
@pytest.mark.parametrize("case", list(CASES))
def test_ridge_is_that_of_the_normal_equations(case: str, ridge: float) -> None:
    inputs, targets = (each.numpy() for each in CASES[case])
    _, _, weights = fitted(problem(CASES[case], gaussian(20, inputs.shape[1], seed=1)), ridge=ridge)
    expected = np.linalg.inv(inputs.T @ inputs + ridge * np.eye(inputs.shape[1])) @ inputs.T @ targets
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-7, atol=1e-9)


def test_losses_and_relative_errors_are_before_and_after() -> None:
    train, test = gaussian(30, 7), gaussian(20, 7, seed=1)
    given = problem(train, test)
    start = next(given.network.module.parameters()).detach()[0].clone()
    _, session, weights = fitted(given)
    expected = {}
    for step, each in ((0, start), (1, weights)):
        for part, (inputs, targets) in (("train", train), ("test", test)):
            residuals = inputs @ each - targets
            expected[f"{part}/loss", step] = (residuals.square().mean() / 2).item()
            expected[f"{part}/relative_error", step] = math.sqrt((residuals**2).sum() / (targets**2).sum())
    assert session.points == pytest.approx(expected, rel=1e-9)
    assert torch.equal(session.states[0].tensors["model.weight"][0], start)
    assert sorted(session.states) == [0, 1]


@pytest.mark.parametrize(
    ("num_features", "settings", "step"),
    [(39, {}, None), (40, {}, 1), (41, {}, 1), (80, {}, 1), (80, {"ridge": 1.0}, None)],
)
def test_the_interpolation_threshold_is_at_as_many_features_as_examples(
    num_features: int, settings: dict[str, float], step: int | None
) -> None:
    """In float32, whose rounding of the large weights at the threshold is not taken for a residual."""
    train = tuple(each.float() for each in gaussian(40, num_features))
    outcome, session, _ = fitted(problem(train, train), **settings)
    assert outcome == Outcome(1, thresholds={"exact": 1} if step else {})
    assert (session.points["train/relative_error", 1] < 1e-6) == (step == 1)


def test_random_features_have_the_published_test_errors() -> None:
    """Maddox et al. (arXiv 2003.02139), random-feature notebook: the test error peaks with 1.9625 at 199 features."""
    random = np.random.RandomState(88)
    errors: dict[int, float] = {}
    for num_features in range(5, 222, 2):
        parts: list[tuple[Tensor, Tensor]] = []
        for _ in ("train", "test"):
            targets = random.randn(200)
            parts.append((torch.tensor(random.randn(200, num_features) + targets[:, None]), torch.tensor(targets)))
        if num_features >= 171:
            _, session, _ = fitted(problem(*parts))
            errors[num_features] = session.points["test/relative_error", 1]
    assert max(errors, key=lambda each: errors[each]) == 199
    assert errors[199] == pytest.approx(1.9625, abs=5e-5)


def test_a_finished_fit_is_not_done_again() -> None:
    train, test = gaussian(8, 25), gaussian(20, 25, seed=1)
    outcome, session, weights = fitted(problem(train, test))
    # Other targets, so that a second fit would show.
    again = problem((train[0], train[1] + 1), test)
    resumed = MemorySession(frozenset(), start=session.states[1])
    assert fits.call(Component("least_squares"), again, resumed) == outcome == Outcome(1, thresholds={"exact": 1})
    assert torch.equal(next(again.network.module.parameters())[0], weights)
    assert not resumed.points and not resumed.states


def test_cut_after_the_initial_checkpoint_it_goes_on_as_if_uninterrupted() -> None:
    train, test = gaussian(30, 7), gaussian(20, 7, seed=1)
    outcome, whole, _ = fitted(problem(train, test))
    before = MemorySession(frozenset(), cut_at=0)
    with pytest.raises(Cut):
        fits.call(Component("least_squares"), problem(train, test), before)
    after = MemorySession(frozenset(), start=before.states[0])
    assert fits.call(Component("least_squares"), problem(train, test), after) == outcome
    assert sorted(after.states) == [1]
    assert torch.equal(after.states[1].tensors["model.weight"], whole.states[1].tensors["model.weight"])
    assert after.points == {key: value for key, value in whole.points.items() if key[1] == 1}


def test_images_are_flattened_as_the_network_does() -> None:
    inputs, targets = (each.float() for each in gaussian(30, 12))
    images = (inputs.view(30, 3, 2, 2), targets)
    _, session, weights = fitted(problem(images, images, nn.Sequential(nn.Flatten(), nn.Linear(12, 1, bias=False))))
    _, _, flat = fitted(problem((inputs, targets), (inputs, targets)))
    assert torch.equal(weights, flat)
    residuals = inputs @ weights - targets
    assert session.points["train/loss", 1] == pytest.approx(residuals.square().mean().item() / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Linear(7, 1), r"Linear\(in_features=7, out_features=1, bias=True\): it takes one linear layer"),
        (nn.Linear(7, 2, bias=False), r"out_features=2, bias=False\): it takes one linear layer"),
        (nn.Sequential(nn.Linear(7, 1, bias=False), nn.ReLU()), r"bias=False\), ReLU\(\): it takes one linear layer"),
        (Scaled(), r"bias=False\): it takes one linear layer"),
        (nn.Sequential(), r"Sequential\(\): it takes one linear layer"),
    ],
)
def test_other_networks_are_refused(module: nn.Module, message: str) -> None:
    given = problem(gaussian(30, 7), gaussian(30, 7), module)
    with pytest.raises(ValueError, match=message) as caught:
        fitted(given)
    assert "\n" not in str(caught.value)


def test_classes_are_refused() -> None:
    given = problem(gaussian(30, 7), gaussian(30, 7))
    classes = dataclasses.replace(given, train=Split(given.train.inputs, torch.zeros(30, dtype=torch.int64)))
    with pytest.raises(ValueError, match=r"targets of type torch\.int64: it is for numbers"):
        fitted(classes)


def test_a_negative_ridge_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ridge=-1\.0 is not valid"):
        fits.resolve(Component("least_squares", ridge=-1.0))
