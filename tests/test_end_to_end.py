"""From the command to the report, on a real Ray and a real store; interrupted in every way a night can bring."""

import os
import re
import signal
from pathlib import Path

import pytest

from orchestrator.publish import DECLARATION, declaration
from orchestrator.results import results
from orchestrator.status import FILE, from_json, statuses
from sweeps.double_descent import double_descent
from tests.command import (
    GENSWEEP,
    ON_ONE_CORE,
    SMALL,
    STEPS,
    assert_same_numbers,
    descendants,
    has_trained,
    histories,
    records,
    records_of,
    run,
    start,
    wait_until,
)
from workers.record import Point
from workers.store_address import local_store
from workers.tracking import RunStore

pytestmark = pytest.mark.timeout(300)


def test_every_trial_is_stored_with_its_settings_metrics_and_checkpoints(undisturbed: Path) -> None:
    stored = records(undisturbed)
    assert sorted(stored) == ["width=0002 fraction=0.15 seed=0", "width=0005 fraction=0.15 seed=0"]
    for record in stored.values():
        assert record.status == "FINISHED"
        assert record.parameters["optimizer.learning_rate"] == "0.01"
        assert record.parameters["corruption.fraction"] == "0.15"
        assert record.checkpoints[:3] == (0, 1, 10) and record.checkpoints[-1] == STEPS
        assert record.tags["interpolation_threshold"] == "not reached"
        assert {"train/loss", "train/error", "test/loss", "test/error"} <= set(record.points)
        assert "hessian_spectrum/effective_dimensionality_z1.stderr" in record.points
        assert "intrinsic_dimension/last_layer" in record.points
        assert "torch=" in record.tags["provenance.packages"]
        assert record.tags["provenance.device"] == "cpu"
        assert len(record.tags["provenance.dataset_sha256"]) == 64


def test_no_point_is_stored_twice(undisturbed: Path) -> None:
    for (_, key), points in histories(undisturbed).items():
        steps = [point.step for point in points]
        assert len(steps) == len(set(steps)), key


def test_a_finished_study_does_nothing_again_and_a_new_width_only_itself(undisturbed: Path, cache: Path) -> None:
    before = histories(undisturbed)
    again = run(cache, [*SMALL, "--folder", str(undisturbed)])
    assert again.returncode == 0, again.stderr
    assert "to train 0" in again.stdout and "\n[" not in again.stdout
    assert histories(undisturbed) == before
    more = run(cache, ["--widths", "2", "5", "6", *SMALL[3:], "--folder", str(undisturbed)])
    assert more.returncode == 0, more.stderr
    assert "to train 1" in more.stdout
    after = histories(undisturbed)
    assert {name for name, _ in after} - {name for name, _ in before} == {"width=0006 fraction=0.15 seed=0"}
    assert {key: after[key] for key in before} == before


SHORT_AND_LONG = """
from measures.registry import Component
from orchestrator.study import Measured, Study
from sweeps.__main__ import main
from workers.spec import TrialSpec

def short_and_long() -> Study:
    trials = tuple(
        TrialSpec(
            dataset=Component("mnist1d", num_examples=500),
            model=Component("mlp", width=width),
            optimizer=Component("sgd", learning_rate=0.01),
            fit=Component("sgd", epochs=epochs),
        )
        for width, epochs in ((300, 10_000), (2, 10))
    )
    measured = (Measured(Component("intrinsic_dimension")), Measured(Component("norms"), at="checkpoints"))
    return Study(name="both", question="?", expected="!", trials=trials, axes=("model.width",), measured=measured)

main(short_and_long)
"""


@pytest.mark.usefixtures("made_store")
def test_trials_are_measured_as_soon_as_their_checkpoints_are_stored(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "both.py").write_text(SHORT_AND_LONG)
    result = run(cache, ["--folder", str(tmp_path)], [str(tmp_path / "both.py")])
    assert result.returncode == 0, result.stdout + result.stderr
    meanwhile, afterwards = result.stdout.split("[training 2/2]")
    assert "width=0002 seed=0: intrinsic_dimension" in meanwhile, "the core that the short training leaves is not idle"
    assert "width=0300 seed=0: norms at step 0 " in meanwhile, "a trial that still trains is measured, too"
    assert "width=0300 seed=0: intrinsic_dimension" in afterwards
    for record in records_of(tmp_path, "both"):
        taken = re.findall(rf"{record.name}: norms at step (\d+) ", result.stdout)
        assert sorted(map(int, taken)) == list(record.checkpoints), "each once"
    assert re.search(r"^2 CPU cores for .*, busy \d+% of the time$", result.stdout, flags=re.M)


