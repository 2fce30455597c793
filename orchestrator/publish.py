"""Publish: the report of a study, to a folder and to the study's own run, with the views that open MLflow on it.

What is stored already in the same words is not stored again, so publishing twice changes nothing.
"""

import dataclasses
import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measures.registry import canonical_json
from orchestrator.curves import Column, curves
from orchestrator.growth import grown, growth_sections
from orchestrator.provenance import run_tags
from orchestrator.report import Report, ReportHeader, build_report
from orchestrator.results import results
from orchestrator.search import search_key
from orchestrator.study import Study
from orchestrator.views import CURVES, column_colors, curve_points, study_views, view_url
from workers.measuring import measurement_key
from workers.record import RunRecord, Sample, now_ms
from workers.spec import RECIPE
from workers.tracking import RunStore

DECLARATION, REPORT = "sweep.declaration", "sweep.report"
UI_ADDRESS = "http://127.0.0.1:5000"


@dataclass(frozen=True)
class Published:
    """Where a person finds the report."""

    report: Path
    ui_command: str
    ui_address: str


def publish(
    declared: Study, records: Mapping[str, RunRecord], store: RunStore, folder: Path, command: str
) -> Published:
    """Build the report of what is stored, write it below `folder/reports`, keep it on the study's run."""
    study = grown(declared, records)
    experiment = store.open_study(study.name, {"mlflow.note.content": study.question})
    table = results(study, records)
    ui_command = _ui_command(store.uri)
    header = ReportHeader(
        study=study.name,
        question=study.question,
        expected=study.expected,
        command=command,
        links=(f"MLflow: {ui_command}, then open {view_url(UI_ADDRESS, experiment, CURVES)}",),
        provenance=tuple(
            sorted({f"{record.tags.get('provenance.packages', '')}" for record in records.values()} - {""})
        ),
        sections=growth_sections(declared, study, records),
    )
    report = build_report(header, table, study.presentation)
    place = _write(report, folder / "reports" / study.name)
    columns = curves(table, study.presentation)
    _keep_report(declared, study, report, store, experiment)
    _keep_views(study, columns, store, experiment)
    return Published(place, ui_command, view_url(UI_ADDRESS, experiment, CURVES))


def _write(report: Report, folder: Path) -> Path:
    """Each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in report.files.items():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as scratch:
            scratch.write(data)
        os.chmod(scratch.name, 0o644)
        os.replace(scratch.name, folder / name)
    return folder


def manifest(study: Study) -> dict[str, Any]:
    """What the study declares, in full: enough to run it again elsewhere."""
    return {
        "study": study.name,
        "question": study.question,
        "expected": study.expected,
        "recipe": RECIPE,
        "axes": list(study.axes),
        "checkpoints": dataclasses.asdict(study.checkpoints),
        "trials": [{"trial_id": trial.trial_id, **trial.to_json()} for trial in study.trials],
        "measured": [
            {
                "key": measurement_key(m.measure),
                "name": m.measure.name,
                "settings": dict(m.measure.settings),
                "at": m.at,
                "needs": dataclasses.asdict(m.needs),
            }
            for m in study.measured
        ],
    }


def declaration(study: Study) -> str:
    """Identity of what a study declares: its trials and measurements, and how it grows."""
    parts = [
        sorted(trial.trial_id for trial in study.trials),
        [measurement_key(m.measure) for m in study.measured],
        *([] if study.refine is None else [["refine", *dataclasses.astuple(study.refine)]]),
        *([] if study.search is None else [["search", search_key(study.search), study.search.probes()[0].trial_id]]),
    ]
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:16]


def kept_run(store: RunStore, experiment: str, identity: str) -> RunRecord | None:
    """The study-level run of a declaration, if there is one."""
    runs = store.runs(experiment, "sweep")
    return next((run for run in runs if run.tags.get(DECLARATION) == identity), None)


def _keep_report(declared: Study, study: Study, report: Report, store: RunStore, experiment: str) -> None:
    """One study-level run for each declaration; report and manifest are replaced when the numbers have changed."""
    identity = declaration(declared)
    digest = hashlib.sha256(report.files["data.csv"] + report.files["report.md"]).hexdigest()[:16]
    kept = kept_run(store, experiment, identity)
    if kept is not None:
        run_id, stored = kept.run_id, kept.tags.get(REPORT)
    else:
        tags = {DECLARATION: identity, "sweep.study": study.name, **run_tags()}
        run_id, stored = store.create_run(experiment, f"study {study.name} {identity[:6]}", "sweep", tags, {}), None
    if stored == digest:
        return
    store.write_json(run_id, "manifest.json", manifest(study))
    for name, data in report.files.items():
        store.write_file(run_id, f"report/{name}", data)
    store.set_tags(run_id, {REPORT: digest})
    store.set_status(run_id, "FINISHED")


def _keep_views(study: Study, columns: Sequence[Column], store: RunStore, experiment: str) -> None:
    """Named views of the experiment, and a run of curves over x for each column."""
    points = curve_points(columns)
    digest = hashlib.sha256(canonical_json({label: list(each) for label, each in points.items()}).encode())
    stored = store.runs(experiment, "curve")
    if any(run.tags.get(REPORT) == digest.hexdigest()[:16] for run in stored):
        return
    colors = column_colors(columns)
    for label, samples in points.items():
        tags = {REPORT: digest.hexdigest()[:16], "mlflow.runColor": colors[label], "sweep.study": study.name}
        run_id = store.create_run(experiment, label, "curve", tags, {})
        now = now_ms()
        store.log_samples(run_id, [Sample(each.key, each.value, each.step, now) for each in samples])
        store.set_status(run_id, "FINISHED")
    for run in stored:  # aggregates of older numbers, which the new ones replace
        store.delete_run(run.run_id)
    store.open_study(study.name, study_views(study.presentation, columns, now_ms()))


def _ui_command(uri: str) -> str:
    """The command that shows the store in a browser."""
    if uri.startswith(("http://", "https://")):
        return f"open {uri}"
    executable = Path(sys.executable).with_name("mlflow")
    program = os.path.relpath(executable) if executable.is_relative_to(Path.cwd()) else str(executable)
    # Without its job runner the server starts in seconds instead of half a minute.
    return f"MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false {program} server --workers 1 --backend-store-uri {uri}"
