"""Schedules against torch's own, or against the formula where torch has none."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from measures.registry import Component
from workers.schedules import schedules
from workers.schedules.position import Position

MakeScheduler = Callable[[torch.optim.Optimizer], LRScheduler]


def torch_factors(make: MakeScheduler, count: int) -> list[float]:
    """The factors that a torch scheduler gives before each of its first `count` steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    factors: list[float] = []
    for _ in range(count):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return factors


def factors(component: Component, epochs: int, steps_per_epoch: int = 1) -> list[float]:
    """The factors that ours gives at every step of a training."""
    steps = range(epochs * steps_per_epoch)
    return [schedules.call(component, Position(step, steps_per_epoch, epochs)) for step in steps]


BY_EPOCH: list[tuple[Component, MakeScheduler]] = [
    (Component("constant"), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    (Component("exponential"), lambda o: lr_scheduler.ExponentialLR(o, gamma=0.95)),
    (Component("exponential", factor=0.5), lambda o: lr_scheduler.ExponentialLR(o, gamma=0.5)),
    (Component("multi_step"), lambda o: lr_scheduler.MultiStepLR(o, [100, 200], gamma=0.1)),
    (
        Component("multi_step", milestones=(60, 120, 160), factor=0.2),
        lambda o: lr_scheduler.MultiStepLR(o, [60, 120, 160], gamma=0.2),
    ),
    (Component("cosine"), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=250)),
    (Component("decade_decay", epochs=10), lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.1 ** (epoch / 10))),
]


@pytest.mark.parametrize(("component", "make"), BY_EPOCH, ids=[str(component) for component, _ in BY_EPOCH])
def test_schedules_by_epoch_are_those_of_torch(component: Component, make: MakeScheduler) -> None:
    expected = torch_factors(make, 250)
    assert factors(component, 250) == pytest.approx(expected, rel=1e-9)
    # Within an epoch the rate stays: three steps each.
    in_steps = factors(component, 250, steps_per_epoch=3)
    assert in_steps == pytest.approx([factor for factor in expected for _ in range(3)], rel=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 7, 10_000])
def test_linear_warmup_is_torchs_linear_from_one_step_on(steps: int) -> None:
    expected = torch_factors(
        lambda o: lr_scheduler.LinearLR(o, start_factor=1 / steps, end_factor=1.0, total_iters=max(1, steps - 1)), 40
    )
    assert factors(Component("linear_warmup", steps=steps), 10, steps_per_epoch=4) == pytest.approx(expected, rel=1e-9)


def test_linear_warmup_does_not_depend_on_the_length_of_an_epoch() -> None:
    component = Component("linear_warmup", steps=10)
    assert factors(component, 24) == factors(component, 8, steps_per_epoch=3)
    assert factors(component, 24)[8:11] == [0.9, 1.0, 1.0]


def test_decade_decay_is_a_hundredth_after_a_hundred_epochs() -> None:
    rates = [0.0025 * schedules.call(Component("decade_decay"), Position(e, 1, 101)) for e in (0, 25, 50, 100)]
    assert rates == pytest.approx([0.0025, 0.0025 / math.sqrt(10), 0.00025, 0.000025])


@pytest.mark.parametrize("name", list(schedules.entries))
@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_every_schedule_is_positive_and_finite(name: str, steps_per_epoch: int) -> None:
    values = factors(Component(name), 5, steps_per_epoch)
    assert all(math.isfinite(value) and 0 < value <= 1 for value in values)


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (
            Component("multi_step", milestones=(100, 100)),
            r"milestones=\(100, 100\) is not valid: .*strictly increasing",
        ),
        (
            Component("multi_step", milestones=(200, 100)),
            r"milestones=\(200, 100\) is not valid: .*strictly increasing",
        ),
        (Component("multi_step", milestones=()), r"milestones=\(\) is not valid"),
        (Component("multi_step", milestones=(0, 5)), r"milestones=\(0, 5\) is not valid: .*positive"),
        (Component("exponential", factor=0.0), r"factor=0\.0 is not valid"),
        (Component("linear_warmup", steps=0), r"steps=0 is not valid"),
        (Component("decade_decay", epochs=0), r"epochs=0 is not valid"),
    ],
)
def test_settings_out_of_bounds_are_refused(component: Component, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        schedules.resolve(component)
    assert "\n" not in str(caught.value)


def test_milestones_keep_their_identity_through_json() -> None:
    assert schedules.canonical(Component("multi_step", milestones=[60, 120])) == schedules.canonical(
        Component("multi_step", milestones=(60, 120))
    )
    assert schedules.canonical(Component("multi_step", milestones=[100, 200])) == ["multi_step", {}]
