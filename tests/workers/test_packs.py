"""Packs: a trial's numbers are the same whatever it is packed with, and to rounding those of the plain loop."""

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from measures.registry import Component
from tests.workers.memory_session import Cut, MemorySession
from workers.building import build_problem
from workers.checkpoint import TrainingState
from workers.fits.loop import Loop
from workers.fits.member import Member, plan_of
from workers.fits.outcome import Outcome
from workers.fits.pack import pack_kind, sharing_inputs, train_alone, train_packed
from workers.fits.pack_optimizer import optimizer_kind
from workers.losses import losses
from workers.runtime import Runtime
from workers.schedules.position import Position
from workers.spec import TrialSpec
from workers.training import reset_process

CHECKPOINTS = frozenset({3, 4, 10, 17})
MNIST1D = TrialSpec(
    dataset=Component("mnist1d", num_examples=320),
    model=Component("mlp", width=10),
    optimizer=Component("sgd", learning_rate=0.1, momentum=0.9),
    fit=Component("sgd", epochs=4, batch_size=30),  # three steps an epoch, the last one of 20 examples
)
SINUSOID = TrialSpec(
    dataset=Component("sinusoid", num_train=6, num_test=10),
    model=Component("sinusoid_net", width=7, depth=2),
    loss=Component("half_mean_squared_error"),
    optimizer=Component("sgd", learning_rate=0.01),
    schedule=Component("exponential", factor=0.9),
    fit=Component(
        "sgd",
        epochs=4,
        batch_size=1,
        online=("bias_trajectory", "bias_variance", "distance_to_initialisation", "gradient_norm"),
    ),
)
SPIRALS = TrialSpec(
    dataset=Component("two_spirals", num_train=30, num_test=40),
    model=Component("spirals_net", width=9, depth=2),
    loss=Component("half_binary_cross_entropy"),
    optimizer=Component("adam", learning_rate=0.01),
    fit=Component("sgd", epochs=5, batch_size=7, online=("bias_trajectory", "bias_variance")),
)
KINDS = {
    "sgd": MNIST1D,
    "nesterov": dataclasses.replace(
        MNIST1D,
        optimizer=Component("sgd", learning_rate=0.1, momentum=0.5, nesterov=True),
        loss=Component("cross_entropy", label_smoothing=0.1),
    ),
    "adamw": dataclasses.replace(MNIST1D, optimizer=Component("adamw", learning_rate=0.01, decay="matrices")),
    "sinusoid": SINUSOID,
    "spirals": SPIRALS,
}


def with_settings(component: Component, **settings: Any) -> Component:
    return Component(component.name, **{**dict(component.settings), **settings})


def varied(kind: str) -> list[TrialSpec]:
    """Trials of a kind: other seeds, widths, rates, decays, corruptions, numbers of epochs."""
    draw, base = random.Random(kind), KINDS[kind]
    trials: list[TrialSpec] = []
    for seed in range(7):
        decay = {"weight_decay": draw.choice([0.0, 0.01, 0.1])}
        noise = {"corruption": Component("random_labels", fraction=draw.choice([0.0, 0.5]))}
        trials.append(
            dataclasses.replace(
                base,
                model=with_settings(base.model, width=draw.randint(1, 16)),
                optimizer=with_settings(base.optimizer, learning_rate=draw.choice([0.001, 0.02]), **decay),
                fit=with_settings(base.fit, epochs=draw.randint(3, 6)),
                data_seed=draw.randint(0, 1),
                init_seed=seed,
                order_seed=draw.randint(0, 99),
                **({} if kind == "sinusoid" else noise),
            )
        )
    return trials


def member(
    trial: TrialSpec, runtime: Runtime, start: TrainingState | None = None, cut_at: int | None = None
) -> tuple[Member, MemorySession]:
    session = MemorySession(CHECKPOINTS, start=start, cut_at=cut_at)
    return Member(build_problem(trial, runtime), session, plan_of(trial.fit)), session


