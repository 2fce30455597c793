"""How a training ends, in which precision it goes, and that nobody who watches changes it."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from measures.registry import Component
from tests.workers.memory_session import MemorySession
from tests.workers.small_files import pixels
from workers.building import build_problem
from workers.fits.loop import Loop
from workers.fits.member import Plan
from workers.fits.sgd import sgd
from workers.runtime import Checkpoints, Runtime
from workers.seeding import stream
from workers.spec import TrialSpec
from workers.training import reset_process, train


def regression(learning_rate: float, epochs: int) -> TrialSpec:
    """Least squares by gradient descent on all examples: the loss grows by a factor with every step."""
    return TrialSpec(
        dataset=Component("random_features", num_features=20, num_train=30, num_test=10),
        model=Component("linear"),
        loss=Component("half_mean_squared_error"),
        optimizer=Component("sgd", learning_rate=learning_rate),
        fit=Component("sgd", epochs=epochs),
    )


def fitted(spec: TrialSpec, **settings: Any) -> TrialSpec:
    """The same trial with other settings of its fit."""
    return dataclasses.replace(spec, fit=Component("sgd", **dict(spec.fit.settings) | settings))


@pytest.mark.parametrize(
    ("learning_rate", "epochs", "step", "running", "loss"),
    [
        (1e18, 6, 2, math.inf, math.inf),
        (1e20, 6, 2, math.inf, math.nan),
        (1e6, 6, 4, math.inf, math.inf),
        (1e17, 2, 2, 3.7e36, math.inf),  # its last step, after which no batch is seen
    ],
)
def test_an_infinite_loss_ends_the_trial_as_diverged(
    learning_rate: float, epochs: int, step: int, running: float, loss: float, runtime: Runtime
) -> None:
    session = MemorySession(frozenset())
    outcome = train(regression(learning_rate, epochs), runtime, session)
    assert (outcome.diverged, outcome.step) == (True, step)
    assert session.points["train/running_loss", step] == pytest.approx(running, rel=0.01)
    for part in ("train", "test"):
        assert session.points[f"{part}/loss", step] == pytest.approx(loss, nan_ok=True)
        assert all(math.isfinite(session.points[f"{part}/loss", earlier]) for earlier in range(step - 1))


def test_a_loss_that_is_no_number_ends_the_trial_as_diverged(small_trial: TrialSpec, runtime: Runtime) -> None:
    wild = dataclasses.replace(small_trial, optimizer=Component("sgd", learning_rate=1e30))
    session = MemorySession(frozenset())
    outcome = train(wild, runtime, session)
    assert outcome.diverged and outcome.step == 4, "at the end of its epoch"
    assert math.isnan(session.points["train/running_loss", 4]) and math.isnan(session.points["test/loss", 4])
    assert session.points["test/loss", 0] == pytest.approx(math.log(10), rel=0.1), "the metrics before are kept"
    assert sorted(session.states) == [0], "and so are the checkpoints, of which this is none"


def soon_fitted(small_trial: TrialSpec) -> TrialSpec:
    """Without label noise and with a wider network, of which training goes on long after it has fitted."""
    easy = dataclasses.replace(small_trial, corruption=Component("none"), model=Component("mlp", width=100))
    return fitted(easy, epochs=60)


def test_stop_at_ends_the_training_at_its_threshold(small_trial: TrialSpec, runtime: Runtime) -> None:
    spec = soon_fitted(small_trial)
    whole = MemorySession(frozenset())
    full = train(spec, runtime, whole)
    assert full.step == 240 and {"exact", "running"} == full.thresholds.keys()
    assert full.thresholds["exact"] < full.thresholds["running"] < 240, full
    for rule in ("exact", "running"):
        stopped = MemorySession(frozenset())
        outcome = train(fitted(spec, stop_at=rule), runtime, stopped)
        assert outcome.step == full.thresholds[rule]
        assert outcome.thresholds == {name: step for name, step in full.thresholds.items() if step <= outcome.step}
        assert {("train/error", outcome.step), ("test/error", outcome.step)} <= stopped.points.keys()
        last = stopped.states[outcome.step]
        assert same_bits(last.tensors, whole.states[outcome.step].tensors), "and until then is the same"
        again = MemorySession(frozenset(), start=last)
        assert train(fitted(spec, stop_at=rule), runtime, again) == outcome, "resumed, it has ended already"
        assert not again.points and not again.states


def same_bits(left: Any, right: Any) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_a_threshold_has_a_checkpoint_whatever_the_schedule_of_checkpoints(
    small_trial: TrialSpec, runtime: Runtime
) -> None:
    session = MemorySession(frozenset())
    outcome = train(soon_fitted(small_trial), runtime, session)
    assert sorted(session.states) == sorted({0, *outcome.thresholds.values(), 240})


@pytest.mark.parametrize("stop_at", ["exact", "running"])
def test_without_a_threshold_the_training_goes_to_its_end(
    stop_at: str, small_trial: TrialSpec, runtime: Runtime
) -> None:
    for spec in (fitted(small_trial, epochs=2, stop_at=stop_at), fitted(regression(0.01, 3), stop_at=stop_at)):
        outcome = train(spec, runtime, MemorySession(frozenset()))
        assert outcome.step == outcome.steps_per_epoch * spec.fit["epochs"]
        assert not outcome.diverged and outcome.thresholds == {}, "not reached: a result"


def watched_trial(folder: Path) -> TrialSpec:
    """With dropout, batch norm and augmentation, which a careless evaluation would disturb."""
    x, y = pixels(30, 3, 8, 8), np.arange(30) % 3
    np.savez(folder / "images.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    return TrialSpec(
        dataset=Component("arrays", path=str(folder / "images.npz"), augmentation="crop_flip"),
        model=Component("resnet18", width=2, dropout=0.2),
        optimizer=Component("adamw", learning_rate=0.01),
        fit=Component("sgd", epochs=3, batch_size=8, online=("gradient_norm",)),
    )


@pytest.mark.parametrize("often", [False, True])
def test_evaluation_and_checkpoints_never_change_the_trajectory(tmp_path: Path, runtime: Runtime, often: bool) -> None:
    """Never, or both after every step; `train` does so at the ends of its epochs."""
    spec = watched_trial(tmp_path)
    session = MemorySession(frozenset())
    train(spec, runtime, session)
    reset_process(runtime)
    problem = build_problem(spec, runtime)
    loop = Loop(problem, MemorySession(frozenset()), Plan(3, 8, "float32", "end", (Component("gradient_norm"),)))
    for epoch in range(3):
        for batch in torch.randperm(20, generator=stream(0, "order", epoch)).split(8):
            loop.train_step(batch)
            loop.member.step += 1
            if often:
                loop.member.evaluation("train"), loop.member.evaluation("test"), loop.member.state()
    assert same_bits(loop.member.model.state_dict(), session.states[9].part("model"))


def test_dropout_and_augmentation_draw_anew_at_every_step(tmp_path: Path, runtime: Runtime) -> None:
    problem = build_problem(watched_trial(tmp_path), runtime)
    loop = Loop(problem, MemorySession(frozenset()), Plan(3, 20, "float32", "end", ()))
    dropout, seen = problem.network.module.get_submodule("conv1_dropout"), []
    dropout.register_forward_hook(lambda _module, inputs, outputs: seen.append((inputs[0] != 0) & (outputs == 0)))
    entered = []
    problem.network.module.register_forward_pre_hook(lambda _module, inputs: entered.append(inputs[0].clone()))
    for _ in range(2):
        loop.train_step(torch.arange(20))
        loop.member.step += 1
    assert not torch.equal(entered[0], entered[1]) and not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("packed", [False, True])
def test_tf32_is_for_the_steps_of_this_trial_alone(
    packed: bool, small_trial: TrialSpec, tmp_path: Path, runtime: Runtime
) -> None:
    def allowed() -> tuple[bool, bool]:
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    spec = small_trial if packed else watched_trial(tmp_path)
    plain, asked = MemorySession(frozenset()), MemorySession(frozenset())
    train(spec, runtime, plain)
    reset_process(runtime)
    problem = build_problem(spec, runtime)
    seen: set[tuple[bool, bool]] = set()

    def noted(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.add((outputs.requires_grad, allowed()[0]))
        return problem.loss.mean(outputs, targets)

    def noted_of_all(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        seen.add((True, allowed()[1]))
        assert problem.loss.stacked is not None
        return problem.loss.stacked(outputs, targets)

    watched = dataclasses.replace(problem, loss=dataclasses.replace(problem.loss, mean=noted, stacked=noted_of_all))
    sgd(watched, asked, **{**dict(spec.fit.settings), "precision": "tf32"})
    assert seen == {(True, True), (False, False)}, "evaluation is in float32"
    assert asked.points == plain.points, "a CPU has none"
    assert allowed() == (False, False)


def test_bfloat16_is_for_training_and_the_weights_stay_float32(small_trial: TrialSpec, runtime: Runtime) -> None:
    """Against a loop written out with torch's autocast, and its unfused SGD."""
    spec = fitted(small_trial, precision="bfloat16", epochs=3)
    session = MemorySession(frozenset())
    train(spec, runtime, session)
    reset_process(runtime)
    problem = build_problem(spec, runtime)
    model = problem.network.module
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=False, foreach=False)
    for epoch in range(3):
        for batch in torch.randperm(100, generator=stream(0, "order", epoch)).split(30):
            with torch.autocast("cpu", torch.bfloat16):
                outputs = model(problem.train.inputs[batch])
            assert outputs.dtype == torch.bfloat16
            optimizer.zero_grad()
            problem.loss.mean(outputs.float(), problem.train.targets[batch]).backward()
            optimizer.step()
    stored = session.states[12].part("model")
    full = MemorySession(frozenset())
    train(fitted(spec, precision="float32"), runtime, full)
    for name, tensor in model.state_dict().items():
        assert stored[name].dtype == torch.float32
        torch.testing.assert_close(stored[name], tensor, rtol=1e-4, atol=1e-5)
        assert not torch.equal(stored[name], full.states[12].part("model")[name])
    assert session.points["test/loss", 0] == full.points["test/loss", 0], "evaluation is in float32"


