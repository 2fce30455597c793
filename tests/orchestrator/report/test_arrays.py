"""Arrays of measurements in a report: read where they are drawn, along one another as lines, as maps of colours."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray

from measures.inputs import Measurement
from measures.registry import Component
from orchestrator.publish import publish
from orchestrator.report.array_figures import array_figure
from orchestrator.report.axis import Axis
from orchestrator.report.build import ReportHeader, build_report
from orchestrator.report.courses import Course
from orchestrator.report.curves import curves
from orchestrator.report.parts import parts
from orchestrator.report.presentation import ArrayMap, ArrayMaps, Presentation, Profile, Profiles, Series
from orchestrator.report.profiles import profiles
from orchestrator.report.shown_arrays import ShownArray, shown_arrays
from orchestrator.report.table import Array, Results
from orchestrator.stored_arrays import drawn_arrays
from orchestrator.study import Measured, Study
from tests.orchestrator.report.tidy_tables import trial
from workers.measuring import measurement_key
from workers.spec import TrialSpec
from workers.tracking import RunStore

NAN = float("nan")
CURVE = Profile("accuracy", (Series("ablation/accuracy", "train"),), along="ablation/fractions")
ALONG = Presentation(x=Axis("model.width", "width"), profiles=(Profiles("share ablated", (CURVE,)),))
SURFACE = ArrayMap("loss", "surface/losses", rows="surface/s", columns="surface/t")
HEADER = ReportHeader("study", "question", "expected", "command")


def array(width: int, replicate: int, name: str, values: object, step: int = 100) -> Array:
    return Array(trial(width, 0.0, replicate).trial_id, step, name, np.array(values))


def results(arrays: list[Array], replicates: int = 2) -> Results:
    trials = [trial(width, 0.0, replicate) for width in (2, 8) for replicate in range(replicates)]
    return Results(tuple(trials), (), tuple(arrays))


def column_of(table: Results, presentation: Presentation) -> dict[str, str]:
    return {trial_id: each.label for each in curves(table, presentation) for trial_id in each.trial_ids}


def lines(table: Results) -> list[Course]:
    (found,) = profiles(table, ALONG, column_of(table, ALONG))
    return list(found)


def test_a_profile_is_the_mean_over_replicates_of_the_mean_over_draws() -> None:
    draws = [[[1.0, 0.5], [1.0, 0.3]], [[0.8, 0.2], [0.8, 0.2]]]  # (replicates, draws, places)
    arrays = [array(2, i, "ablation/accuracy", draws[i]) for i in (0, 1)]
    arrays += [array(2, i, "ablation/fractions", [0.0, 1.0]) for i in (0, 1)]
    narrow, wide = lines(results(arrays))
    assert [(p.x, p.n) for p in narrow.points] == [(0.0, 2), (1.0, 2)]
    assert [p.mean for p in narrow.points] == pytest.approx([0.9, 0.3])
    # 0.1 of two draws in one replicate and none in the other, beside 0.1 over replicates.
    assert narrow.points[1].stderr == pytest.approx(np.hypot(0.1, 0.1 / 2))
    assert wide.points == (), "nothing is measured there"


def test_values_that_are_not_finite_are_in_no_mean() -> None:
    arrays = [array(2, 0, "ablation/accuracy", [NAN, 0.5]), array(2, 0, "ablation/fractions", [0.0, 1.0])]
    assert [(p.x, p.mean) for p in lines(results(arrays, 1))[0].points] == [(1.0, 0.5)]


def test_an_array_along_one_of_another_length_is_refused() -> None:
    arrays = [array(2, 0, "ablation/accuracy", [1.0, 0.5]), array(2, 0, "ablation/fractions", [0.0])]
    with pytest.raises(ValueError, match=r"ablation/accuracy of shape \(2,\) cannot be drawn along ablation/fractions"):
        lines(results(arrays))


def surface(width: int, replicate: int, height: float, step: int = 100) -> list[Array]:
    losses = height * np.array([[2.0, 1, 2], [1, 0.5, 1]])
    named: dict[str, object] = {"surface/losses": losses, "surface/s": [-1.0, 0.0], "surface/t": ["a", "b", "c"]}
    return [array(width, replicate, name, values, step) for name, values in named.items()]


def shown(table: Results, maps: ArrayMaps) -> list[ShownArray]:
    presentation = Presentation(x=Axis("model.width", "width"), array_maps=(maps,))
    (found,) = shown_arrays(table, presentation, column_of(table, presentation))
    return list(found)


@pytest.mark.parametrize(("mean", "factor", "count"), [(False, 1.0, 1), (True, 2.0, 2)])
def test_a_map_is_of_the_first_replicate_or_the_mean_over_all(mean: bool, factor: float, count: int) -> None:
    table = results([*surface(2, 0, 1.0), *surface(2, 1, 3.0)])
    (picture,) = shown(table, ArrayMaps((SURFACE,), "t", "s", mean))
    assert picture.values.tolist() == (factor * np.array([[2.0, 1, 2], [1, 0.5, 1]])).tolist()
    assert (picture.place, picture.step, len(picture.trials)) == ("width 2", 100, count)
    assert (picture.rows, picture.columns) == ((-1.0, 0.0), ("a", "b", "c"))


def test_a_map_at_a_share_of_the_training_is_of_the_nearest_checkpoint() -> None:
    table = results([each for step in (0, 30, 100) for each in surface(2, 0, 1.0 + step, step)])
    early, late = ArrayMap("early", "surface/losses", when=0.35), ArrayMap("late", "surface/losses")
    pictures = shown(table, ArrayMaps((early, late), "t", "s"))
    assert [(each.map.label, each.step, each.values[0, 1]) for each in pictures] == [
        ("early", 30, 31),
        ("late", 100, 101),
    ]
    assert pictures[0].rows == (0.0, 1.0), "counted, where nothing says where they stand"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"surface/losses": [1.0, 2.0]}, r"surface/losses of shapes \[\(2,\)\] cannot be drawn as a map"),
        ({"surface/s": [1.0, 2.0, 3.0]}, r"surface/s of shape \(3,\) does not say where 2 rows or columns stand"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(broken: dict[str, object], message: str) -> None:
    arrays = [
        replace(each, values=np.array(broken[each.name])) if each.name in broken else each
        for each in surface(2, 0, 1.0)
    ]
    with pytest.raises(ValueError, match=message):
        shown(results(arrays), ArrayMaps((SURFACE,), "t", "s"))


def test_the_figure_shares_colours_down_a_column_and_marks_points_and_levels() -> None:
    points = [array(width, 0, "surface/points", [[0.0, -1.0, 0], [1.0, 0.0, 1]]) for width in (2, 8)]
    table = results([*surface(2, 0, 1.0), *surface(8, 0, 4.0), *points])
    marked = replace(SURFACE, points="surface/points", levels=(0.8, 99.0), log=True)
    maps = ArrayMaps((SURFACE, marked), "direction 1", "direction 2")
    drawing = array_figure(maps, shown(table, maps))
    FigureCanvasAgg(drawing).draw()
    plain, others, *_ = drawing.axes
    limits = [axes.collections[0].get_clim() for axes in drawing.axes[:4]]
    assert limits == [(0.5, 8.0)] * 4, "the least and the most of both rows"
    assert len(plain.collections) == 1
    assert len(others.collections) == 1 + 1 + 2, "the cells, one level within the range, two classes of points"
    assert [text.get_text() for text in plain.get_xticklabels()] == ["a", "b", "c"]
    assert plain.get_ylabel() == "width 2\ndirection 2"


def test_a_map_without_values_says_so() -> None:
    maps = ArrayMaps((SURFACE,), "t", "s")
    drawing = array_figure(maps, shown(results(surface(2, 0, NAN)), maps))
    assert drawing.axes[0].get_title() == "loss: no values"


BOTH = replace(ALONG, array_maps=(ArrayMaps((SURFACE,), "t", "s"),))


def test_the_report_has_figures_and_numbers_of_arrays_and_the_same_bytes_again() -> None:
    named: dict[str, object] = {"ablation/accuracy": [1.0, 0.5], "ablation/fractions": [0.0, 1.0]}
    table = results([*surface(2, 0, 1.0), *(array(2, 0, name, values) for name, values in named.items())])
    files = build_report(HEADER, table, BOTH).files
    assert {"figure.png", "figure2.png"} <= set(files)
    along = list(csv.DictReader(io.StringIO(files["figure.csv"].decode())))
    assert [(each["x"], each["share ablated"], each["mean"]) for each in along] == [
        ("2", "0.0", "1.0"),
        ("2", "1.0", "0.5"),
    ]
    cells = list(csv.DictReader(io.StringIO(files["figure2.csv"].decode())))
    assert [(each["vertical: s"], each["horizontal: t"], each["value"]) for each in cells][:2] == [
        ("-1.0", "a", "2.0"),
        ("-1.0", "b", "1.0"),
    ]
    assert dict(build_report(HEADER, table, BOTH).files) == dict(files)


def test_a_study_without_an_axis_has_no_arrays() -> None:
    (part,) = parts(results([]), replace(BOTH, x=None), np.random.default_rng(0))
    assert (part.profiles, part.array_maps) == ((), ())


TRIAL = TrialSpec(
    dataset=Component("mnist1d", num_examples=50),
    model=Component("mlp", width=2),
    optimizer=Component("sgd"),
    fit=Component("sgd", epochs=1),
)
ABLATION = Component("ablation")


def study(*measured: Measured) -> Study:
    return Study(
        name="s",
        question="?",
        expected="!",
        trials=(TRIAL,),
        axes=("model.width",),
        measured=measured,
        presentation=ALONG,
    )


def test_a_study_that_draws_what_it_does_not_measure_is_refused() -> None:
    with pytest.raises(ValueError, match=r"study s draws the array 'ablation/fractions', but measures norms$"):
        study(Measured(Component("norms")))


def test_all_arrays_of_all_presentations_are_asked_for_at_their_steps() -> None:
    maps = ArrayMaps((SURFACE, replace(SURFACE, when=0.5)), "t", "s")
    drawn = drawn_arrays(replace(ALONG, also=(Presentation(array_maps=(maps,)),)))
    assert drawn == {
        "ablation/fractions": {1.0},
        "ablation/accuracy": {1.0},
        "surface/losses": {1.0, 0.5},
        "surface/s": {1.0, 0.5},
        "surface/t": {1.0, 0.5},
    }


def test_a_published_report_draws_the_arrays_of_the_last_measurement(store: RunStore, tmp_path: Path) -> None:
    shown = study(Measured(ABLATION))
    experiment = store.open_study("s", {})
    run_id = store.create_run(experiment, "run", "trial", {"sweep.trial_id": TRIAL.trial_id}, TRIAL.parameters)
    for step, accuracy in ((0, 0.1), (8, 0.9)):
        arrays: dict[str, NDArray[np.generic]] = {"accuracy": np.array([accuracy]), "fractions": np.array([0.25])}
        store.write_measurement(run_id, "ablation", measurement_key(ABLATION), step, Measurement({}, arrays), 1.0)
    store.set_status(run_id, "FINISHED")
    records = {run.trial_id: run for run in store.runs(experiment, "trial")}
    place = publish(shown, records, store, "lease", tmp_path, "gensweep run s", None).report
    (line,) = csv.DictReader(io.StringIO((place / "figure.csv").read_text()))
    assert (line["share ablated"], line["mean"]) == ("0.25", "0.9")


@pytest.mark.parametrize(("least", "most", "ticks"), [(0.01, 10.0, ["0.01", "0.1", "1", "10"]), (1.0, 5.0, ["1", "2"])])
def test_a_logarithmic_scale_has_plain_numbers(least: float, most: float, ticks: list[str]) -> None:
    maps = ArrayMaps((replace(SURFACE, log=True, least=least, most=most),), "t", "s")
    drawing = array_figure(maps, shown(results(surface(2, 0, 1.0)), maps))
    FigureCanvasAgg(drawing).draw()
    texts = [label.get_text() for label in drawing.axes[-1].get_xticklabels()]
    assert set(ticks) <= set(texts) and not any("$" in text for text in texts)