def trained(members: Sequence[Member]) -> list[Outcome | Exception]:
    """How each member of the pack ended."""
    found: dict[int, Outcome | Exception] = {}
    train_packed(members, found.__setitem__)
    return [found[number] for number in range(len(members))]


def numbers_of(session: MemorySession) -> dict[str, Any]:
    """Every bit of what was logged and kept."""
    return {
        "points": {key: repr(value) for key, value in session.points.items()},
        "states": {
            step: {
                name: (tensor.dtype, tensor.shape, tensor.numpy().tobytes()) for name, tensor in state.tensors.items()
            }
            for step, state in session.states.items()
        },
        "records": {step: state.record for step, state in session.states.items()},
    }


def alone(trial: TrialSpec, runtime: Runtime) -> tuple[Outcome, dict[str, Any]]:
    one, session = member(trial, runtime)
    return train_alone(one), numbers_of(session)


@pytest.fixture(autouse=True)
def deterministic(runtime: Runtime) -> None:
    reset_process(runtime)


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_do_not_depend_on_the_pack(kind: str, runtime: Runtime) -> None:
    """Random parts of seven trials in random order, among them all of them, against each by itself."""
    trials = varied(kind)
    expected = [alone(trial, runtime) for trial in trials]
    assert len({str(numbers) for _, numbers in expected}) == len(trials)
    draw = random.Random(kind)
    for size in (7, 2, 3, 5, 4):
        chosen = draw.sample(range(len(trials)), size)
        pairs = [member(trials[place], runtime) for place in chosen]
        outcomes = trained([one for one, _ in pairs])
        for place, outcome, (_, session) in zip(chosen, outcomes, pairs, strict=True):
            assert (outcome, numbers_of(session)) == expected[place]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pack_trains_as_the_loop_does(kind: str, runtime: Runtime) -> None:
    """Autograd and torch's own optimisers, to rounding; what is kept has the same names, shapes and types."""
    for trial in varied(kind)[:3]:
        one, session = member(trial, runtime)
        train_alone(one)
        plain = MemorySession(CHECKPOINTS)
        Loop(build_problem(trial, runtime), plain, plan_of(trial.fit)).run()
        assert session.points.keys() == plain.points.keys() and session.states.keys() == plain.states.keys()
        for key, value in plain.points.items():
            assert session.points[key] == pytest.approx(value, rel=1e-4, abs=1e-6, nan_ok=True), key
        for step, state in plain.states.items():
            assert state.tensors.keys() == session.states[step].tensors.keys()
            for name, tensor in state.tensors.items():
                torch.testing.assert_close(
                    session.states[step].tensors[name], tensor, rtol=1e-4, atol=1e-6, equal_nan=True
                )


@pytest.mark.parametrize("kind", KINDS)
def test_members_that_resume_from_different_steps_end_as_if_never_interrupted(kind: str, runtime: Runtime) -> None:
    trials = varied(kind)[:4]
    expected: list[MemorySession] = []
    pairs: list[tuple[Member, MemorySession]] = []
    for trial, cut in zip(trials, (0, 3, 4, 3), strict=True):
        one, whole = member(trial, runtime)
        train_alone(one)
        expected.append(whole)
        dying, kept = member(trial, runtime, cut_at=cut)
        with pytest.raises(Cut):
            train_alone(dying)
        pairs.append(member(trial, runtime, start=kept.states[cut]))
    assert all(isinstance(each, Outcome) for each in trained([one for one, _ in pairs]))
    for (_, session), whole in zip(pairs, expected, strict=True):
        found, wanted = numbers_of(session), numbers_of(whole)
        for part in found:
            assert found[part].items() <= wanted[part].items()
        assert max(session.states) == max(whole.states)