@pytest.mark.parametrize(
    ("checkpoints", "steps"),
    [
        (Checkpoints(per_decade=1, fraction=1.0), {0, 1, 10, 60}),
        (Checkpoints(per_decade=3, fraction=1.0), {0, 1, 2, 5, 10, 22, 46, 60}),
        (Checkpoints(per_decade=1, fraction=0.25), {0, 1, 10, 15, 30, 45, 60}),
        (Checkpoints(per_decade=1, fraction=1.0, every_epochs=4), {0, 1, 10, 24, 48, 60}),
        (Checkpoints(per_decade=1, fraction=1.0, last_epochs=3), {0, 1, 10, 48, 54, 60}),
        (Checkpoints(per_decade=1, fraction=1.0, every_epochs=5, last_epochs=1), {0, 1, 10, 30, 60}),
        (Checkpoints(per_decade=1, fraction=1.0, last_epochs=99), {0, 1, 10, *range(0, 61, 6)}),
        (Checkpoints(per_decade=1, fraction=0.001), set(range(61))),
    ],
)
def test_checkpoints_are_where_they_are_wanted(checkpoints: Checkpoints, steps: set[int]) -> None:
    """Of a training of ten epochs of six steps."""
    assert checkpoints.steps(60, 6) == steps


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"per_decade": 0}, "per_decade=0 is not valid: at least 1"),
        ({"fraction": 0.0}, r"fraction=0\.0 is not valid: above 0"),
        ({"fraction": 1.5}, r"fraction=1\.5 is not valid: above 0, at most 1"),
        ({"every_epochs": 0}, "every_epochs=0 is not valid: at least 1, or None"),
        ({"last_epochs": -1}, "last_epochs=-1 is not valid: at least 0"),
    ],
)
def test_checkpoints_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Checkpoints(**settings)
