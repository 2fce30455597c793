"""Publish: the report of a study, to a folder and to the study's own run, with the views that open MLflow on it.

What is stored already in the same words is not stored again, so publishing twice changes nothing.
"""

import dataclasses
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measures.registry import canonical_json
from orchestrator import status
from orchestrator.files import write_files
from orchestrator.growth import grown, growth_sections
from orchestrator.provenance import run_tags
from orchestrator.report.build import Report, ReportHeader, build_report
from orchestrator.report.curve_runs import curve_points
from orchestrator.report.curves import Column, curves
from orchestrator.report.description import NOTE, description
from orchestrator.report.run_colors import COLOR, column_colors, trial_colors
from orchestrator.report.table import Results
from orchestrator.report.views import report_url, same_view, study_views, view_links
from orchestrator.results import results
from orchestrator.search import search_key
from orchestrator.status import TrialStatus
from orchestrator.study import Study
from workers.measuring import measurement_key
from workers.record import LEASE, RunRecord, Sample, now_ms
from workers.spec import RECIPE
from workers.tracking import RunStore

DECLARATION, REPORT, SETTLED = "sweep.declaration", "sweep.report", "sweep.settled"
MANIFEST = "manifest.json"
UI_ADDRESS = "http://127.0.0.1:5000"


@dataclass(frozen=True)
class Published:
    """Where a person finds the report, and each view of the study in MLflow by its name."""

    report: Path
    ui_command: str
    ui_addresses: Mapping[str, str]


def publish(
    declared: Study,
    records: Mapping[str, RunRecord],
    store: RunStore,
    lease: str,
    folder: Path,
    command: str,
    settled: int | None,
) -> Published:
    """Build the report of what is stored, write it below `folder/reports`, keep it on the study's run.

    With it the status of all trials, if the records are those of a time when no launch was at work: that after launch
    number `settled`.
    """
    study = grown(declared, records)
    experiment = store.open_study(study.name, {})
    table = results(study, records, store.history, store.read_arrays)
    columns = curves(table, study.presentation)
    objectives = () if study.search is None else tuple(each.quantity for each in study.search.objectives)
    views = study_views(study.presentation, columns, now_ms(), study.axes, objectives)
    kept = study_run(declared, store, lease, experiment)
    ui_command = _ui_command(store.uri)
    ui = store.uri if store.uri.startswith(("http://", "https://")) else UI_ADDRESS
    addresses = {**view_links(ui, experiment, views), "report": report_url(ui, experiment, kept.run_id)}
    header = ReportHeader(
        study=study.name,
        question=study.question,
        expected=study.expected,
        command=command,
        links=(f"MLflow: {ui_command}, then open", *(f"{name}: {address}" for name, address in addresses.items())),
        provenance=tuple(
            sorted({f"{record.tags.get('provenance.packages', '')}" for record in records.values()} - {""})
        ),
        sections=growth_sections(declared, study, records),
    )
    report = build_report(header, table, study.presentation)
    place = write_files(folder / "reports" / study.name, report.files)
    _keep_report(report, kept, store, lease, manifest(study) if study.trials != declared.trials else None)
    _keep_status(table, kept, store, settled)
    _keep_curves(study, columns, store, experiment, lease)
    _keep_colors(trial_colors(table.trials, columns), records, store)
    relative = {**view_links("", experiment, views), "report": report_url("", experiment, kept.run_id)}
    note = description(header, report, kept.run_id, relative)
    _keep_description(note, views, kept, store, study.name, experiment)
    return Published(place, ui_command, addresses)


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


def kept_status(study: Study, store: RunStore, settled: int) -> tuple[TrialStatus, ...] | None:
    """The status that was kept after this launch; None if there is none."""
    experiment = store.find_study(study.name)
    kept = None if experiment is None else kept_run(store, experiment, declaration(study))
    if kept is None or kept.tags.get(SETTLED) != str(settled):
        return None
    return status.from_json(store.read_json(kept.run_id, status.FILE))


