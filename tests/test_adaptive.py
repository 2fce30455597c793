"""Studies that ask for trials by themselves, on a real Ray and a real store; killed in between and continued."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.command import run, start, wait_until
from workers.record import Point, RunRecord
from workers.store_address import local_store
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(300)

# Numbers that no feature tells of: linear regression has its peak where there are as many features as examples.
PEAK = """
from measures.registry import Component
from orchestrator.adaptive import Refine
from orchestrator.study import Study
from sweeps.__main__ import main
from workers.spec import TrialSpec

def peak() -> Study:
    trials = tuple(
        TrialSpec(
            dataset=Component("random_features", num_features=features, num_informative=0, num_train=100),
            loss=Component("half_mean_squared_error"),
            model=Component("linear"),
            optimizer=Component("sgd"),
            fit=Component("least_squares"),
        )
        for features in (10, 40, 160, 640)
    )
    refine = Refine(axis="dataset.num_features", factor=2)
    return Study(name="s", question="?", expected="!", trials=trials, axes=("dataset.num_features",), refine=refine)

main(peak)
"""
SEARCH = ("sweeps/perceptron_search.py",)
THREE = ("--trade-off", "--num-trials", "3", "--epochs", "2", "--width", "2", "--cpus", "1")


def stored(folder: Path, study: str) -> dict[str, RunRecord]:
    """Runs of the trials, by name; none while the store is being made."""
    if not (folder / "store" / "mlflow.db").exists():
        return {}
    store = RunStore(local_store(folder / "store"))
    experiment = store.find_study(study)
    runs = [] if experiment is None else store.runs(experiment, "trial")
    assert len({run.trial_id for run in runs}) == len(runs), "no trial has two runs"
    return {run.name: run for run in runs}


def numbers(folder: Path, study: str) -> dict[tuple[str, str], list[Point]]:
    store = RunStore(local_store(folder / "store"))
    found = stored(folder, study).items()
    return {(name, key): store.history(record.run_id, key) for name, record in found for key in record.points}


def recorded_trials(folder: Path, study: str) -> list[str]:
    """Ids in the newest manifest."""
    store = RunStore(local_store(folder / "store"))
    experiment = store.find_study(study)
    assert experiment is not None
    (sweep,) = store.runs(experiment, "sweep")
    return [trial["trial_id"] for trial in store.read_json(sweep.run_id, "manifest.json")["trials"]]


def finished(folder: Path, study: str) -> int:
    try:
        return sum(record.status == "FINISHED" for record in stored(folder, study).values())
    except (ValueError, OSError):  # the driver is still making the store
        return 0


@pytest.mark.usefixtures("made_store")
def test_a_refinement_that_is_killed_is_continued(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "peak.py").write_text(PEAK)
    command, arguments = [str(tmp_path / "peak.py")], ["--cpus", "1", "--folder", str(tmp_path)]
    process = start(cache, arguments, command)
    wait_until(lambda: finished(tmp_path, "s") >= 4, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ended = {name for name, record in stored(tmp_path, "s").items() if record.status == "FINISHED"}
    before = {key: points for key, points in numbers(tmp_path, "s").items() if key[0] in ended}
    assert 4 <= len(ended) < 6
    result = run(cache, arguments, command)
    assert result.returncode == 0, result.stdout + result.stderr
    runs, after = stored(tmp_path, "s"), numbers(tmp_path, "s")
    features = sorted(int(record.parameters["dataset.num_features"]) for record in runs.values())
    assert features == [10, 40, 80, 160, 320, 640]
    assert {key: after[key] for key in before} == before, "nothing is trained again"
    assert sorted(recorded_trials(tmp_path, "s")) == sorted(record.trial_id for record in runs.values())
    report = (tmp_path / "reports" / "s" / "report.md").read_text()
    bracket = re.search(
        r"peaks at (80|160), between \d+ and \d+ \(known to a factor of 2\.00\).*; added: 80, 320;", report
    )
    assert bracket is not None, report
    assert "6 trials (6 done); to train 0" in run(cache, ["--plan", *arguments], command).stdout


@pytest.mark.usefixtures("made_store")
def test_a_search_that_is_killed_goes_on_to_the_number_it_was_to_draw(tmp_path: Path, cache: Path) -> None:
    study, arguments = "perceptron_trade_off", [*THREE, "--folder", str(tmp_path)]
    process = start(cache, arguments, SEARCH)
    wait_until(lambda: finished(tmp_path, study) > 0, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ended = {name for name, record in stored(tmp_path, study).items() if record.status == "FINISHED"}
    before = {key: points for key, points in numbers(tmp_path, study).items() if key[0] in ended}
    assert 0 < len(ended) < 3
    result = run(cache, arguments, SEARCH)
    assert result.returncode == 0, result.stdout + result.stderr
    by_task = re.findall(r"^\[measuring \d+/\d+\] (.*?): ", result.stdout, re.MULTILINE)
    assert set(by_task) <= ended, "an objective is measured in its trial's process: the next point depends on it"
    runs, after = stored(tmp_path, study), numbers(tmp_path, study)
    tags = [tag for record in runs.values() for tag in record.tags if tag.startswith("search.")]
    assert sorted(tag.rpartition(".")[2] for tag in tags) == ["000000", "000001", "000002"]
    assert {key: after[key][: len(points)] for key, points in before.items()} == before, "nothing is trained again"
    assert all("hessian_spectrum/effective_dimensionality_z1" in record.points for record in runs.values())
    assert sorted(recorded_trials(tmp_path, study)) == sorted(record.trial_id for record in runs.values())
    report = (tmp_path / "reports" / study / "report.md").read_text()
    assert "3 of 3 points drawn (tpe, seed 0) for least test/loss and least hessian" in report
    assert "Pareto set" in report
    assert "to draw 0, to train 0" in run(cache, [*arguments, "--plan"], SEARCH).stdout


@pytest.mark.usefixtures("made_store")
def test_a_pruned_trial_is_finished_and_said_to_be_pruned(tmp_path: Path, cache: Path) -> None:
    arguments = ["--num-trials", "4", "--epochs", "12", "--width", "2", "--prune-after", "80", "--sampler", "random"]
    result = run(cache, [*arguments, "--cpus", "1", "--folder", str(tmp_path)], SEARCH)
    assert result.returncode == 0, result.stdout + result.stderr
    runs = stored(tmp_path, "perceptron_search").values()
    pruned = [record for record in runs if record.tags.get("sweep.outcome") == "pruned"]
    assert pruned and len(pruned) < len(runs) == 4
    for record in pruned:
        assert record.status == "FINISHED" and 80 <= record.points["test/error"].step < 480
        assert not any(tag.startswith("failure") for tag in record.tags)
    report = (tmp_path / "reports" / "perceptron_search" / "report.md").read_text()
    assert f"pruned: {len(pruned)} trial" in report and f"have no final numbers: {len(pruned)}" in report
    again = run(cache, [*arguments, "--plan", "--folder", str(tmp_path)], SEARCH)
    assert f"{len(pruned)} pruned" in again.stdout and "to draw 0, to train 0" in again.stdout


NO_TRIAL = """
from measures.registry import Component
from orchestrator.adaptive import Objective, Point, Search, Uniform
from orchestrator.study import Study
from sweeps.__main__ import main
from workers.spec import TrialSpec

def trial(point: Point) -> TrialSpec:
    if 0 < point["ridge"] < 1:
        raise ValueError(f"ridge={point['ridge']} has no trial")
    dataset = Component("random_features", num_features=20, num_train=30, num_test=10)
    return TrialSpec(dataset=dataset, model=Component("linear"), loss=Component("half_mean_squared_error"),
                     optimizer=Component("sgd"), fit=Component("least_squares", ridge=point["ridge"]))

def s() -> Study:
    "q?"
    space = {"ridge": Uniform(0, 1)}
    search = Search(space=space, objectives=(Objective("test/loss"),), trial=trial, num_trials=3)
    return Study(name="s", question="q?", expected="", axes=("fit.ridge",), search=search)

main(s)
"""


@pytest.mark.usefixtures("made_store")
def test_a_point_that_makes_no_trial_ends_the_search_in_one_line(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "no_trial.py").write_text(NO_TRIAL)
    result = run(cache, ["--cpus", "1", "--folder", str(tmp_path)], [str(tmp_path / "no_trial.py")])
    assert result.returncode == 2, result.stdout + result.stderr
    assert "error: the space is not valid: ridge 0." in result.stderr and "has no trial" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert all(record.status != "RUNNING" for record in stored(tmp_path, "s").values())