def test_one_that_diverges_or_fails_does_not_touch_its_neighbours(runtime: Runtime) -> None:
    trials = varied("sgd")
    trials[1] = dataclasses.replace(trials[1], optimizer=with_settings(trials[1].optimizer, learning_rate=1e30))
    expected = [alone(trial, runtime) for trial in trials]
    assert expected[1][0].diverged
    pairs = [member(trial, runtime, cut_at=4 if place == 4 else None) for place, trial in enumerate(trials)]
    outcomes = trained([one for one, _ in pairs])
    assert isinstance(outcomes[4], Cut)
    for place in (0, 1, 2, 3, 5, 6):
        assert (outcomes[place], numbers_of(pairs[place][1])) == expected[place]


def test_what_fails_for_all_is_told_of_all_that_it_fails_for(runtime: Runtime) -> None:
    """Here of a schedule, whose step all take together."""
    trials, broken = varied("sgd")[:3], RuntimeError("no memory")

    def fails(position: Position) -> float:
        if position.step == 4:
            raise broken
        return 1.0

    members = [member(trial, runtime)[0] for trial in trials]
    members[2].problem = dataclasses.replace(members[2].problem, learning_rate_factor=fails)
    assert trained(members) == [broken] * 3


def test_examples_that_are_the_same_are_held_once(runtime: Runtime) -> None:
    first, _ = member(MNIST1D, runtime)
    same = sharing_inputs(build_problem(dataclasses.replace(MNIST1D, init_seed=1), runtime), [first])
    assert same.train.inputs is first.problem.train.inputs and same.test.inputs is first.problem.test.inputs
    others = dataclasses.replace(MNIST1D, data_seed=1)
    assert sharing_inputs(build_problem(others, runtime), [first]).train.inputs is not first.problem.train.inputs


@pytest.mark.parametrize(
    "changed",
    [
        {"fit": Component("sgd", epochs=4, batch_size=30, precision="bfloat16")},
        {"model": Component("transformer"), "dataset": Component("modular_arithmetic", prime=7)},
    ],
)
def test_what_no_pack_holds(changed: dict[str, Component], runtime: Runtime) -> None:
    trial = dataclasses.replace(MNIST1D, **changed)
    assert pack_kind(build_problem(trial, runtime), plan_of(trial.fit)) is None


@pytest.mark.parametrize(
    ("groups", "settings", "can"),
    [
        ([{"weight_decay": 0.1}, {"weight_decay": 0.0}], {"lr": 0.1}, True),
        ([{"lr": 0.1}, {"lr": 0.2}], {}, False),  # as a user's own optimiser may have it
        ([{}], {"lr": 0.1, "dampening": 0.5, "momentum": 0.9}, False),
        ([{}], {"lr": 0.1, "maximize": True}, False),
    ],
)
def test_which_optimisers_move_a_pack(groups: list[dict[str, Any]], settings: dict[str, Any], can: bool) -> None:
    given = [{"params": [torch.nn.Parameter(torch.zeros(2, 2))], **group} for group in groups]
    assert (optimizer_kind(torch.optim.SGD(given, **settings)) is not None) == can


@pytest.mark.parametrize("name", losses.entries)
def test_stacked_losses_are_the_losses(name: str) -> None:
    """Means of three networks, and their derivatives as autograd has them, 0 for the outputs that are ignored."""
    num_classes = None if name == "half_mean_squared_error" else 3 if name == "cross_entropy" else 2
    loss = losses.call(losses.resolve(Component(name)), num_classes)
    assert loss.stacked is not None
    outputs = torch.randn(3, 5, 16, requires_grad=True)
    targets = torch.randn(3, 5) if num_classes is None else torch.randint(num_classes, (3, 5))
    means = [loss.mean(outputs[i, :, : loss.num_outputs], targets[i]) for i in range(3)]
    (expected,) = torch.autograd.grad(torch.stack(means).sum(), outputs)
    found, slope = loss.stacked(outputs.detach(), targets)
    torch.testing.assert_close(found, torch.stack(means).detach())
    torch.testing.assert_close(slope, expected)
    assert not slope[..., loss.num_outputs :].any()
