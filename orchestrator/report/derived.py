"""Derived quantities: what follows from the stored numbers, as further rows of the tidy table.

They are worked out in the order in which a presentation declares them, so that one can be of those before it.
"""

from collections.abc import Sequence

from orchestrator.report.course_quantities import sources as sources_of_course
from orchestrator.report.course_quantities import with_course_quantity
from orchestrator.report.derived_kinds import Derived, Descent, Difference, Lag, Moment, Ratio, Side, Turning
from orchestrator.report.descents import with_descents
from orchestrator.report.lags import with_lags
from orchestrator.report.moments import with_moments
from orchestrator.report.ratios import with_ratios
from orchestrator.report.sides import with_sides
from orchestrator.report.table import Results
from orchestrator.report.turnings import with_turnings


def with_derived(results: Results, derived: Sequence[Derived]) -> Results:
    """The table with the rows of each derived quantity of each trial that has what it is of."""
    for each in derived:
        match each:
            case Ratio() | Difference():
                results = with_ratios(results, (each,))
            case Side():
                results = with_sides(results, (each,))
            case Lag():
                results = with_lags(results, (each,))
            case Turning():
                results = with_turnings(results, (each,))
            case Moment():
                results = with_moments(results, (each,))
            case Descent():
                results = with_descents(results, (each,))
            case _:
                results = with_course_quantity(results, each)
    return results


def over_steps(derived: Derived) -> tuple[str, ...]:
    """The quantities of which it needs the values at all steps; none of the latest values alone."""
    match derived:
        case Ratio() | Difference() | Side():
            return ()
        case Lag():
            return (derived.falls, derived.fitted, derived.passes)
        case Turning():
            return (derived.least, derived.largest)
        case Moment() | Descent():
            return (derived.quantity,)
        case _:
            return sources_of_course(derived)
