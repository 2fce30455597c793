"""Searching: what counts as drawn, what the searcher is told, which points are best, what is refused."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.registry import Component
from orchestrator.adaptive import Asha, Choice, Domain, Integers, LogUniform, Objective, Point, Refine, Search, Uniform
from orchestrator.growth import grown, growth_sections
from orchestrator.plan import plan
from orchestrator.publish import declaration, manifest
from orchestrator.search import Draw, draw_tags, draws, objective_values, pareto, search_lines, to_draw
from orchestrator.study import Study
from workers.record import Point as Value
from workers.record import RunRecord
from workers.spec import TrialSpec

LOSS, ERROR = Objective("test/loss"), Objective("test/error")
SPACE: dict[str, Domain] = {"learning_rate": LogUniform(1e-3, 1.0), "weight_decay": Uniform(0.0, 0.1)}


def make(point: Point, epochs: int = 2) -> TrialSpec:
    return TrialSpec(
        dataset=Component("mnist1d"),
        model=Component("mlp"),
        optimizer=Component("sgd", **point),
        fit=Component("sgd", epochs=epochs),
    )


def search(**changes: Any) -> Search:
    return Search(**{"space": SPACE, "objectives": (LOSS,), "trial": make, "num_trials": 4, **changes})


def study(**changes: Any) -> Study:
    return Study(name="s", question="q", expected="e", axes=("optimizer.learning_rate",), search=search(**changes))


def record(declared: Search, number: int, point: Point, status: str = "FINISHED", **values: float) -> RunRecord:
    spec = declared.trial(point)
    outcome = {"sweep.outcome": status.lower()} if status in ("DIVERGED", "PRUNED") else {}
    return RunRecord(
        f"run-{number}",
        "name",
        "FINISHED" if outcome else status,
        {},
        {"sweep.trial_id": spec.trial_id, "checkpoint.9": "sha", **outcome, **draw_tags(declared, number, point)},
        {name.replace("_", "/"): Value(9, value) for name, value in values.items()},
    )


def stored(declared: Search, losses: Sequence[float]) -> dict[str, RunRecord]:
    """Runs of draws whose points and losses are these."""
    runs = [
        record(declared, number, {"learning_rate": 0.01 * (number + 1), "weight_decay": 0.01}, test_loss=loss)
        for number, loss in enumerate(losses)
    ]
    return {run.trial_id: run for run in runs}


def test_what_was_drawn_is_the_study_and_is_counted() -> None:
    declared = study()
    assert (grown(declared, {}).trials, to_draw(declared, {})) == ((), 4)
    records = stored(search(), [3.0, 2.0, 1.0])
    now = grown(declared, dict(reversed(records.items())))
    assert [t.optimizer["learning_rate"] for t in now.trials] == pytest.approx([0.01, 0.02, 0.03]), "in their order"
    assert to_draw(declared, records) == 1
    assert to_draw(study(num_trials=2), records) == 0
    assert plan(now, records).train == ()
    assert [each["trial_id"] for each in manifest(now)["trials"]] == list(records)


def test_what_the_declared_study_would_not_make_does_not_count() -> None:
    records = stored(search(), [3.0, 2.0])
    longer = study(trial=lambda point: make(point, epochs=3))
    assert to_draw(longer, records) == 4
    for other in (study(sampler="random"), study(seed=1), study(objectives=(ERROR,)), study(pruner=Asha(10))):
        assert to_draw(other, records) == 4
    assert to_draw(study(num_trials=40), records) == 38, "more of the same goes on with it"


def test_a_run_may_be_that_of_several_draws() -> None:
    declared, point = search(), {"learning_rate": 0.1, "weight_decay": 0.0}
    one = record(declared, 0, point, test_loss=1.0)
    again = replace(one, tags={**one.tags, **draw_tags(declared, 3, point)})
    assert [draw.number for draw in draws(declared, [again])] == [0, 3]
    assert grown(study(), {again.trial_id: again}).trials == (declared.trial(point),)
    assert to_draw(study(), {again.trial_id: again}) == 2


@pytest.mark.parametrize(
    ("status", "values", "told"),
    [
        ("FINISHED", {"test_loss": 1.5, "test_error": 0.2}, (1.5, -0.2)),
        ("FINISHED", {"test_loss": 1.5}, None),
        ("FINISHED", {"test_loss": math.nan, "test_error": 0.2}, None),
        ("DIVERGED", {}, (math.inf, -math.inf)),
        ("PRUNED", {"test_loss": 1.5, "test_error": 0.2}, None),
        ("FAILED", {"test_loss": 1.5, "test_error": 0.2}, None),
        ("KILLED", {"test_loss": 1.5, "test_error": 0.2}, None),
    ],
)
def test_the_searcher_is_told_what_came_of_a_trial(
    status: str, values: dict[str, float], told: tuple[float, ...] | None
) -> None:
    declared = search(objectives=(LOSS, Objective("test/error", "max")))
    run = record(declared, 0, {"learning_rate": 0.1, "weight_decay": 0.0}, status, **values)
    assert objective_values(declared, run) == (told if told is None or math.isinf(told[0]) else (1.5, 0.2))


VALUE = st.one_of(st.integers(0, 4).map(float), st.just(math.inf))


@given(st.lists(st.tuples(VALUE, VALUE), max_size=12), st.sampled_from(["min", "max"]))
def test_the_pareto_set_is_what_nothing_improves_on(values: list[tuple[float, float]], mode: Any) -> None:
    objectives = (LOSS, Objective("test/error", mode))
    better: Callable[[float, float], bool] = (lambda a, b: a <= b) if mode == "min" else (lambda a, b: a >= b)
    finite = {i for i, each in enumerate(values) if all(map(math.isfinite, each))}
    best = set(pareto(objectives, values))
    for i in finite:
        dominators = [
            j
            for j in finite
            if values[j] != values[i] and values[j][0] <= values[i][0] and better(values[j][1], values[i][1])
        ]
        assert (i in best) == (not dominators)
    assert best <= finite


def test_the_report_names_the_best_points_and_what_is_biased() -> None:
    declared = study(pruner=Asha(after_steps=100))
    assert declared.search is not None
    records = stored(declared.search, [3.0, 1.0, 2.0])
    pruned = record(declared.search, 3, {"learning_rate": 0.5, "weight_decay": 0.0}, "PRUNED", test_loss=9.0)
    diverged = record(declared.search, 4, {"learning_rate": 0.9, "weight_decay": 0.0}, "DIVERGED")
    (section,) = growth_sections(declared, declared, {**records, "p": pruned, "d": diverged})
    assert section.lines == (
        "5 of 4 points drawn (tpe, seed 0) for least test/loss: learning_rate from LogUniform(low=0.001, high=1.0), "
        "weight_decay from Uniform(low=0.0, high=0.1)",
        "The pruner was on, Asha(after_steps=100, factor=4), so correlations over trials are biased; draws that were "
        "stopped early and have no final numbers: 1",
        "test/loss 1.00 at learning_rate 0.0200, weight_decay 0.0100 (draw 2)",
        "test/loss 2.00 at learning_rate 0.0300, weight_decay 0.0100 (draw 3)",
        "test/loss 3.00 at learning_rate 0.0100, weight_decay 0.0100 (draw 1)",
        "Draws that diverged: 1",
    )


def test_the_report_of_two_objectives_names_the_pareto_set() -> None:
    declared = search(objectives=(LOSS, ERROR), space={"learning_rate": Choice(0.1, 0.2, 0.3)})
    runs = [
        record(declared, i, {"learning_rate": rate}, test_loss=loss, test_error=error)
        for i, (rate, loss, error) in enumerate([(0.1, 1.0, 0.5), (0.2, 2.0, 0.6), (0.3, 3.0, 0.1)])
    ]
    assert search_lines(declared, runs)[1:] == (
        "Pareto set, no point better in one of the two and as good in the other: 2 of 3",
        "test/loss 1.00, test/error 0.500 at learning_rate 0.100 (draw 1)",
        "test/loss 3.00, test/error 0.100 at learning_rate 0.300 (draw 3)",
    )


def test_a_search_that_goes_on_is_the_same_study_and_another_one_is_not() -> None:
    assert declaration(study(num_trials=4)) == declaration(study(num_trials=9))
    others = [study(seed=1), study(trial=lambda point: make(point, epochs=3)), study(objectives=(ERROR,))]
    assert len({declaration(each) for each in [study(), *others]}) == 4


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Uniform(1.0, 1.0), "Uniform(low=1.0, high=1.0) is not valid: low is below high"),
        (lambda: Uniform(0.0, math.inf), "Uniform(low=0.0, high=inf) is not valid: low is below high, and both"),
        (lambda: LogUniform(0.0, 1.0), "LogUniform(low=0.0, high=1.0) is not valid: low is above 0 and below high"),
        (lambda: Integers(0, 8, log=True), "Integers(low=0, high=8, log=True) is not valid: low is above 0"),
        (lambda: Integers(1, 2.5), "Integers(low=1, high=2.5, log=False) is not valid: both bounds are whole"),  # type: ignore[arg-type]
        (lambda: Choice(), "Choice() is not valid: at least one value, each once"),
        (lambda: Choice("a", "a"), "Choice('a', 'a') is not valid: at least one value, each once"),
        (lambda: Choice([1]), "[1] is not valid in a Choice: text, a number, True, False or None"),  # type: ignore[arg-type]
        (lambda: Objective("test/loss", "least"), "mode='least' of objective test/loss is not valid"),  # type: ignore[arg-type]
        (lambda: Asha(0), "after_steps=0 is not valid: at least 1"),
        (lambda: Asha(10, 1), "factor=1 is not valid: at least 2"),
        (lambda: search(space={}), "space={} is not valid: at least one parameter to draw"),
        (lambda: search(space={"a/b": Uniform(0, 1)}), "'a/b' in the space is not valid: a name of letters"),
        (lambda: search(objectives=()), "objectives=() is not valid: one, or two different ones"),
        (lambda: search(objectives=(LOSS, LOSS)), "objectives=(Objective(quantity='test/loss', mode='min'), Obj"),
        (lambda: search(num_trials=0), "num_trials=0 is not valid: at least 1"),
        (lambda: search(sampler="best"), "sampler='best' is not valid: one of tpe, random, nsga2"),
        (lambda: search(objectives=(LOSS, ERROR), pruner=Asha(9)), "Asha(after_steps=9, factor=4) is not valid with"),
        (lambda: study(space={"momentum": Uniform(0, 1.5)}), "optimizer sgd: momentum=1.5 is not valid"),
        (lambda: study(space={"speed": Uniform(0, 1)}), "unknown setting 'speed' of optimizer sgd"),
        (lambda: replace(study(), axes=("model.height",)), "study s: unknown axis 'model.height'; parameters: "),
        (lambda: replace(study(), refine=Refine()), "study s declares a search and a refinement: one of them"),
        (lambda: replace(study(), search=None), "study s declares no trials: give every axis at least one value"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        build()
    assert str(refusal.value).startswith(message) and "\n" not in str(refusal.value)


def test_a_draw_is_a_value() -> None:
    declared = search()
    point: Point = {"learning_rate": 0.1234567890123456789, "weight_decay": 1e-17}
    (draw,) = draws(declared, [record(declared, 7, point)])
    assert draw == Draw(7, point, make(point), draw.record), "to the last bit of its numbers"
