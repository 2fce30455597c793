"""Results: study + store records -> the tidy table."""

from collections.abc import Iterable, Mapping

from orchestrator.plan import state_of
from orchestrator.study import Study, run_name
from orchestrator.table import Results, Row, Trial
from workers.record import RunRecord
from workers.spec import TrialSpec

STDERR = ".stderr"


def results(study: Study, records: Mapping[str, RunRecord]) -> Results:
    """The latest value of every quantity of every declared trial that has a run."""
    stored = [(trial, records[trial.trial_id]) for trial in study.trials if trial.trial_id in records]
    return Results(
        trials=tuple(_trial(study, trial, records.get(trial.trial_id)) for trial in study.trials),
        rows=tuple(row for trial, record in stored for row in _rows(trial, record)),
    )


def _trial(study: Study, trial: TrialSpec, record: RunRecord | None) -> Trial:
    tags = {} if record is None else record.tags
    failures = [f"{tag.removeprefix('failure.')}: {text}" for tag, text in tags.items() if tag.startswith("failure.")]
    return Trial(
        trial_id=trial.trial_id,
        name=run_name(trial, study.axes),
        parameters=trial.parameters,
        state=str(state_of(record)),
        seconds=None if record is None else record.seconds,
        interpolation_threshold=tags.get("interpolation_threshold", "not trained"),
        failure="; ".join(sorted(failures)) or None,
        notes=() if record is None else tuple(note for measured in record.measured.values() for note in measured.notes),
    )


def _rows(trial: TrialSpec, record: RunRecord) -> Iterable[Row]:
    for quantity, point in sorted(record.points.items()):
        if quantity.startswith("hp/") or quantity.endswith(STDERR):
            continue
        error = record.points.get(quantity + STDERR)
        stderr = error.value if error is not None and error.step == point.step else None
        yield Row(trial.trial_id, point.step, quantity, point.value, stderr)
