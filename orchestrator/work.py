"""Work: training and measuring what a plan leaves to do, on a running cluster."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.curves import curves
from orchestrator.numerals import duration
from orchestrator.plan import Plan, State, missing_measurements, state_of
from orchestrator.progress import Progress, Stage
from orchestrator.provenance import run_tags
from orchestrator.results import results
from orchestrator.settling import settle
from orchestrator.study import Study, run_name
from orchestrator.views import column_colors
from workers.record import LEASE, RunRecord
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import StoreUnreachable
from workers.tracking import RunStore
from workers.trial import TrialResult

if TYPE_CHECKING:
    from orchestrator.schedule import Cluster


@dataclass
class Work:
    """One launch's training and measuring. Every result goes to the store; what failed is remembered here."""

    study: Study
    store: RunStore
    lease: str
    runtime: Runtime
    devices_per_trial: float
    console: Console
    failures: list[tuple[str, TrialResult]] = field(default_factory=list)
    busy_seconds: float = 0.0  # of all devices together
    usage: str = ""  # what was made of the cluster

    def carry_out(self, cluster: "Cluster", todo: Plan, records: Mapping[str, RunRecord]) -> None:
        """Train, and measure each trial as soon as it is trained."""
        started = time.monotonic()
        try:
            self._train_and_measure(cluster, todo, self._claim(todo.train, records))
            self._settle()
        except BaseException:
            # At once: whoever asked this process to end may not wait until Ray has ended.
            with self.store.impatient(), suppress(StoreUnreachable):
                self._settle()
            raise
        finally:
            seconds = time.monotonic() - started
            busy = self.busy_seconds / (seconds * cluster.slots)
            self.usage = f"{cluster.devices} for {duration(seconds)}, busy {busy:.0%} of the time"

    def _train_and_measure(self, cluster: "Cluster", todo: Plan, run_ids: Mapping[str, str]) -> None:
        from orchestrator import schedule

        part, runtime = cluster.part(self.devices_per_trial), self.runtime.on(cluster.device)
        tasks = [schedule.TrainingTask(trial, run_ids[trial.trial_id], self.lease) for trial in todo.train]
        expected = len(todo.measure) + len(tasks) * len(self.study.measured)
        with Progress(self.console, len(tasks), expected) as progress:

            def measured(trial: TrialSpec, result: TrialResult) -> None:
                self._ended(progress, progress.measuring, trial, result, devices=1)

            def trained(trial: TrialSpec, result: TrialResult) -> None:
                self._ended(progress, progress.training, trial, result, self.devices_per_trial)
                record = self.store.get(result.run_id)
                missing = missing_measurements(self.study, trial, record) if state_of(record) is State.DONE else []
                progress.measuring.total += len(missing) - len(self.study.measured)
                measurements.add([*backlog, *missing])
                backlog.clear()

            # What an earlier launch left to measure waits until the trials of this one hold their devices.
            backlog = list(todo.measure)
            measurements = schedule.Measurements(cluster, runtime, measured)
            training = replace(runtime, checkpoints=self.study.checkpoints)
            if tasks:
                schedule.train(part, tasks, training, trained, measurements.advance)
            measurements.add(backlog)
            measurements.finish()

    def _claim(self, trials: tuple[TrialSpec, ...], records: Mapping[str, RunRecord]) -> dict[str, str]:
        """Run ids by trial id: runs that exist, or new ones, all under this launch's lease."""
        if not trials:
            return {}
        experiment = self.store.open_study(self.study.name, {"mlflow.note.content": self.study.question})
        tags, colors = run_tags(), self._colors()
        run_ids: dict[str, str] = {}
        for trial in trials:
            identity = {"sweep.trial_id": trial.trial_id, "sweep.study": self.study.name, LEASE: self.lease}
            if trial.trial_id in records:
                run_ids[trial.trial_id] = records[trial.trial_id].run_id
                self.store.set_tags(run_ids[trial.trial_id], {**identity, **tags})
                self.store.complete_run(records[trial.trial_id], trial.parameters)
                self.store.set_status(run_ids[trial.trial_id], "SCHEDULED")
            else:
                name = run_name(trial, self.study.axes)
                tagged = {**identity, **tags, **({"mlflow.runColor": colors[trial.trial_id]} if colors else {})}
                run_ids[trial.trial_id] = self.store.create_run(experiment, name, "trial", tagged, trial.parameters)
        return run_ids

    def _colors(self) -> Mapping[str, str]:
        """A colour for each trial id: runs of one figure column share theirs in MLflow's charts."""
        columns = curves(results(self.study, {}), self.study.presentation)
        colors = column_colors(columns)
        return {trial_id: colors[column.label] for column in columns for trial_id in column.trial_ids}

    def _settle(self) -> None:
        """A true status for runs whose process could not give it."""
        settle(
            self.store, self.study.name, self.lease, {result.run_id: result.error or "" for _, result in self.failures}
        )

    def _ended(self, progress: Progress, stage: Stage, trial: TrialSpec, result: TrialResult, devices: float) -> None:
        """Every task that ends goes to the progress line, and to the closing table if it failed."""
        name = run_name(trial, self.study.axes)
        self.busy_seconds += result.seconds * devices
        if result.error is not None:
            self.failures.append((name, result))
        progress.finished(stage, name, result.summary, result.error)
