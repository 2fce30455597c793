"""Moments of a training: an early value, the median of the last ones, the growth since the first."""

import math
from dataclasses import replace

import pytest

from orchestrator.report.derived_kinds import Moment
from orchestrator.report.moments import value_of, with_moments
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results, Row, Trial
from orchestrator.results import quantities_over_steps

COURSE = {0: 2.0, 100: 8.0, 200: 5.0, 900: 1.0, 950: 100.0, 1000: 3.0}


@pytest.mark.parametrize(
    ("begin", "end", "over_first", "expected"),
    [
        (0.9, 1.0, False, 3.0),  # the median of 1, 100 and 3
        (0.0, 0.0, False, 2.0),
        (1.0, 1.0, False, 3.0),
        (0.1, 0.1, False, 8.0),
        (0.12, 0.14, False, 8.0),  # nothing is there: the nearest
        (0.15, 0.15, False, 8.0),  # of two as near the earlier one
        (1.0, 1.0, True, 1.5),
    ],
)
def test_a_moment_is_the_median_of_its_part_or_the_nearest_value(
    begin: float, end: float, over_first: bool, expected: float
) -> None:
    assert value_of(Moment("m", "q", begin, end, over_first), COURSE) == expected


def test_without_values_or_over_a_first_of_zero_there_is_none() -> None:
    assert value_of(Moment("m", "q", 0.0, 1.0), {}) is None
    assert value_of(Moment("m", "q", 1.0, 1.0, over_first=True), {0: 0.0, 5: 1.0}) is None


@pytest.mark.parametrize(("begin", "end"), [(0.5, 0.4), (-0.1, 0.5), (0.5, 1.1)])
def test_a_part_that_is_none_of_the_training_is_refused(begin: float, end: float) -> None:
    with pytest.raises(ValueError, match=f"late from {begin} to {end} is not valid: shares of the training"):
        Moment("late", "q", begin, end)


def test_done_trials_get_a_row_each_and_values_that_are_not_finite_are_left_out() -> None:
    done = Trial("a", "a", {}, "done", 1.0, "", None, ())
    rows = [Row("a", step, "q", value, None) for step, value in {**COURSE, 960: math.nan}.items()]
    rows += [Row("b", 1000, "q", 7.0, None)]
    results = Results((done, replace(done, trial_id="b", state="diverged"), replace(done, trial_id="c")), tuple(rows))
    added = with_moments(results, (Moment("q/late", "q", 0.9, 1.0),)).rows[len(rows) :]
    assert added == (Row("a", 1000, "q/late", 3.0, None),)


def test_what_a_moment_is_of_is_asked_for_over_steps() -> None:
    assert quantities_over_steps(Presentation(derived=(Moment("m", "q", 0.0, 1.0),))) == {"q"}
