"""What an interruption leaves half-published is completed, and published once."""

from pathlib import Path

from measures.registry import Component
from orchestrator.publish import DECLARATION, REPORT, declaration, publish
from orchestrator.report.axis import Axis
from orchestrator.report.presentation import Panel, Presentation, Series
from orchestrator.study import Study
from workers.record import LEASE, RunRecord, Sample
from workers.spec import TrialSpec
from workers.tracking import RunStore

TRIALS = tuple(
    TrialSpec(
        dataset=Component("mnist1d", num_examples=50),
        model=Component("mlp", width=width),
        optimizer=Component("sgd"),
        fit=Component("sgd", epochs=1),
    )
    for width in (2, 4)
)
SHOWN = Presentation(x=Axis("model.width", "width"), panels=(Panel("error", (Series("test/error", "test"),)),))
STUDY = Study(name="published", question="?", expected="!", trials=TRIALS, axes=("model.width",), presentation=SHOWN)


def trained(store: RunStore) -> dict[str, RunRecord]:
    """A run of each trial, as if it had been trained."""
    experiment = store.open_study(STUDY.name, {})
    for trial in TRIALS:
        tags = {"sweep.trial_id": trial.trial_id, "sweep.outcome": "trained"}
        run_id = store.create_run(experiment, trial.trial_id, "trial", tags, trial.parameters)
        store.log(run_id, [Sample("test/error", 0.5, 1, 1)])
        store.set_status(run_id, "FINISHED")
    return {run.trial_id: run for run in store.runs(experiment, "trial")}


def test_half_of_it_is_completed_and_the_whole_is_left_alone(store: RunStore, tmp_path: Path) -> None:
    records = trained(store)
    experiment = store.open_study(STUDY.name, {})
    study_run = store.create_run(experiment, "study", "sweep", {DECLARATION: declaration(STUDY), LEASE: "old"}, {})
    store.set_status(study_run, "KILLED")  # before its manifest was stored

    def published() -> dict[str, list[RunRecord]]:
        publish(STUDY, records, store, "new", tmp_path, "gensweep run published", None)
        return {role: store.runs(experiment, role) for role in ("sweep", "curve")}

    whole = published()
    assert [(run.run_id, run.status) for run in whole["sweep"]] == [(study_run, "FINISHED")]
    assert store.read_json(study_run, "manifest.json")["study"] == STUDY.name
    (curve,) = whole["curve"]
    assert curve.status == "FINISHED" and curve.points
    assert published() == whole

    # One that died before the curve was complete, and one before the report was.
    store.set_status(curve.run_id, "KILLED")
    store.delete_tag(study_run, REPORT)
    again = published()
    assert again["sweep"] == whole["sweep"]
    (anew,) = again["curve"]
    assert anew.run_id != curve.run_id and anew.points == curve.points and anew.status == "FINISHED"
