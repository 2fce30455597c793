"""Work: training and measuring what a plan leaves to do, on a running cluster."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.curves import curves
from orchestrator.numerals import duration
from orchestrator.plan import MeasurementTask, Plan, State, missing_measurements, state_of
from orchestrator.progress import Progress, Stage
from orchestrator.provenance import run_tags
from orchestrator.results import results
from orchestrator.settling import settle
from orchestrator.study import Study, run_name
from orchestrator.views import column_colors
from workers.measuring import measurement_stage
from workers.record import LEASE, RunRecord
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import StoreUnreachable
from workers.tracking import RunStore
from workers.trial import TrialResult

if TYPE_CHECKING:
    from orchestrator.schedule import Cluster, TrainingTask


@dataclass
class Work:
    """One launch's training and measuring. Every result goes to the store; what failed is remembered here."""

    study: Study
    store: RunStore
    lease: str
    runtime: Runtime
    devices_per_trial: float
    console: Console
    records: Mapping[str, RunRecord]  # what was stored before, by trial id
    failures: list[tuple[str, TrialResult]] = field(default_factory=list)
    busy_seconds: float = 0.0  # of all devices together
    usage: str = ""  # what was made of the cluster

    def carry_out(self, cluster: "Cluster", todo: Plan) -> None:
        """Train, and measure each trial as soon as it is trained."""
        started = time.monotonic()
        try:
            self._train_and_measure(cluster, todo)
        finally:
            # At once: whoever asked this process to end may not wait until Ray has ended.
            with suppress(StoreUnreachable), self.store.impatient():
                settle(self.store, self.study.name, self.lease)
            seconds = time.monotonic() - started
            busy = self.busy_seconds / (seconds * cluster.slots)
            self.usage = f"{cluster.devices} for {duration(seconds)}, busy {busy:.0%} of the time"

    def _train_and_measure(self, cluster: "Cluster", todo: Plan) -> None:
        from orchestrator import schedule

        part, runtime = cluster.part(self.devices_per_trial), self.runtime.on(cluster.device)
        expected = len(todo.measure) + len(todo.train) * len(self.study.measured)
        with Progress(self.console, len(todo.train), expected) as progress:

            def measured(task: MeasurementTask, result: TrialResult) -> None:
                self._ended(progress, progress.measuring, task.trial, result, devices=1)
                if result.error is not None:  # a process that died could not say so itself
                    stage = measurement_stage(task.measure, task.step)
                    self.store.set_tags(task.run_id, {f"failure.{stage}": result.error[:500]})

            def trained(trial: TrialSpec, result: TrialResult) -> None:
                self._ended(progress, progress.training, trial, result, self.devices_per_trial)
                record = self._stored(result)
                missing = missing_measurements(self.study, trial, record) if state_of(record) is State.DONE else []
                progress.measuring.total += len(missing) - len(self.study.measured)
                measurements.add([*backlog, *missing])
                backlog.clear()

            # What an earlier launch left to measure waits until the trials of this one hold their devices.
            backlog = list(todo.measure)
            measurements = schedule.Measurements(cluster, runtime, measured)
            training = replace(runtime, checkpoints=self.study.checkpoints)
            if todo.train:
                schedule.train(part, todo.train, self._claim, training, trained, measurements.advance)
            measurements.add(backlog)
            measurements.finish()

    @cached_property
    def _experiment(self) -> str:
        return self.store.open_study(self.study.name, {"mlflow.note.content": self.study.question})

    @cached_property
    def _provenance(self) -> Mapping[str, str]:
        return run_tags()

    @cached_property
    def _colors(self) -> Mapping[str, str]:
        """A colour for each trial id: runs of one figure column share theirs in MLflow's charts."""
        columns = curves(results(self.study, {}), self.study.presentation)
        colors = column_colors(columns)
        return {trial_id: colors[column.label] for column in columns for trial_id in column.trial_ids}

    def _claim(self, trial: TrialSpec) -> "TrainingTask":
        """The trial with its run, the stored or a new one, under this launch's lease."""
        from orchestrator import schedule

        identity = {"sweep.trial_id": trial.trial_id, "sweep.study": self.study.name, LEASE: self.lease}
        tags = {**identity, **self._provenance}
        if (record := self.records.get(trial.trial_id)) is not None:
            run_id = record.run_id
            self.store.set_tags(run_id, tags)
            self.store.complete_run(record, trial.parameters)
            self.store.set_status(run_id, "RUNNING")
        else:
            color = {"mlflow.runColor": self._colors[trial.trial_id]} if self._colors else {}
            name = run_name(trial, self.study.axes)
            run_id = self.store.create_run(self._experiment, name, "trial", {**tags, **color}, trial.parameters)
        return schedule.TrainingTask(trial, run_id, self.lease)

    def _stored(self, result: TrialResult) -> RunRecord:
        """The run of a trial that has ended, with a true status where its process could not give it."""
        record = self.store.get(result.run_id)
        if record.status == "RUNNING" and record.lease == self.lease:
            self.store.set_tags(record.run_id, {"failure.training": (result.error or "")[:500]})
            self.store.set_status(record.run_id, "FAILED")
            record = self.store.get(result.run_id)
        return record

    def _ended(self, progress: Progress, stage: Stage, trial: TrialSpec, result: TrialResult, devices: float) -> None:
        """Every task that ends goes to the progress line, and to the closing table if it failed."""
        name = run_name(trial, self.study.axes)
        self.busy_seconds += result.seconds * devices
        if result.error is not None:
            self.failures.append((name, result))
        progress.finished(stage, name, result.summary, result.error)
