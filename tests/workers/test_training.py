"""Training: reproducible, resumable at any step, and blind to who watches."""

import dataclasses
import math
from itertools import pairwise

import pytest
import torch

from measures.registry import Component
from tests.workers.memory_session import Cut, MemorySession
from workers.building import build_problem
from workers.checkpoint import TrainingState
from workers.evaluation import evaluate
from workers.fits.member import evaluation_epochs
from workers.fits.outcome import Outcome
from workers.runtime import Checkpoints, Runtime
from workers.schedules.half_constant_linear import half_constant_linear
from workers.schedules.position import Position
from workers.seeding import stream
from workers.spec import TrialSpec
from workers.training import train


def same_tensors(left: TrainingState, right: TrainingState) -> bool:
    return left.tensors.keys() == right.tensors.keys() and all(
        torch.equal(left.tensors[name], right.tensors[name]) for name in left.tensors
    )


@pytest.mark.parametrize("cut", [0, 1, 2, 4, 17, 23, 48])
def test_cut_at_a_checkpoint_equals_uninterrupted(small_trial: TrialSpec, runtime: Runtime, cut: int) -> None:
    """100 training examples in batches of 30 are 4 steps an epoch: 17 and 23 lie in the middle of one."""
    whole = MemorySession(frozenset({cut}))
    outcome = train(small_trial, runtime, whole)
    before = MemorySession(frozenset({cut}), cut_at=cut)
    with pytest.raises(Cut):
        train(small_trial, runtime, before)
    after = MemorySession(frozenset({cut}), start=before.states[cut])
    assert train(small_trial, runtime, after) == outcome
    final = outcome.step
    assert same_tensors((after.states | before.states)[final], whole.states[final])
    assert (after.states | before.states)[final].record == whole.states[final].record
    assert {**before.points, **after.points} == whole.points


def test_two_runs_are_identical(small_trial: TrialSpec, runtime: Runtime) -> None:
    first, second = MemorySession(frozenset()), MemorySession(frozenset())
    train(small_trial, runtime, first)
    torch.rand(7)  # a process that has served others before
    train(small_trial, runtime, second)
    assert first.points == second.points
    assert same_tensors(first.states[48], second.states[48])


@pytest.mark.parametrize("seed", ["data_seed", "init_seed", "order_seed"])
def test_each_seed_changes_the_numbers(small_trial: TrialSpec, runtime: Runtime, seed: str) -> None:
    first, second = MemorySession(frozenset()), MemorySession(frozenset())
    train(small_trial, runtime, first)
    train(dataclasses.replace(small_trial, **{seed: 1}), runtime, second)
    assert first.points[("test/loss", 48)] != second.points[("test/loss", 48)]


def test_checkpointing_does_not_touch_the_trajectory(small_trial: TrialSpec, runtime: Runtime) -> None:
    rarely, often = MemorySession(frozenset()), MemorySession(frozenset(range(49)))
    train(small_trial, runtime, rarely)
    train(small_trial, runtime, often)
    assert rarely.points == often.points
    assert same_tensors(rarely.states[48], often.states[48])


def test_the_loop_is_the_textbook_one(small_trial: TrialSpec, runtime: Runtime) -> None:
    """Against a loop written out by hand with torch's unfused SGD, from the same start and in the same order."""
    session = MemorySession(frozenset())
    train(small_trial, runtime, session)
    problem = build_problem(small_trial, runtime)
    model = problem.network.module
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(12):
        for batch in torch.randperm(100, generator=stream(0, "order", epoch)).split(30):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(problem.train.inputs[batch]), problem.train.targets[batch])
            loss.backward()
            optimizer.step()
    expected = evaluate(model, problem.test, problem.loss)
    assert session.points[("test/error", 48)] == expected.error
    assert session.points[("test/loss", 48)] == pytest.approx(expected.loss, rel=1e-5)


def test_interpolation_threshold_is_the_first_epoch_without_train_error(
    small_trial: TrialSpec, runtime: Runtime
) -> None:
    long = dataclasses.replace(
        small_trial, model=Component("mlp", width=64), fit=Component("sgd", epochs=60, batch_size=30)
    )
    ends = frozenset(range(0, 241, 4))
    session = MemorySession(ends)
    outcome = train(long, runtime, session)
    problem = build_problem(long, runtime)
    fitted = []
    for step in sorted(ends):
        problem.network.module.load_state_dict(session.states[step].part("model"))
        if evaluate(problem.network.module, problem.train, problem.loss).error == 0:
            fitted.append(step)
    assert outcome.thresholds["exact"] == fitted[0]
    assert outcome.steps_per_epoch == 4


def test_a_threshold_that_is_not_reached_is_a_result(small_trial: TrialSpec, runtime: Runtime) -> None:
    assert train(small_trial, runtime, MemorySession(frozenset())) == Outcome(step=48, steps_per_epoch=4)


def test_evaluation_epochs_are_log_spaced_and_end_at_the_end() -> None:
    epochs = sorted(evaluation_epochs(500))
    assert epochs[:11] == list(range(11)) and epochs[-1] == 500
    ratios = [b / a for a, b in pairwise(epochs[10:])]
    assert max(ratios) <= 1.25  # 10 ** (1 / 12), rounded to whole epochs
    assert sorted(evaluation_epochs(1)) == [0, 1]


def test_checkpoint_steps_are_log_spaced_and_never_far_apart() -> None:
    steps = sorted(Checkpoints(per_decade=2, fraction=0.1).steps(20_000, 40))
    assert steps[:7] == [0, 1, 3, 10, 32, 100, 316] and steps[-1] == 20_000
    assert max(b - a for a, b in pairwise(steps)) <= 2_000
    assert sorted(Checkpoints().steps(1, 1)) == [0, 1]


def test_schedule_has_the_published_learning_rates() -> None:
    """Maddox et al.'s logs, 200 epochs from 0.01 (references: printed for 1-based epochs, four decimals)."""
    printed = {100: 0.0100, 110: 0.0089, 120: 0.0076, 130: 0.0064, 140: 0.0052, 150: 0.0039, 160: 0.0027}
    printed |= {170: 0.0015, 180: 0.0002, 190: 0.0001, 200: 0.0001}
    for epoch, rate in printed.items():
        assert math.isclose(0.01 * half_constant_linear(Position((epoch - 1) * 391, 391, 200)), rate, abs_tol=5e-5)


def test_random_labels_are_nested_and_uniform(runtime: Runtime, small_trial: TrialSpec) -> None:
    def labels(fraction: float) -> torch.Tensor:
        noisy = dataclasses.replace(
            small_trial,
            dataset=Component("mnist1d", num_examples=4000, train_fraction=0.9),
            corruption=Component("random_labels", fraction=fraction),
        )
        return build_problem(noisy, runtime).train.targets

    clean, some, more, all_ = (labels(f) for f in (0.0, 0.2, 0.5, 1.0))
    changed_some, changed_more = some != clean, more != clean
    assert torch.all(changed_more[changed_some]) and torch.equal(some[changed_some], more[changed_some])
    expected, count = 0.9 * 0.2, len(clean)
    assert abs(changed_some.float().mean().item() - expected) < 4 * math.sqrt(expected * (1 - expected) / count)
    assert set(all_.tolist()) == set(range(10))
