"""Refining: which widths are added to a grid, on curves whose peak and threshold are known."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.registry import Component
from orchestrator.adaptive import Refine, with_value
from orchestrator.refine import Located, Place, locate, refined, uniform_grid
from orchestrator.report.table import Results, Row, Trial
from orchestrator.study import Study
from workers.spec import TrialSpec

COARSE = (2, 6, 17, 50, 140, 400)
Curve = Callable[[float, int], float]  # of width and replicate


def trial(width: int, replicate: int = 0, noise: float = 0.0) -> TrialSpec:
    return TrialSpec(
        dataset=Component("mnist1d"),
        corruption=Component("random_labels", fraction=noise),
        model=Component("mlp", width=width),
        optimizer=Component("sgd", learning_rate=0.1),
        fit=Component("sgd"),
        init_seed=replicate,
        order_seed=replicate,
    )


def study(trials: tuple[TrialSpec, ...], **options: object) -> Study:
    refine = Refine(**{"factor": 1.1, **options})  # type: ignore[arg-type] # fields of Refine
    return Study(name="s", question="q", expected="e", trials=trials, axes=("model.width",), refine=refine)


def grid(widths: tuple[int, ...] = COARSE, replicates: int = 1, **options: object) -> Study:
    return study(tuple(trial(w, r) for w in widths for r in range(replicates)), **options)


def stored(declared: Study, loss: Curve, error: Curve, unfinished: tuple[str, ...] = ()) -> Results:
    """The table of a study all of whose trials but these have ended as the curves say."""
    trials, rows = list[Trial](), list[Row]()
    for spec in declared.trials:
        width, state = spec.model["width"], "pending" if spec.trial_id in unfinished else "done"
        trials.append(Trial(spec.trial_id, "name", spec.parameters, state, 1.0, "step 9", None, ()))
        values = {"test/loss": loss(width, spec.init_seed), "train/error": error(width, spec.init_seed)}
        rows += [] if unfinished else [Row(spec.trial_id, 9, name, value, None) for name, value in values.items()]
    return Results(tuple(trials), tuple(rows))


def refine(declared: Study, loss: Curve, error: Curve) -> tuple[Study, Located]:
    """The study when nothing more is added, and what is then known of its only column."""
    for _ in range(100):
        results = stored(declared, loss, error)
        if not (new := refined(declared, results)):
            (located,) = locate(declared, results)
            return declared, located
        declared = replace(declared, trials=declared.trials + new)
    raise AssertionError("it never ends")


def bump(at: float) -> Curve:
    return lambda width, _: 2 + 3 * math.exp(-((math.log(width / at) / 0.8) ** 2)) - 0.1 * math.log(width)


def fitted_from(threshold: float) -> Curve:
    return lambda width, _: max(0.0, 0.5 * (1 - math.log(width) / math.log(threshold)))


def place(found: Place | str) -> Place:
    assert isinstance(found, Place), found
    return found


def highest(curve: Curve, low: int, high: int) -> int:
    return max(range(low, high + 1), key=lambda width: curve(width, 0))


@given(peak=st.floats(8, 120), threshold=st.floats(8, 390), factor=st.sampled_from([1.05, 1.1, 1.3]))
@settings(deadline=None, max_examples=40)
def test_peak_and_threshold_are_known_to_the_factor_with_fewer_trials(
    peak: float, threshold: float, factor: float
) -> None:
    loss, error = bump(peak), fitted_from(threshold)
    ended, located = refine(grid(factor=factor), loss, error)
    top, first = place(located.peak), place(located.threshold)
    assert top.low < highest(loss, 2, 400) < top.high
    assert first.low < math.ceil(threshold) <= first.high == first.at
    for low, high in ((top.low, top.at), (top.at, top.high), (first.low, first.high)):
        assert high / low <= factor * (1 + 1e-9) or high - low == 1
    assert len(ended.trials) < len(uniform_grid(2, 400, factor, integers=True))


@given(st.lists(st.floats(0, 1), min_size=12, max_size=12))
@settings(deadline=None, max_examples=40)
def test_it_ends_on_any_curve_and_adds_no_width_twice(values: list[float]) -> None:
    def noisy(width: float, replicate: int) -> float:
        return values[int(width) * 7 % 12] * (1 + replicate * values[int(width) % 12])

    for replicates in (1, 2):
        ended, _ = refine(grid(replicates=replicates), noisy, noisy)
        assert len({t.trial_id for t in ended.trials}) == len(ended.trials)
        assert len(ended.trials) <= replicates * (399 + 1)


def test_new_widths_get_all_replicates_and_each_column_its_own() -> None:
    trials = tuple(trial(w, r, noise) for noise in (0.0, 0.2) for w in COARSE for r in range(3))

    def loss(width: float, replicate: int) -> float:
        return bump(50)(width, 0) + 0.001 * replicate

    declared = study(trials, factor=1.2)
    new = refined(declared, stored(declared, loss, fitted_from(50)))
    assert {t.corruption["fraction"] for t in new} == {0.0, 0.2}
    assert len(new) == 2 * 3 * len({t.model["width"] for t in new}) and len(new) % 3 == 0
    assert all(t in new for t in [replace(each, init_seed=2, order_seed=2) for each in new])
    first, second = locate(declared, stored(declared, loss, fitted_from(50)))
    assert (first.column.settings, second.column.settings) == (
        {"corruption.fraction": 0.0},
        {"corruption.fraction": 0.2},
    )


def test_nothing_is_added_to_a_column_before_all_of_it_is_finished() -> None:
    declared = grid()
    unfinished = (declared.trials[0].trial_id,)
    assert refined(declared, stored(declared, bump(50), fitted_from(50))) != ()
    assert refined(declared, stored(declared, bump(50), fitted_from(50), unfinished)) == ()


def test_a_store_that_holds_a_part_gives_the_same_additions_as_one_launch() -> None:
    """Rounds are a function of the stored values alone, so cutting between two of them changes nothing."""
    loss, error = bump(37), fitted_from(60)
    whole, _ = refine(grid(), loss, error)
    first = replace(grid(), trials=grid().trials + refined(grid(), stored(grid(), loss, error)))
    assert refine(first, loss, error)[0].trials == whole.trials


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (
            lambda width, _: math.log(width),
            "peak at the edge of the grid: test/loss is still rising at the largest, 400",
        ),
        (lambda width, _: 1 / width, "peak at the edge of the grid: test/loss is highest at the smallest, 2"),
        (lambda width, _: math.nan, "test/loss is known at 0 values, and a peak needs 3"),
    ],
)
def test_a_peak_at_the_edge_is_said_and_not_chased(loss: Curve, reason: str) -> None:
    ended, located = refine(grid(), loss, lambda width, _: 0.5)
    assert located.peak == reason
    assert located.threshold == "train/error does not reach 0 on the grid"
    assert ended.trials == grid().trials


def test_a_threshold_below_the_grid_is_said() -> None:
    _, located = refine(grid(), bump(50), lambda width, _: 0.0)
    assert located.threshold == "train/error is 0 already at the smallest value, 2"


def test_a_threshold_not_reached_does_not_hinder_the_peak() -> None:
    _, located = refine(grid(), bump(37), lambda width, _: 0.5)
    assert place(located.peak).low < highest(bump(37), 2, 400) < place(located.peak).high
    assert located.threshold == "train/error does not reach 0 on the grid"


def test_among_several_maxima_the_most_prominent_is_located() -> None:
    def two(width: float, replicate: int) -> float:
        return bump(150)(width, replicate) + 0.8 * math.exp(-((math.log(width / 12) / 0.3) ** 2)) + 4 / width**2

    _, located = refine(grid(widths=(2, 4, 8, 16, 32, 64, 128, 256, 512)), two, fitted_from(100))
    assert place(located.peak).low < highest(two, 30, 512) < place(located.peak).high


def test_of_noisy_replicates_the_peak_is_bracketed_and_what_it_cannot_be_told_from_is_named() -> None:
    generator = np.random.default_rng(0)
    noise = {(w, r): 0.1 * generator.standard_normal() for w in range(1, 401) for r in range(6)}

    def loss(width: float, replicate: int) -> float:
        return bump(40)(width, 0) + noise[int(width), replicate]

    _, located = refine(grid(replicates=6), loss, fitted_from(45))
    found = place(located.peak)
    assert found.low < highest(bump(40), 2, 400) < found.high
    assert found.also and all(found.low < x < found.high for x in found.also)


def test_what_replicates_show_to_be_noise_is_not_refined() -> None:
    def loss(width: float, replicate: int) -> float:
        return 2 - 0.01 * math.log(width) + (0.2 if width == 50 else 0) + replicate - 1

    ended, located = refine(grid(replicates=3), loss, lambda width, replicate: 0.5)
    assert isinstance(located.peak, str) and "stands out of the noise" in located.peak
    assert len(ended.trials) == len(COARSE) * 3


def test_whole_numbers_that_cannot_be_split_end_it() -> None:
    ended, located = refine(grid(widths=(1, 2, 3, 4, 9), factor=1.001), bump(3), fitted_from(2.5))
    assert (place(located.peak).low, place(located.peak).at, place(located.peak).high) == (2, 3, 4)
    assert (place(located.threshold).low, place(located.threshold).at) == (2, 3)
    assert ended.trials == grid(widths=(1, 2, 3, 4, 9)).trials


def test_no_more_trials_than_allowed() -> None:
    ended, located = refine(grid(replicates=2, max_trials=17), lambda w, r: bump(37)(w, 0) + r / 100, fitted_from(60))
    assert len(ended.trials) == 16, "a width comes with both of its replicates or not at all"
    assert located.add


def test_an_axis_of_fractions_is_split_at_its_geometric_mean() -> None:
    rates = (0.01, 0.1, 1.0, 4.0)
    trials = tuple(with_value(trial(8), "optimizer.learning_rate", rate) for rate in rates)
    declared = study(trials, axis="optimizer.learning_rate", factor=1.5)
    results = Results(
        tuple(Trial(t.trial_id, "n", t.parameters, "done", 1.0, "", None, ()) for t in trials),
        tuple(Row(t.trial_id, 1, "test/loss", v, None) for t, v in zip(trials, (1.0, 3.0, 2.0, 1.5), strict=True)),
    )
    new = refined(declared, results)
    assert [t.optimizer["learning_rate"] for t in new] == pytest.approx([0.1**1.5, 0.1**0.5], rel=1e-12)


@given(st.integers(1, 50), st.integers(2, 50), st.floats(1.01, 3))
def test_a_uniform_grid_is_as_fine_as_the_factor(low: int, times: int, factor: float) -> None:
    values = uniform_grid(low, low * times, factor, integers=False)
    assert values[0] == pytest.approx(low) and values[-1] == pytest.approx(low * times)
    assert max(b / a for a, b in pairwise(values)) <= factor * (1 + 1e-6)
    assert len(uniform_grid(low, low * times, factor, integers=True)) <= len(values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, "factor=1.0 is not valid: above 1"),
        ({"axis": "width"}, "axis='width' is not valid: refine along a setting"),
        ({"axis": "init_seed"}, "axis='init_seed' is not valid: refine along a setting"),
        ({"max_trials": 0}, "max_trials=0 is not valid: at least 1, or None"),
        ({"axis": "model.height"}, "model.height=None cannot be refined: every trial needs a positive number there"),
        ({"axis": "optimizer.nesterov"}, "optimizer.nesterov=False cannot be refined"),
    ],
)
def test_a_refinement_that_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(")):
        grid(**options)
