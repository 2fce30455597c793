"""Work: training and measuring what a plan leaves to do, on a running cluster."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.adaptive import Point
from orchestrator.early import Early
from orchestrator.packing import Pack, longest_first, packs
from orchestrator.plan import MeasurementTask, Plan, State, missing_measurements, state_of
from orchestrator.progress import Progress, Stage
from orchestrator.provenance import run_tags
from orchestrator.report.curves import curves
from orchestrator.report.numerals import duration
from orchestrator.report.run_colors import COLOR, trial_colors
from orchestrator.results import results
from orchestrator.search import draw_tags, draws, to_draw, trial_of
from orchestrator.settling import settle
from orchestrator.study import Study, run_name
from workers.cost import CPU_CORE, GPU
from workers.measuring import measurement_stage
from workers.record import LEASE, RunRecord
from workers.rehearsal import Rehearsal
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import StoreUnreachable
from workers.tracking import RunStore
from workers.trial import TrainingTask, TrialResult

if TYPE_CHECKING:
    from orchestrator.schedule import Cluster, Part

MOST_FLUSHES = 25  # a second, by all trials together: two thirds of what a small MLflow server takes (docs/cluster.md)
MOST_OF_A_PROCESS = 2  # of these, by one process: each takes it some hundredths of a second
Train = Callable[..., None]  # of a part of the cluster, the runtime, and who is to hear of it


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
    seconds: float = 0.0
    usage: str = ""  # what was made of the cluster
    early: Early = field(init=False)  # of the trials that train now

    def carry_out(self, cluster: "Cluster", todo: Plan, rehearsals: Mapping[str, Rehearsal]) -> None:
        """Train, the longest first, and measure each trial as soon as its pack is trained."""
        together = self._packs(todo.train, rehearsals, cluster)

        def train(part: "Part", *how: Any) -> None:
            from orchestrator import schedule

            if todo.train:
                schedule.train(part, together, self._claim, *how)

        self._timed(cluster, train, len(todo.train), todo.measure, max(map(len, together), default=1))

    def _packs(
        self, trials: Sequence[TrialSpec], rehearsals: Mapping[str, Rehearsal], cluster: "Cluster"
    ) -> tuple[Pack, ...]:
        rate = CPU_CORE if cluster.device == "cpu" else GPU
        if not self.runtime.pack:
            return tuple((trial,) for trial in longest_first(trials, rehearsals, rate))
        return packs(trials, rehearsals, cluster.part(self.devices_per_trial).slots, rate)

    def draw(self, cluster: "Cluster") -> None:
        """Draw what is left of a search's points, train and measure their trials."""
        search = self.study.search
        if search is None or not to_draw(self.study, self.records):
            return
        told = draws(search, self.records.values())

        def train(part: "Part", *how: Any) -> None:
            from orchestrator import schedule

            schedule.draw(part, self.study, told, self._claim_point, *how)

        self._timed(cluster, train, search.num_trials - len(told), (), 1)

    def go_on_with(self, study: Study, records: Mapping[str, RunRecord]) -> None:
        """The study has grown by what is stored now."""
        self.study, self.records = study, records
        self.__dict__.pop("_colors", None)  # of the trials before

    def _timed(
        self, cluster: "Cluster", train: Train, num_trials: int, measure: Sequence[MeasurementTask], largest: int
    ) -> None:
        started = time.monotonic()
        try:
            self._train_and_measure(cluster, train, num_trials, measure, largest)
        finally:
            # At once: whoever asked this process to end may not wait until Ray has ended.
            with suppress(StoreUnreachable), self.store.impatient():
                settle(self.store, self.study.name, self.lease)
            self.seconds += time.monotonic() - started
            busy = self.busy_seconds / (self.seconds * cluster.slots)
            self.usage = f"{cluster.devices} for {duration(self.seconds)}, busy {busy:.0%} of the time"

    def _train_and_measure(
        self, cluster: "Cluster", train: Train, num_trials: int, measure: Sequence[MeasurementTask], largest: int
    ) -> None:
        from orchestrator import schedule

        part, runtime = cluster.part(self.devices_per_trial), self.runtime.on(cluster.device)
        expected = len(measure) + num_trials * len(self.study.measured)
        with Progress(self.console, num_trials, expected) as progress:

            def measured(task: MeasurementTask, result: TrialResult) -> None:
                self._ended(progress, progress.measuring, task.trial, result, devices=1)
                if result.error is not None:  # a process that died could not say so itself
                    stage = measurement_stage(task.measure, task.step)
                    self.store.set_tags(task.run_id, {f"failure.{stage}": result.error[:500]})

            def trained(trial: TrialSpec, result: TrialResult) -> None:
                if result.died and self.store.get(result.run_id).status == "FINISHED":
                    result = replace(result, summary="trained", error=None)  # before the process of its pack died
                self._ended(progress, progress.training, trial, result, self.devices_per_trial)
                record = self._stored(result)
                self.early.ended(trial, result.run_id)
                missing = self.early.new(missing_measurements(self.study, trial, record))
                progress.measuring.total += len(missing) - len(self.study.measured)
                measurements.add([*backlog, *missing])
                backlog.clear()

            def meanwhile() -> None:
                found = self.early.found()
                progress.measuring.total += len(found)
                measurements.add(found)
                measurements.advance()

            # What an earlier launch left to measure waits until the trials of this one hold their devices.
            backlog = list(measure)
            self.early = Early(self.store, self.study)
            measurements = schedule.Measurements(cluster, runtime, measured)
            flush_seconds = max(runtime.flush_seconds, part.slots * largest / MOST_FLUSHES, largest / MOST_OF_A_PROCESS)
            training = replace(runtime, checkpoints=self.study.checkpoints, flush_seconds=flush_seconds)
            train(part, training, trained, meanwhile)
            measurements.add(backlog)
            measurements.finish()

    @cached_property
    def _experiment(self) -> str:
        return self.store.open_study(self.study.name, {})

    @cached_property
    def _provenance(self) -> Mapping[str, str]:
        return run_tags()

    @cached_property
    def _colors(self) -> Mapping[str, str]:
        """A colour for each trial id: that of its figure column, or of its corruption, in MLflow's charts."""
        table = results(self.study, {})
        return trial_colors(table.trials, curves(table, self.study.presentation))

    def _claim_point(self, number: int, point: Point) -> tuple[TrainingTask, bool]:
        """The trial of a point that was drawn; and whether it has ended already, and its run only gets another tag."""
        search = self.study.search
        assert search is not None, "only a search draws points"
        trial, tags = trial_of(search, point), draw_tags(search, number, point)
        known = self.records.get(trial.trial_id)
        if known is not None and state_of(self.store.get(known.run_id)).is_finished:
            self.store.set_tags(known.run_id, tags)
            return TrainingTask(trial, known.run_id, self.lease), True
        task = self._claim(trial, tags)
        self.records = {**self.records, trial.trial_id: self.store.get(task.run_id)}
        return task, False

    def _claim(self, trial: TrialSpec, marks: Mapping[str, str] | None = None) -> TrainingTask:
        """The trial with its run, the stored or a new one, under this launch's lease."""
        identity = {"sweep.trial_id": trial.trial_id, "sweep.study": self.study.name, LEASE: self.lease}
        tags = {**identity, **self._provenance, **(marks or {})}
        if (record := self.records.get(trial.trial_id)) is not None:
            run_id = record.run_id
            self.store.set_tags(run_id, tags)
            self.store.complete_run(record, trial.parameters)
            self.store.set_status(run_id, "RUNNING")
        else:
            known = self._colors.get(trial.trial_id)  # one that was just drawn has none yet
            color = {} if known is None else {COLOR: known}
            name = run_name(trial, self.study.axes)
            run_id = self.store.create_run(self._experiment, name, "trial", {**tags, **color}, trial.parameters)
        self.early.began(trial, run_id)
        return TrainingTask(trial, run_id, self.lease)

    def _stored(self, result: TrialResult) -> RunRecord:
        """The run of a trial that has ended, with a true status where its process could not give it."""
        if result.pruned:
            self.store.set_tags(result.run_id, {"sweep.outcome": str(State.PRUNED)})
            self.store.set_status(result.run_id, "FINISHED")
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
