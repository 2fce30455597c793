"""RunStore: the only file that imports MLflow. The system of record behind a handful of verbs.

One MLflow experiment per study, one flat run per trial. Scalars are metrics, settings parameters, everything else
artifacts. A tag is the commit of what it names (`checkpoint.STEP`, `measured.KEY.STEP`): it is written last, so what
has no tag does not exist. Only `MlflowClient` with an explicit run id is used: the fluent API keeps process-global
state, reopens finished runs and ends crashed ones as FINISHED.
"""

import io
import json
import logging
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from measures.garbage import garbage_kept
from measures.inputs import Measurement
from workers.checkpoint import MANIFEST_FILE, STATE_FILE, DamagedCheckpoint, TrainingState, checkpoint_folder, decode
from workers.disk_space import DiskFull, is_full, told_if_full
from workers.patience import Patient, first_line
from workers.record import (
    Point,
    RunRecord,
    Sample,
    arrays_path,
    inside,
    measured_tag,
    measurement_path,
    measurement_record,
    measurement_samples,
    mirrored,
)
from workers.sqlite_lock import alone_at_first
from workers.store_address import StoreError

# MLflow reads these when it is imported. Nothing is ever unpickled from the store.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
# How long to go on asking is `Patient`'s to decide; MLflow by itself would block for four minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

with garbage_kept(for_good=True):
    from mlflow import MlflowClient  # after the settings above
    from mlflow.entities import Metric, Param, Run, RunTag
    from mlflow.exceptions import MlflowException
    from requests.exceptions import ChunkedEncodingError, Timeout
    from requests.exceptions import ConnectionError as RequestsConnectionError
    from sqlalchemy.exc import SQLAlchemyError

for _chatty in ("mlflow", "alembic"):  # both announce database migrations at INFO
    logging.getLogger(_chatty).setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # tells, with a traceback, what it raises anyway

PAGE = 500  # runs per search request
BATCH = 1000  # metrics per request: what MLflow admits