def study_run(study: Study, store: RunStore, lease: str, experiment: str) -> RunRecord:
    """The study-level run of a declaration, made with its manifest if there is none yet, or none that is whole."""
    identity = declaration(study)
    kept = kept_run(store, experiment, identity)
    if kept is None:
        tags = {DECLARATION: identity, "sweep.study": study.name, LEASE: lease, **run_tags()}
        kept = store.get(store.create_run(experiment, f"study {study.name} {identity[:6]}", "sweep", tags, {}))
    if REPORT not in kept.tags and not store.has_file(kept.run_id, MANIFEST):
        store.write_json(kept.run_id, MANIFEST, manifest(study))
    return kept


def _keep_status(table: Results, kept: RunRecord, store: RunStore, settled: int | None) -> None:
    """The status beside the report, if the table is that of a time when no launch was at work."""
    if settled is None or kept.tags.get(SETTLED) == str(settled):
        return
    store.write_json(kept.run_id, status.FILE, status.to_json(status.statuses(table)))
    store.set_tags(kept.run_id, {SETTLED: str(settled)})


def _keep_report(
    report: Report, kept: RunRecord, store: RunStore, lease: str, grown_manifest: Mapping[str, Any] | None
) -> None:
    """The report on the study's run, and what it has grown to; replaced when the numbers have changed."""
    run_id, names = kept.run_id, " ".join(report.files)
    known = (report.files[name] for name in ("data.csv", "report.md", "report.html"))
    digest = hashlib.sha256(b"".join((names.encode(), *known))).hexdigest()[:16]
    if kept.tags.get(REPORT) == digest:
        return
    store.set_tags(run_id, {LEASE: lease})
    if grown_manifest is not None:
        store.write_json(run_id, MANIFEST, grown_manifest)
    for name, data in report.files.items():
        store.write_file(run_id, f"report/{name}", data)
    store.set_status(run_id, "FINISHED")
    store.set_tags(run_id, {REPORT: digest})  # last: without it, all of this is done again


def _keep_description(
    note: str, views: Mapping[str, str], kept: RunRecord, store: RunStore, study: str, experiment: str
) -> None:
    """The description and the named views of the experiment, and the study's run, as far as they have changed."""
    stored = store.study_tags(experiment)
    tags = {key: view for key, view in views.items() if not same_view(stored.get(key), view)}
    if stored.get(NOTE) != note:
        tags[NOTE] = note
    store.open_study(study, tags)
    if kept.tags.get(NOTE) != note:
        store.set_tags(kept.run_id, {NOTE: note})


def _keep_colors(colors: Mapping[str, str], records: Mapping[str, RunRecord], store: RunStore) -> None:
    """The colours of the trials' runs, as far as they have changed: one that was drawn had no column when it began."""
    for trial_id, color in colors.items():
        if trial_id in records and records[trial_id].tags.get(COLOR) != color:
            store.set_tags(records[trial_id].run_id, {COLOR: color})


def _keep_curves(study: Study, columns: Sequence[Column], store: RunStore, experiment: str, lease: str) -> None:
    """A run of curves over x for each column."""
    points = curve_points(columns)
    digest = hashlib.sha256(canonical_json({label: list(each) for label, each in points.items()}).encode())
    identity = digest.hexdigest()[:16]
    stored = store.runs(experiment, "curve")
    current = [run for run in stored if run.tags.get(REPORT) == identity and run.status == "FINISHED"]
    missing = points.keys() - {run.name for run in current}
    colors = column_colors(columns)
    for label in (label for label in points if label in missing):
        tags = {REPORT: identity, COLOR: colors[label], "sweep.study": study.name, LEASE: lease}
        run_id = store.create_run(experiment, label, "curve", tags, {})
        now = now_ms()
        store.log(run_id, [Sample(each.key, each.value, each.step, now) for each in points[label]])
        store.set_status(run_id, "FINISHED")
    for run in stored:  # aggregates of older numbers, which the new ones replace, or of an interrupted launch
        if run not in current:
            store.delete_run(run.run_id)


def _ui_command(uri: str) -> str:
    """The command that shows the store in a browser."""
    if uri.startswith(("http://", "https://")):
        return f"open {uri}"
    executable = Path(sys.executable).with_name("mlflow")
    program = os.path.relpath(executable) if executable.is_relative_to(Path.cwd()) else str(executable)
    # Without its job runner the server starts in seconds instead of half a minute.
    return f"MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false {program} server --workers 1 --backend-store-uri {uri}"