@pytest.mark.usefixtures("made_store")
def test_a_killed_driver_is_continued_by_the_same_command(tmp_path: Path, undisturbed: Path, cache: Path) -> None:
    process = start(cache, [*ON_ONE_CORE, "--folder", str(tmp_path)])
    wait_until(lambda: has_trained(tmp_path, 120), process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    cut = {name: record.checkpoints for name, record in records(tmp_path).items()}
    assert any(0 < steps[-1] < STEPS for steps in cut.values() if steps)
    result = run(cache, [*ON_ONE_CORE, "--folder", str(tmp_path)])
    assert result.returncode == 0, result.stdout + result.stderr
    assert_same_numbers(tmp_path, undisturbed)


@pytest.mark.usefixtures("made_store")
def test_a_killed_training_process_is_replaced_and_goes_on(tmp_path: Path, undisturbed: Path, cache: Path) -> None:
    """On one core, so that both trials are one pack, which was none when they ran undisturbed."""
    process = start(cache, [*ON_ONE_CORE, "--folder", str(tmp_path)])
    wait_until(lambda: has_trained(tmp_path, 120), process)
    training = [pid for pid, title in descendants(process.pid) if title.startswith("ray::ImplicitFunc")]
    assert len(training) == 1, "Tune's trial processes carry this title"
    os.kill(training[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, output + errors
    assert_same_numbers(tmp_path, undisturbed)


@pytest.mark.usefixtures("made_store")
def test_a_gang_that_loses_a_process_is_replaced_and_goes_on(tmp_path: Path, undisturbed: Path, cache: Path) -> None:
    process = start(cache, ["--widths", "5", *SMALL[3:], "--devices-per-trial", "2", "--folder", str(tmp_path)])
    wait_until(lambda: has_trained(tmp_path, 120), process)
    members = [pid for pid, title in descendants(process.pid) if title.startswith("ray::_train_member")]
    assert len(members) == 2, "a trial of two devices is trained by two processes"
    os.kill(members[1], signal.SIGKILL)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, output + errors
    alone, together = histories(undisturbed), histories(tmp_path)
    for name in records(tmp_path):
        expected, found = alone[name, "train/running_loss"], together[name, "train/running_loss"]
        assert [point.step for point in found] == [point.step for point in expected], "nothing twice, nothing left out"
        # The order of floating-point sums differs, and training amplifies it: equal at first, near at the end.
        assert found[0].value == pytest.approx(expected[0].value, rel=1e-5)
        assert found[-1].value == pytest.approx(expected[-1].value, rel=0.05)


def test_of_two_drivers_at_once_one_carries_the_study_out(tmp_path: Path, undisturbed: Path, cache: Path) -> None:
    drivers = [start(cache, [*ON_ONE_CORE, "--folder", str(tmp_path)]) for _ in range(2)]
    ended = [(*driver.communicate(timeout=200), driver.returncode) for driver in drivers]
    assert sorted(code for *_, code in ended) == [0, 2], ended
    (refusal,) = [errors for _, errors, code in ended if code == 2]
    assert refusal.startswith("error: study double_descent is being carried out by launch 1 (process ")
    assert refusal.count("\n") == 1
    assert_same_numbers(tmp_path, undisturbed)


@pytest.mark.usefixtures("made_store")
def test_a_trial_that_raises_leaves_the_others_alone(tmp_path: Path, cache: Path) -> None:
    # A width whose weights no machine can hold: the allocation fails inside the trial.
    arguments = ["--widths", "2", "10000000", "--label-noise", "0", "--epochs", "1", "--cpus", "1"]
    arguments += ["--folder", str(tmp_path)]
    result = run(cache, arguments)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 failed" in result.stdout and "allocate" in result.stdout
    stored = records(tmp_path)
    assert stored["width=0002 fraction=0.0 seed=0"].status == "FINISHED"
    failed = stored["width=10000000 fraction=0.0 seed=0"]
    assert failed.status == "FAILED" and "allocate" in failed.tags["failure.training"]
    (traceback,) = (tmp_path / "store").glob(f"artifacts/*/{failed.run_id}/artifacts/failures/training.txt")
    assert "Traceback (most recent call last)" in traceback.read_text()
    status = run(cache, ["status", "double_descent", *arguments], GENSWEEP, COLUMNS="200")
    assert status.returncode == 0 and "failed" in status.stdout and "allocate" in status.stdout


def test_reports_are_written_and_stored(undisturbed: Path) -> None:
    folder = undisturbed / "reports" / "double_descent"
    names = {"report.html", "report.md", "figure.png", "figure.svg", "data.csv"}
    assert names <= {path.name for path in folder.iterdir()}
    for sweep in records(undisturbed, "sweep").values():
        stored = Path(next((undisturbed / "store").glob(f"artifacts/*/{sweep.run_id}/artifacts")))
        assert names <= {path.name for path in (stored / "report").iterdir()}
        assert (stored / "manifest.json").exists()


def test_the_status_that_is_kept_is_that_of_the_store(undisturbed: Path) -> None:
    store = RunStore(local_store(undisturbed / "store"))
    declared = double_descent(widths=(2, 5), label_noise=(0.15,), epochs=60)
    kept = next(run for run in records(undisturbed, "sweep").values() if run.tags[DECLARATION] == declaration(declared))
    fresh = {record.trial_id: record for record in records(undisturbed).values()}
    assert from_json(store.read_json(kept.run_id, FILE)) == statuses(results(declared, fresh))


def test_final_metrics_are_the_last_points(undisturbed: Path) -> None:
    for (name, key), points in histories(undisturbed).items():
        assert records(undisturbed)[name].points[key] == Point(points[-1].step, points[-1].value)