class RunStore:
    """A tracking store. Experiments, runs and parameters are created by the driver alone, which is their one writer."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        try:
            with alone_at_first(uri), garbage_kept():
                self._patient = Patient(MlflowClient(tracking_uri=uri), uri, _is_passing)
                self._client = cast("MlflowClient", self._patient)
                self._client.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise StoreError(f"the MLflow store {uri} cannot be used: {first_line(error)}") from None

    def impatient(self) -> AbstractContextManager[None]:
        """Within the block StoreUnreachable comes at once, and not after minutes of asking again."""
        return self._patient.impatient()

    def find_study(self, name: str) -> str | None:
        """Experiment id of a study, or None."""
        experiment = self._client.get_experiment_by_name(name)
        return None if experiment is None else experiment.experiment_id

    def create_study(self, name: str, tags: Mapping[str, str]) -> str | None:
        """Experiment id of a new study; None if it is there already. Of two processes at once one creates it."""
        try:
            return self._client.create_experiment(name, self._artifact_location(name), dict(tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return None

    def study_tags(self, experiment_id: str) -> Mapping[str, str]:
        return self._client.get_experiment(experiment_id).tags

    def open_study(self, name: str, tags: Mapping[str, str]) -> str:
        """Experiment id of a study, created if need be, with these tags set."""
        experiment_id = self.find_study(name) or self.create_study(name, {}) or self.find_study(name)
        assert experiment_id is not None, "it was there, or has been created"
        for key, value in tags.items():
            self._client.set_experiment_tag(experiment_id, key, value)
        return experiment_id

    def _artifact_location(self, name: str) -> str | None:
        """Beside a SQLite file; otherwise the server's own choice."""
        return None if self.artifact_folder is None else str(self.artifact_folder / inside(name))

    @property
    def artifact_folder(self) -> Path | None:
        """Where a store of this machine keeps its artifacts, as STUDY/RUN/artifacts/..."""
        path = self.uri.removeprefix("sqlite:///")
        return None if path == self.uri else Path(path).parent / "artifacts"

    def studies(self) -> dict[str, str]:
        """Experiment id of each study, by name."""
        found = _all_pages(partial(self._client.search_experiments, max_results=PAGE))
        return {experiment.name: experiment.experiment_id for experiment in found}

    def runs(self, experiment_id: str, role: str, status: str | None = None) -> list[RunRecord]:
        """All runs of a role, and of a status if one is given, oldest first, with the latest point of each metric."""
        of_status = "" if status is None else f" and attributes.status = '{status}'"
        search = partial(
            self._client.search_runs,
            [experiment_id],
            f"tags.`sweep.role` = '{role}'{of_status}",
            max_results=PAGE,
            order_by=["attributes.start_time ASC"],
        )
        return [_record(run) for run in _all_pages(search)]

    def create_run(
        self, experiment_id: str, name: str, role: str, tags: Mapping[str, str], parameters: Mapping[str, Any]
    ) -> str:
        """A new run, RUNNING as all of MLflow's are. Numbers among the parameters are mirrored as `hp/*` metrics."""
        info = self._client.create_run(experiment_id, run_name=name, tags={"sweep.role": role, **tags}).info
        self._set_parameters(info.run_id, info.start_time, parameters)
        return info.run_id

    def complete_run(self, record: RunRecord, parameters: Mapping[str, Any]) -> None:
        """Give a run its parameters, should the process that created it have died before it did."""
        if parameters.keys() - record.parameters.keys() or mirrored(parameters).keys() - record.points.keys():
            created = self._client.get_run(record.run_id).info.start_time
            self._set_parameters(record.run_id, created, parameters)

    def _set_parameters(self, run_id: str, created: int, parameters: Mapping[str, Any]) -> None:
        # A time stamp that a second attempt gives again: what is there already is not stored twice.
        self._client.log_batch(
            run_id,
            params=[Param(key, str(value)) for key, value in parameters.items()],
            metrics=[Metric(key, value, created, 0) for key, value in mirrored(parameters).items()],
        )

    def claim(self, run_id: str, key: str, value: str) -> bool:
        """Whether this is the value of a parameter now: it is that of the first who claims it, and stays so."""
        try:
            self._client.log_param(run_id, key, value)
        except MlflowException:  # it has a value, perhaps since a moment ago; or something else is wrong
            if key not in self.get(run_id).parameters:
                raise
        return self.get(run_id).parameters[key] == value

    def set_status(self, run_id: str, status: str) -> None:
        """RUNNING, or one of the final FINISHED, FAILED and KILLED, which set the end time."""
        if status in ("FINISHED", "FAILED", "KILLED"):
            self._client.set_terminated(run_id, status)
        else:
            self._client.update_run(run_id, status=status)

    def delete_run(self, run_id: str) -> None:
        """Take a run out of sight; MLflow keeps it restorable."""
        self._client.delete_run(run_id)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.log(run_id, (), tags)

    def delete_tag(self, run_id: str, key: str) -> None:
        self._client.delete_tag(run_id, key)

    def log(self, run_id: str, samples: Sequence[Sample], commit: Mapping[str, str] | None = None) -> None:
        """Store metrics, then the tags that commit them and whatever was stored before.

        Storing the very same sample again changes nothing: its time stamp is part of its key.
        """
        metrics = [Metric(s.key, s.value, s.timestamp, s.step) for s in samples]
        *before, last = [metrics[start : start + BATCH] for start in range(0, len(metrics), BATCH)] or [[]]
        for batch in before:
            self._client.log_batch(run_id, metrics=batch)
        # Of one request MLflow stores the tags last.
        self._client.log_batch(run_id, metrics=last, tags=[RunTag(key, value) for key, value in (commit or {}).items()])

    def history(self, run_id: str, key: str) -> list[Point]:
        """Every stored point of a metric, by step."""
        points = [Point(m.step, _number(m.value)) for m in self._client.get_metric_history(run_id, key)]
        return sorted(points, key=lambda point: point.step)

    def get(self, run_id: str) -> RunRecord:
        return _record(self._client.get_run(run_id))

    def find(self, run_id: str) -> RunRecord | None:
        """A run, even one out of sight; None if the store has no such run."""
        try:
            return self.get(run_id)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def write_file(self, run_id: str, path: str, data: bytes) -> None:
        """Store an artifact under a path relative to the run's own folder; whole or not at all."""
        place = Path(inside(path))
        with told_if_full(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as scratch:
            local = Path(scratch) / place.name
            local.write_bytes(data)
            self._client.log_artifact(run_id, str(local), None if place.parent == Path() else str(place.parent))

    def read_file(self, run_id: str, path: str) -> bytes:
        """An artifact's bytes; FileNotFoundError if there is none."""
        with tempfile.TemporaryDirectory() as scratch:
            try:
                return Path(self._client.download_artifacts(run_id, inside(path), scratch)).read_bytes()
            except (MlflowException, OSError) as error:
                if is_full(error):
                    raise DiskFull(scratch) from None
                raise FileNotFoundError(f"run {run_id} has no artifact {path} ({first_line(error)})") from None

    def has_file(self, run_id: str, path: str) -> bool:
        folder = str(Path(inside(path)).parent)
        return any(item.path == path for item in self._client.list_artifacts(run_id, None if folder == "." else folder))

    def write_json(self, run_id: str, path: str, value: Any) -> None:
        self.write_file(run_id, path, json.dumps(value, indent=1, sort_keys=True).encode())

    def read_json(self, run_id: str, path: str) -> Any:
        return json.loads(self.read_file(run_id, path))

    def read_state(self, run_id: str, trial_id: str, step: int) -> TrainingState:
        """A stored checkpoint; DamagedCheckpoint or FileNotFoundError if it is not whole."""
        folder = checkpoint_folder(step)
        manifest = self.read_file(run_id, f"{folder}/{MANIFEST_FILE}")
        try:
            state = decode(self.read_file(run_id, f"{folder}/{STATE_FILE}"), manifest, trial_id)
        except DamagedCheckpoint as error:
            raise DamagedCheckpoint(f"{folder}/{error}") from error
        if state.step != step:
            raise DamagedCheckpoint(f"{folder}/{MANIFEST_FILE} is that of step {state.step}")
        return state

    def write_measurement(
        self, run_id: str, measure: str, key: str, step: int, measurement: Measurement, seconds: float
    ) -> None:
        """Arrays, then the record of all values, then metrics, then the tag that commits them."""
        if measurement.arrays:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **measurement.arrays)  # type: ignore[arg-type]  # numpy types **kwds too narrowly
            self.write_file(run_id, arrays_path(key, step), buffer.getvalue())
        record = measurement_record(step, measurement, seconds)
        self.write_json(run_id, measurement_path(key, step), record)
        self._commit_measurement(run_id, measure, key, record)

    def read_arrays(self, run_id: str, key: str, step: int) -> dict[str, NDArray[np.generic]]:
        """The arrays of a measurement, by name; FileNotFoundError if it has none."""
        with np.load(io.BytesIO(self.read_file(run_id, arrays_path(key, step))), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def commit_measurement(self, run_id: str, measure: str, key: str, step: int) -> None:
        """Complete what died after its record. Repeating it adds nothing: the record holds the time stamp."""
        self._commit_measurement(run_id, measure, key, self.read_json(run_id, measurement_path(key, step)))

    def _commit_measurement(self, run_id: str, measure: str, key: str, record: Mapping[str, Any]) -> None:
        commit = json.dumps({"seconds": round(record["seconds"], 3), "notes": record["notes"]})
        self.log(run_id, measurement_samples(measure, record), {measured_tag(key, record["step"]): commit})


def _is_passing(error: Exception) -> bool:
    """Whether the store could not be asked, or not be asked now; everything else it has answered."""
    if isinstance(error, MlflowException):
        # The second is what MLflow says of a connection that fails, and of a server that answers 5xx again and again.
        passing = error.error_code == "TEMPORARILY_UNAVAILABLE" or "failed with exception" in str(error)
        return passing or is_full(error)
    return isinstance(error, Timeout | RequestsConnectionError | ChunkedEncodingError) or is_full(error)


def _all_pages(search: Callable[..., Any]) -> Iterable[Any]:
    """What a search of MLflow's finds, however many requests it takes."""
    token: str | None = None
    while True:
        with garbage_kept():
            page = search(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _record(run: Run) -> RunRecord:
    info, data = run.info, run.data
    points = {m.key: Point(m.step, _number(m.value)) for m in data.to_proto().metrics}
    return RunRecord(info.run_id, info.run_name or "", info.status, data.params, data.tags, points)


def _number(stored: float) -> float:
    """A metric as it was logged; MLflow keeps an infinity as the largest float."""
    return math.copysign(math.inf, stored) if abs(stored) == sys.float_info.max else stored
