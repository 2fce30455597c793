"""A training that dies and is resumed is the one that was never interrupted, bit for bit."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from measures.registry import Component
from tests.workers.memory_session import Cut, MemorySession
from tests.workers.small_files import pixels
from workers.building import build_problem
from workers.checkpoint import TrainingState
from workers.fits import fits
from workers.fits.outcome import Outcome
from workers.online import online
from workers.runtime import Runtime
from workers.schedules import schedules
from workers.schedules.position import Position
from workers.spec import TrialSpec
from workers.training import reset_process

CHECKPOINTS = frozenset({2, 7, 13, 16})  # with epochs of four steps: in the middle of three, and at the end of one
CUTS = [1, 4, 11, 15, 22]
MEASURES = tuple(online.entries)


@pytest.fixture(params=["adamw", "sgd"])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> TrialSpec:
    return images_trial(tmp_path) if request.param == "adamw" else spirals_trial()


def images_trial(folder: Path) -> TrialSpec:
    """30 images in batches of 8, with all that is drawn during a training, and two groups of parameters."""
    x, y = pixels(40, 3, 8, 8), np.arange(40) % 3
    np.savez(folder / "images.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    return TrialSpec(
        dataset=Component("arrays", path=str(folder / "images.npz"), augmentation="crop_flip_rotation"),
        corruption=Component("random_labels", fraction=0.3),
        model=Component("resnet18", width=2, dropout=0.2),
        optimizer=Component("adamw", learning_rate=0.01, decay="matrices"),
        schedule=Component("linear_warmup", steps=15),
        fit=Component("sgd", epochs=6, batch_size=8, online=MEASURES),
    )


def spirals_trial() -> TrialSpec:
    """Four examples one by one, for which the trajectory of the bias is normalised; soon fitted."""
    return TrialSpec(
        dataset=Component("two_spirals", num_train=4, num_test=40, noise=0.0),
        model=Component("spirals_net"),
        loss=Component("half_binary_cross_entropy"),
        optimizer=Component("sgd", learning_rate=0.2, momentum=0.5),
        schedule=Component("exponential", factor=0.9),
        fit=Component("sgd", epochs=6, batch_size=1, online=MEASURES),
    )


@dataclasses.dataclass
class Process:
    """One process of a training: the factors of its steps' learning rates; how it ended, if it lived.

    `rates` are those of torch's optimiser, of each group, which takes no steps in a pack.
    """

    session: MemorySession
    factors: dict[int, float] = dataclasses.field(default_factory=dict[int, float])
    rates: list[tuple[float, ...]] = dataclasses.field(default_factory=list[tuple[float, ...]])
    outcome: Outcome | None = None


def process(
    spec: TrialSpec, runtime: Runtime, wanted: frozenset[int], start: TrainingState | None = None, dies: int = -1
) -> Process:
    """Train; with `dies`, up to the moment in which that step is about to be taken."""
    reset_process(runtime)
    problem = build_problem(spec, runtime)
    result = Process(MemorySession(wanted, start=start))

    def factor(position: Position) -> float:
        if position.step == dies:
            raise Cut
        result.factors[position.step] = problem.learning_rate_factor(position)
        return result.factors[position.step]

    def make_optimizer() -> torch.optim.Optimizer:
        optimizer = problem.make_optimizer()
        optimizer.register_step_pre_hook(
            lambda optimizer, *_: result.rates.append(tuple(group["lr"] for group in optimizer.param_groups))
        )
        return optimizer

    watched = dataclasses.replace(problem, make_optimizer=make_optimizer, learning_rate_factor=factor)
    try:
        result.outcome = fits.call(spec.fit, watched, result.session)
    except Cut:
        assert dies >= 0
    return result


def newest(session: MemorySession) -> TrainingState:
    return session.states[max(session.states)]


def assert_part_of(part: MemorySession, whole: MemorySession) -> None:
    """Every number and every state is the same there, to the last bit."""
    for at, value in part.points.items():
        assert value.hex() == whole.points[at].hex(), at
    for step, state in part.states.items():
        assert state.record == whole.states[step].record
        assert state.tensors.keys() == whole.states[step].tensors.keys()
        for name, tensor in state.tensors.items():
            assert tensor.numpy().tobytes() == whole.states[step].tensors[name].numpy().tobytes(), (name, step)


@pytest.mark.parametrize("cut", CUTS)
def test_cut_and_resumed_equals_uninterrupted(spec: TrialSpec, runtime: Runtime, cut: int) -> None:
    """Cut between checkpoints: what came after the last one is done again, and is the same again."""
    whole = process(spec, runtime, CHECKPOINTS)
    before = process(spec, runtime, CHECKPOINTS, dies=cut)
    state = newest(before.session)
    after = process(spec, runtime, CHECKPOINTS, state)
    assert before.outcome is None and after.outcome == whole.outcome
    assert_part_of(before.session, whole.session)
    assert_part_of(after.session, whole.session)
    assert (before.session.points | after.session.points).keys() == whole.session.points.keys()
    assert (before.session.states | after.session.states).keys() == whole.session.states.keys()
    # No learning rate is left out; none is repeated but those of the steps that are done again.
    assert list(before.factors) == list(range(cut)) and list(after.factors) == list(range(state.step, 24))
    assert before.factors | after.factors == whole.factors == after.factors | before.factors


def test_cut_again_and_again_equals_uninterrupted(spec: TrialSpec, runtime: Runtime) -> None:
    whole = process(spec, runtime, CHECKPOINTS)
    state, factors, points = None, {}, {}
    for cut in (*CUTS, -1):
        part = process(spec, runtime, CHECKPOINTS, state, dies=cut)
        assert_part_of(part.session, whole.session)
        state = newest(part.session) if part.session.states else state
        factors |= part.factors
        points |= part.session.points
    assert part.outcome == whole.outcome
    assert (factors, points.keys()) == (whole.factors, whole.session.points.keys())


def test_the_rates_are_those_of_the_schedule(spec: TrialSpec, runtime: Runtime) -> None:
    trained = process(spec, runtime, CHECKPOINTS)
    expected = [schedules.call(spec.schedule, Position(step, 4, 6)) for step in range(24)]
    assert trained.factors == dict(enumerate(expected))
    if spec.optimizer.name == "adamw":  # of a network that no pack holds, with two groups of parameters
        assert trained.rates == [(spec.optimizer["learning_rate"] * factor,) * 2 for factor in expected]


def test_the_cases_hold_what_they_are_to_show(spec: TrialSpec, runtime: Runtime) -> None:
    """Measures, a threshold on either side of a cut, buffers and slots: otherwise the tests above show little."""
    whole = process(spec, runtime, CHECKPOINTS)
    names = {name.split(".")[0] for name in newest(whole.session).tensors}
    assert names == {"model", "optimizer", "running", "online"}
    assert all(any(key.startswith(f"{name}/") for key, _ in whole.session.points) for name in MEASURES)
    assert len(set(whole.factors.values())) >= 6
    assert whole.outcome is not None and not whole.outcome.diverged
    if spec.optimizer.name == "sgd":
        assert CUTS[0] < whole.outcome.thresholds["exact"] < CUTS[-1], whole.outcome
        assert np.isfinite(whole.session.points["bias_trajectory/total", 24])
    else:
        assert any("running_mean" in name for name in newest(whole.session).tensors)
