"""Course quantities: what single trainings say of themselves, as further rows of the tidy table.

Each is a pure function of the courses of one trial, by a rule instead of by eye: when a layer has settled, how much a
quantity has fallen, whether something goes in the order of depth, whether several curves are one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.report.courses import courses_of
from orchestrator.report.derived_kinds import DepthOrder, Fall, Likeness, OfCourses, Rescaled, Settled
from orchestrator.report.table import Results, Row

Course = Mapping[int, float]


def with_course_quantity(results: Results, derived: OfCourses) -> Results:
    """The table with the rows of the quantity of each trial that has what it is of."""
    courses = courses_of(results, sources(derived))
    rows: list[Row] = []
    for trial in results.trials:
        found = course(derived, {name: courses.get((trial.trial_id, name), {}) for name in sources(derived)})
        rows += [Row(trial.trial_id, step, derived.name, value, None) for step, value in sorted(found.items())]
    return replace(results, rows=(*results.rows, *rows))


def sources(derived: OfCourses) -> tuple[str, ...]:
    """The quantities that a derived one is of."""
    return derived.quantities if isinstance(derived, DepthOrder | Likeness) else (derived.quantity,)


def course(derived: OfCourses, known: Mapping[str, Course]) -> Course:
    """The derived quantity by step; empty where a quantity that it is of is not known.

    >>> course(Settled("s", "q", 0.5, of_the_way=True), {"q": {0: 0.5, 10: 0.8, 20: 0.7, 30: 0.9, 40: 1.0}})
    {40: 30.0}
    >>> course(DepthOrder("o", ("a", "b", "c")), {"a": {9: 1.0}, "b": {9: 3.0}, "c": {9: 2.0}})
    {9: 0.3333333333333333}
    """
    given = [known.get(name, {}) for name in sources(derived)]
    if not all(given):
        return {}
    own = given[0]
    last = max(own)
    match derived:
        case Rescaled():
            return {step: derived.factor * value + derived.offset for step, value in own.items()}
        case Fall():
            return {last: own[min(own)] - own[last]}
        case Settled():
            at = _settled(derived, own)
            return {} if at is None else {last: float(at)}
        case DepthOrder():
            return {last: _tau([each[max(each)] for each in given])}
        case Likeness():
            latest = [each[max(each)] for each in given]
            return {last: min(latest) / max(latest)} if min(latest) > 0 else {}


def _settled(derived: Settled, own: Course) -> int | None:
    """The first step of the last stretch at or above the level; none if the last value is below it."""
    start = own[min(own)]
    level = start + derived.level * (1 - start) if derived.of_the_way else derived.level
    found = None
    for step in sorted(own, reverse=True):
        if own[step] < level:
            break
        found = step
    return found


def _tau(values: Sequence[float]) -> float:
    """Kendall's tau-a of the values and their places."""
    pairs = [(values[i], values[j]) for j in range(len(values)) for i in range(j)]
    return sum((after > before) - (after < before) for before, after in pairs) / len(pairs)
