"""What was not reached: a lower bound from the store's tags to the verdict; and ratios to a baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.markers import CARETUPBASE

from measures.registry import Component
from orchestrator.report.axis import Axis
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.claim_kinds import Claim, Exceeds, Rises
from orchestrator.report.claims import Finding, findings
from orchestrator.report.curve_runs import curve_points
from orchestrator.report.curves import curves
from orchestrator.report.derived_kinds import Ratio
from orchestrator.report.figures import figure
from orchestrator.report.presentation import Panel, Presentation, Series
from orchestrator.report.ratios import with_ratios
from orchestrator.report.table import Results, Row, Trial
from orchestrator.results import results
from orchestrator.study import Study, run_name
from workers.record import Point, RunRecord
from workers.spec import TrialSpec

PRESENTATION = Presentation(
    x=Axis("corruption.fraction", "fraction"), panels=(Panel("steps", (Series("steps", "exact"),)),)
)
Steps = Mapping[float, Sequence[float | str]]


def table(steps: Steps) -> Results:
    """Done trials at each fraction, one for each seed; the number of a text is a bound, and an empty one is missing."""
    trials: list[Trial] = []
    rows: list[Row] = []
    for fraction, values in steps.items():
        for seed, value in enumerate(values):
            parameters = {"corruption": "random_labels", "corruption.fraction": fraction, "init_seed": seed}
            trials.append(Trial(f"{fraction}-{seed}", "", parameters, "done", 1.0, "", None, ()))
            if value != "":
                rows.append(Row(f"{fraction}-{seed}", 0, "steps", float(value), None, isinstance(value, str)))
    return Results(tuple(trials), tuple(rows))


def judged(claim: Claim, steps: Steps) -> Finding:
    presentation = replace(PRESENTATION, claims=(claim,))
    (finding,) = findings(curves(table(steps), presentation), presentation, np.random.default_rng(0))
    return finding


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ({0: (10, 11), 0.5: (20, 21), 1: ("40", "40")}, "holds"),
        ({0: (10, 11), 0.5: ("40", "40"), 1: ("40", "40")}, "cannot be judged"),
        ({0: (10, 11), 0.5: ("40", "40"), 1: (50, 51)}, "cannot be judged"),
        ({0: (10, 11), 0.5: ("40", "40"), 1: (20, 21)}, "does not hold"),
        ({0: (60, 61), 0.5: ("40", "40"), 1: ("60", "60")}, "cannot be judged"),
    ],
)
def test_nothing_is_known_to_rise_above_a_bound_or_to_fall_below_one(steps: Steps, verdict: str) -> None:
    assert judged(Rises("steps", "steps"), steps).verdict == verdict


@pytest.mark.parametrize(
    ("steps", "verdict", "words"),
    [
        ({0: (1, 1), 0.5: (1.5, 1.6), 1: ("3", "3")}, "holds", "at least 3.00 at fraction 1."),
        ({0: (1, 1), 0.5: (0.5, 0.6), 1: (2, 2.1)}, "does not hold", "; it is below 1 at fraction 0.5"),
        ({0: (1, 1), 0.5: ("0.5", "0.6"), 1: (2, 2.1)}, "cannot be judged", "fraction 0.5 it cannot be told from 1"),
        ({0: (1, 1), 0.5: (0.9, 1.2), 1: (2, 2.1)}, "cannot be judged", "fraction 0.5 it cannot be told from 1"),
        ({0: (1, 1), 0.5: (1.5,), 1: (2, 2.1)}, "cannot be judged", "fraction 0.5 it cannot be told from 1"),
        ({0: (1, 1), 0.5: (1.5, 1.6), 1: (2, "")}, "cannot be judged", "not every trial has a value at 1 of the 3"),
        ({0: (1, 1)}, "cannot be judged", "is not known at any other fraction"),
    ],
)
def test_a_level_is_exceeded_at_every_x_but_where_it_is_the_quantity_itself(
    steps: Steps, verdict: str, words: str
) -> None:
    finding = judged(Exceeds("steps", "slowdown", 1.0), steps)
    assert finding.verdict == verdict
    assert words in finding.sentence
    assert "at fraction 0," not in finding.sentence


def test_a_mean_over_bounds_is_drawn_with_an_arrowhead_written_as_one_and_stored_as_no_mean() -> None:
    results = table({0: (10, 12), 1: (30, "40")})
    columns = curves(results, PRESENTATION)
    drawing = figure(columns, PRESENTATION, ())
    FigureCanvasAgg(drawing).draw()
    heads = [line for line in drawing.axes[0].lines if line.get_marker() == CARETUPBASE]
    assert [point for line in heads for point in line.get_xydata().tolist()] == [[1, 35]]
    files = build_report(ReportHeader("s", "q", "e", "c"), results, PRESENTATION).files
    assert "| all | 1 | at least 35.0 | 2 |" in files["report.md"].decode()
    assert "An arrowhead is on a mean that is a lower bound" in files["report.md"].decode()
    assert files["summary.csv"].decode().splitlines()[2].endswith(",True")
    assert {point.step for point in curve_points(columns)["all trials"]} == {0}


def trial(corruption: Component, seed: int = 0) -> TrialSpec:
    return TrialSpec(
        dataset=Component("mnist1d", num_examples=50),
        corruption=corruption,
        model=Component("mlp", width=2),
        optimizer=Component("sgd"),
        fit=Component("sgd", epochs=1),
        init_seed=seed,
    )


def test_a_threshold_that_was_not_reached_is_later_than_the_last_step() -> None:
    spec = trial(Component("none"))
    tags = {
        "interpolation_threshold": "not reached",
        "interpolation_threshold_running": "step 60, epoch 3",
        "sweep.final_step": "80",
    }
    record = RunRecord("run", "", "FINISHED", {}, tags, {"interpolation_threshold_running/step": Point(0, 60.0)})
    study = Study(name="s", question="?", expected="!", trials=(spec,), axes=("model.width",))
    assert [(row.quantity, row.value, row.at_least) for row in results(study, {spec.trial_id: record}).rows] == [
        ("interpolation_threshold_running/step", 60.0, False),
        ("interpolation_threshold/step", 80.0, True),
    ]


def test_a_name_has_the_axes_that_the_trial_has() -> None:
    axes = ("corruption", "corruption.fraction")
    assert run_name(trial(Component("random_labels", fraction=0.5)), axes) == (
        "corruption=random_labels fraction=0.5 seed=0"
    )
    assert run_name(trial(Component("shuffled_pixels"), 1), axes) == "corruption=shuffled_pixels seed=1"


RATIO = Ratio("slowdown", "steps", {"corruption": "random_labels", "corruption.fraction": 0.0})


def ratios(results: Results) -> dict[str, tuple[float, bool]]:
    rows = with_ratios(results, (RATIO,)).rows
    return {row.trial_id: (row.value, row.at_least) for row in rows if row.quantity == "slowdown"}


def test_each_trial_is_held_against_the_baseline_of_its_own_seeds() -> None:
    found = ratios(table({0: (10, 20), 0.5: (20, 30), 1: (50, "80")}))
    assert found == {
        **{"0-0": (1, False), "0-1": (1, False), "0.5-0": (2, False), "0.5-1": (1.5, False)},
        **{"1-0": (5, False), "1-1": (4, True)},
    }


def test_other_components_are_those_of_the_baseline_and_other_corruptions_have_it_too() -> None:
    results = table({0: (10, 20)})
    wide = {"corruption": "shuffled_pixels", "model.width": 8, "init_seed": 0}
    one = Trial("wide", "", wide, "done", 1.0, "", None, ())
    same = replace(one, trial_id="same", parameters={"corruption": "shuffled_pixels", "init_seed": 1})
    rows = (Row("wide", 0, "steps", 30, None), Row("same", 0, "steps", 30, None))
    found = ratios(Results((*results.trials, one, same), (*results.rows, *rows)))
    assert found["same"] == (1.5, False)
    assert "wide" not in found


@pytest.mark.parametrize("baseline", ["10", ""])
def test_there_is_no_ratio_to_a_baseline_that_has_no_number(baseline: float | str) -> None:
    assert ratios(table({0: (baseline,), 1: (50,)})) == {}


def test_there_is_no_ratio_to_a_baseline_that_has_not_ended_well() -> None:
    results = table({0: (10,), 1: (50,)})
    diverged = replace(results.trials[0], state="diverged")
    assert ratios(replace(results, trials=(diverged, results.trials[1]))) == {}
