"""Search: which points of a space have been drawn, what came of them, which are best. Pure.

What was drawn is in the store: the run of its trial has a tag with the number of the draw and the point. A draw counts
if the study, as it is declared now, makes that very trial of the point; so another number of epochs begins anew.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from measures.registry import canonical_json
from orchestrator.adaptive import Objective, Point, Search
from orchestrator.environment import CannotStart
from orchestrator.plan import State, state_of
from orchestrator.report.numerals import significant
from orchestrator.study import Study
from workers.record import RunRecord
from workers.spec import TrialSpec

LISTED = 10  # of the best points in a report


@dataclass(frozen=True)
class Draw:
    """One point that was drawn, and its trial as it is stored."""

    number: int
    point: Point
    trial: TrialSpec
    record: RunRecord


def search_key(search: Search) -> str:
    """Identity of a search: all of it but its number of trials, which may grow, and what its trials are made by."""
    parts = [
        {name: [type(domain).__name__, *dataclasses.astuple(domain)] for name, domain in search.space.items()},
        [dataclasses.astuple(objective) for objective in search.objectives],
        search.sampler,
        search.seed,
        None if search.pruner is None else dataclasses.astuple(search.pruner),
    ]
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:8]


def trial_of(search: Search, point: Point) -> TrialSpec:
    """The trial that the study makes of a point; CannotStart if it makes none."""
    try:
        return search.trial(point)
    except ValueError as error:
        raise CannotStart(f"the space is not valid: {_point_words(point)}: {error}") from None


def draw_tags(search: Search, number: int, point: Point) -> dict[str, str]:
    """What marks a run as that of a draw; one run may be that of several."""
    return {f"search.{search_key(search)}.{number:06d}": canonical_json(point)}


def draws(search: Search, records: Iterable[RunRecord]) -> tuple[Draw, ...]:
    """All draws of a search, in their order."""
    prefix, found = f"search.{search_key(search)}.", list[Draw]()
    for record in records:
        for tag, text in record.tags.items():
            if tag.startswith(prefix):
                point: Point = json.loads(text)
                trial = trial_of(search, point)
                if trial.trial_id == record.trial_id:
                    found.append(Draw(int(tag.removeprefix(prefix)), point, trial, record))
    return tuple(sorted(found, key=lambda draw: draw.number))


def drawn_trials(search: Search, records: Iterable[RunRecord]) -> tuple[TrialSpec, ...]:
    """The trials of all draws, each once."""
    return tuple({draw.trial.trial_id: draw.trial for draw in draws(search, records)}.values())


def to_draw(study: Study, records: Mapping[str, RunRecord]) -> int:
    """How many points are still to be drawn."""
    if study.search is None:
        return 0
    return max(0, study.search.num_trials - len(draws(study.search, records.values())))


def objective_values(search: Search, record: RunRecord) -> tuple[float, ...] | None:
    """What a searcher is told of a trial; None if its trial or a measurement failed, or a value is not a number.

    A training that diverged is as bad as can be: a searcher that is told nothing would go on drawing such points.
    """
    match state_of(record):
        case State.DIVERGED:
            return tuple(math.inf if objective.mode == "min" else -math.inf for objective in search.objectives)
        case State.DONE:
            values = [record.points[o.quantity].value for o in search.objectives if o.quantity in record.points]
            complete = len(values) == len(search.objectives) and not any(map(math.isnan, values))
            return tuple(values) if complete else None
        case _:
            return None


def pareto(objectives: Sequence[Objective], values: Sequence[Sequence[float]]) -> tuple[int, ...]:
    """Places of the finite values that no other ones are as good as in all objectives and better than in one.

    Of one objective, of the best ones.

    >>> pareto((Objective("loss"), Objective("accuracy", "max")), [(1, 0.5), (2, 0.9), (2, 0.4)])
    (0, 1)
    """
    signs = [1 if objective.mode == "min" else -1 for objective in objectives]
    costs = [tuple(sign * value for sign, value in zip(signs, each, strict=True)) for each in values]
    finite = [place for place, cost in enumerate(costs) if all(map(math.isfinite, cost))]
    return tuple(i for i in finite if not any(_dominates(costs[j], costs[i]) for j in finite))


def _dominates(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return first != second and all(a <= b for a, b in zip(first, second, strict=True))


def search_lines(search: Search, records: Iterable[RunRecord]) -> tuple[str, ...]:
    """What a report says of a search."""
    drawn = draws(search, records)
    known = [(draw, values) for draw in drawn if (values := objective_values(search, draw.record)) is not None]
    aims = " and ".join(f"{'least' if o.mode == 'min' else 'most'} {o.quantity}" for o in search.objectives)
    space = ", ".join(f"{name} from {domain}" for name, domain in search.space.items())
    first = (
        f"{len(drawn)} of {search.num_trials} points drawn ({search.sampler}, seed {search.seed}) for {aims}: {space}"
    )
    return (first, *_pruner_lines(search, drawn), *_best_lines(search, known), *_state_lines(drawn))


def _best_lines(search: Search, known: Sequence[tuple[Draw, tuple[float, ...]]]) -> Iterable[str]:
    sign = 1 if search.objectives[0].mode == "min" else -1
    best = pareto(search.objectives, [values for _, values in known])
    if len(search.objectives) > 1:
        yield f"Pareto set, no point better in one of the two and as good in the other: {len(best)} of {len(known)}"
        chosen = [known[place] for place in best]
    else:
        chosen = [each for each in known if math.isfinite(each[1][0])]
    told = sorted(chosen, key=lambda each: (sign * each[1][0], each[0].number))
    for draw, values in told if len(search.objectives) > 1 else told[:LISTED]:
        numbers = ", ".join(f"{o.quantity} {significant(v)}" for o, v in zip(search.objectives, values, strict=True))
        yield f"{numbers} at {_point_words(draw.point)} (draw {draw.number + 1})"


def _pruner_lines(search: Search, drawn: Sequence[Draw]) -> Iterable[str]:
    if search.pruner is not None:
        stopped = sum(state_of(draw.record) is State.PRUNED for draw in drawn)
        yield (
            f"The pruner was on, {search.pruner}, so correlations over trials are biased; draws that were stopped "
            f"early and have no final numbers: {stopped}"
        )


def _state_lines(drawn: Sequence[Draw]) -> Iterable[str]:
    for state in (State.DIVERGED, State.FAILED):
        if count := sum(state_of(draw.record) is state for draw in drawn):
            yield f"Draws that {'failed' if state is State.FAILED else 'diverged'}: {count}"


def _point_words(point: Point) -> str:
    return ", ".join(f"{name} {significant(v) if isinstance(v, float) else v}" for name, v in point.items())
