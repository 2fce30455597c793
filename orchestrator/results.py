"""Results: study + store records -> the tidy table."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from orchestrator.plan import state_of
from orchestrator.report.derived import over_steps, with_derived
from orchestrator.report.presentation import Presentation
from orchestrator.report.table import Results, Row, Trial
from orchestrator.stored_arrays import ReadArrays, stored_arrays
from orchestrator.study import Study, run_name
from workers.fits.threshold import RULES
from workers.measuring import measurement_key
from workers.record import Point, RunRecord
from workers.spec import TrialSpec
from workers.trial import threshold_name

STDERR = ".stderr"

History = Callable[[str, str], Sequence[Point]]


def results(
    study: Study, records: Mapping[str, RunRecord], history: History | None = None, arrays: ReadArrays | None = None
) -> Results:
    """The latest value of every quantity of every declared trial that has a run.

    With `history`, which reads all points of a metric of a run, every value of what is drawn over steps, and what is
    derived from them. The store is asked once for each such quantity of each run that has it, and not at all where
    nothing needs the steps. With `arrays`, which reads those of a measurement, the arrays that are drawn.
    """
    every_step = quantities_over_steps(study.presentation)
    stored = [(trial, records[trial.trial_id]) for trial in study.trials if trial.trial_id in records]
    table = Results(
        trials=tuple(_trial(study, trial, records.get(trial.trial_id)) for trial in study.trials),
        rows=tuple(row for trial, record in stored for row in _rows(trial, record, history, every_step)),
        arrays=() if arrays is None else tuple(stored_arrays(study.presentation, _keys(study), stored, arrays)),
    )
    derived = study.presentation.derived
    return with_derived(table, derived if history is not None else [each for each in derived if not over_steps(each)])


def _keys(study: Study) -> Mapping[str, str]:
    """How the store names what each measure has given."""
    return {measured.measure.name: measurement_key(measured.measure) for measured in study.measured}


def quantities_over_steps(presentation: Presentation) -> frozenset[str]:
    """What the presentation draws over the steps of training, and what else it takes from all of them."""
    courses = [part.courses for part in presentation.parts if part.courses is not None]
    drawn = [series.quantity for each in courses for panel in each.panels for series in panel.series]
    return frozenset((*drawn, *(name for each in presentation.derived for name in over_steps(each))))


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
        device=tags.get("provenance.device", ""),
        run_id="" if record is None else record.run_id,
    )


def _rows(trial: TrialSpec, record: RunRecord, history: History | None, over_steps: Collection[str]) -> Iterable[Row]:
    for quantity in sorted(record.points):
        if quantity.startswith("hp/") or quantity.endswith(STDERR):
            continue
        read = history if quantity in over_steps else None
        values, errors = _values(record, quantity, read), _values(record, quantity + STDERR, read)
        for step, value in values.items():
            yield Row(trial.trial_id, step, quantity, value, errors.get(step))
    yield from _not_reached(trial, record)


def _values(record: RunRecord, key: str, history: History | None) -> Mapping[int, float]:
    """By step: of a metric that the run has the latest value or, with a history, all of them."""
    if key not in record.points:
        return {}
    points = [record.points[key]] if history is None else history(record.run_id, key)
    return {point.step: point.value for point in points}


def _not_reached(trial: TrialSpec, record: RunRecord) -> Iterable[Row]:
    """Of a threshold that was not reached: it is later than the last step."""
    for name in map(threshold_name, RULES):
        if record.tags.get(name) == "not reached":
            yield Row(trial.trial_id, 0, f"{name}/step", float(record.tags["sweep.final_step"]), None, at_least=True)
