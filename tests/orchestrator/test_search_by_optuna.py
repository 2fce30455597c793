"""The searcher that Tune asks for points: Optuna's draws, each told of those before. No Ray is started here."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.adaptive import SAMPLERS, Asha, Choice, Integers, Objective, Point, Search, Uniform
from orchestrator.schedule import search as by_optuna
from orchestrator.schedule.search import Drawn
from orchestrator.search import Draw, draws
from tests.orchestrator.test_search import LOSS, SPACE, make, record, search
from workers.trial import TrainingTask

Values = Callable[[Point], tuple[float, ...] | None]


def searcher(declared: Search, told: tuple[Draw, ...] = (), claimed: list[Point] | None = None) -> Drawn:
    """One whose claims are remembered and touch no store."""
    seen: set[str] = set()

    def claim(number: int, point: Point) -> tuple[TrainingTask, bool]:
        task = TrainingTask(declared.trial(point), f"run-{number}", "lease")
        ended = task.trial.trial_id in seen
        seen.add(task.trial.trial_id)
        if claimed is not None:
            claimed.append(point)
        return task, ended

    return Drawn(declared, told, claim)


def drawn(declared: Search, values: Values, count: int, told: tuple[Draw, ...] = ()) -> list[Point]:
    """So many points, one after the other."""
    points = list[Point]()
    asked = searcher(declared, told, points)
    for number in range(count):
        assert asked.suggest(f"tune-{number}") is not None
        asked.on_trial_complete(f"tune-{number}", {"results": "any", "values": values(points[-1])})
    return points


def bowl(point: Point) -> tuple[float, ...]:
    """Least at weight decay 0.03, whatever the learning rate."""
    return ((float(point["weight_decay"] or 0) - 0.03) ** 2,)


def earlier(declared: Search, points: list[Point], values: Values) -> tuple[Draw, ...]:
    runs = [record(declared, n, point, test_loss=(values(point) or (math.nan,))[0]) for n, point in enumerate(points)]
    return draws(declared, runs)


def test_the_same_declaration_draws_the_same_points() -> None:
    assert drawn(search(), bowl, 3) == drawn(search(), bowl, 3)
    assert drawn(search(), bowl, 3) != drawn(search(seed=1), bowl, 3)


def test_a_continued_search_does_not_repeat_the_first_points() -> None:
    first = drawn(search(), bowl, 3)
    again = drawn(search(), bowl, 3, earlier(search(), first, bowl))
    assert not {point["learning_rate"] for point in first} & {point["learning_rate"] for point in again}


def test_what_is_told_of_earlier_draws_draws_it_there() -> None:
    declared = search(num_trials=60)
    told = earlier(declared, drawn(search(sampler="random"), bowl, 30), bowl)
    near = [abs(float(p["weight_decay"] or 0) - 0.03) for p in drawn(declared, bowl, 10, told)]
    unguided = [abs(float(p["weight_decay"] or 0) - 0.03) for p in drawn(search(sampler="random"), bowl, 10)]
    assert sorted(near)[5] < 0.5 * sorted(unguided)[5]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("objectives", [(LOSS,), (LOSS, Objective("test/error", "max"))])
def test_failed_and_diverged_trials_are_told_as_such(sampler: Any, objectives: tuple[Objective, ...]) -> None:
    def values(point: Point) -> tuple[float, ...] | None:
        if float(point["learning_rate"] or 0) > 0.3:
            return tuple(math.inf if objective.mode == "min" else -math.inf for objective in objectives)
        return None if float(point["learning_rate"] or 0) < 0.005 else (bowl(point) * 2)[: len(objectives)]

    declared = search(sampler=sampler, objectives=objectives)
    points = drawn(declared, values, 30)
    assert len({point["learning_rate"] for point in points}) == 30


def test_a_point_drawn_twice_at_once_waits_and_is_then_known() -> None:
    declared = search(space={"nesterov": Choice(True)}, trial=lambda point: make({"momentum": 0.9, **point}))
    asked = searcher(declared)
    first = asked.suggest("a")
    assert first is not None and not first["ended"]
    assert asked.suggest("b") is None, "the only point there is trains just now"
    asked.on_trial_complete("a", {"results": "any", "values": (1.0,)})
    second = asked.suggest("c")
    assert second is not None and second["ended"] and second["tasks"][0].run_id == "run-1"
    asked.on_trial_complete("c", {"results": "any", "values": (1.0,)})


def test_a_stopped_trial_is_told_with_its_last_value() -> None:
    declared = search(pruner=Asha(10), sampler="random")
    asked = searcher(declared)
    for name in ("a", "b"):
        assert asked.suggest(name) is not None
        asked.on_trial_result(name, {"step": 10, "training_iteration": 1, "test/loss": 2.5})
    asked.on_trial_complete("a", {"step": 10, "test/loss": 2.5})
    asked.on_trial_complete("b", None, error=True)
    states = [(t.state.name, t.value, t.intermediate_values) for t in asked._optuna._ot_study.trials]
    assert states == [("PRUNED", 2.5, {10: 2.5}), ("FAIL", None, {10: 2.5})]
    pruned = draws(declared, [record(declared, 0, drawn(search(), bowl, 1)[0], "PRUNED", test_loss=2.5)])
    (known,) = searcher(declared, pruned)._optuna._ot_study.trials
    assert (known.state.name, known.value, known.intermediate_values) == ("PRUNED", 2.5, {9: 2.5})


def test_every_kind_of_range_is_drawn_from() -> None:
    space = {**SPACE, "whole": Integers(2, 9), "scale": Integers(1, 100, log=True), "kind": Choice("a", None, 3)}

    def trial(point: Point) -> Any:
        return make({"learning_rate": point["learning_rate"]})

    points = drawn(search(space=space, trial=trial), lambda point: (1.0,), 40)
    assert {point["whole"] for point in points} <= set(range(2, 10)) and len({p["whole"] for p in points}) > 4
    assert {point["kind"] for point in points} == {"a", None, 3}
    assert all(isinstance(p["scale"], int) and 1 <= p["scale"] <= 100 for p in points)
    assert all(
        1e-3 <= float(p["learning_rate"] or 0) <= 1 and 0 <= float(p["weight_decay"] or 0) <= 0.1 for p in points
    )
    assert set(by_optuna.SAMPLERS) == set(SAMPLERS)


def test_uniform_is_not_logarithmic() -> None:
    points = drawn(search(space={"weight_decay": Uniform(1e-9, 0.1)}, sampler="random"), bowl, 30)
    assert sum(float(point["weight_decay"] or 0) > 0.01 for point in points) > 20
