"""Launch: carry a study out. Check, plan, train, measure, publish; each stage does only what the store lacks."""

import math
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator import environment
from orchestrator.environment import CannotStart
from orchestrator.expense import expense, expense_line
from orchestrator.growth import grown, growth_line
from orchestrator.launches import LaunchLog, Standing
from orchestrator.plan import Plan, plan, plan_line, remaining
from orchestrator.preparation import prepare
from orchestrator.publish import kept_status, publish, study_run
from orchestrator.results import results
from orchestrator.search import to_draw
from orchestrator.settling import settle
from orchestrator.status import status_view, statuses
from orchestrator.study import Study
from orchestrator.work import Work
from workers.disk_space import DiskFull
from workers.own_entries import read_own_entries
from workers.record import RunRecord
from workers.rehearsal import Rehearsal
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import StoreError, StoreUnreachable, check_store, is_node_local, local_store, store_exists
from workers.tracking import RunStore

if TYPE_CHECKING:
    from orchestrator.schedule import Cluster

OK, FAILED = 0, 1  # exit codes; 2, for bad input, and those of an interruption are the command line's


@dataclass(frozen=True)
class Settings:
    """Circumstances of one launch; none of them can change a number."""

    tracking_uri: str | None = None
    address: str | None = None
    folder: Path = Path()  # what is written on this machine goes below it: store/ and reports/
    cpus: int | None = None  # of a Ray of our own; all of the machine's if None
    devices_per_trial: float = 1.0  # GPUs where there are any, else CPU cores; below 1, several trials share a GPU
    pack: bool = True  # small trials train together
    command: str = ""  # that declares this study again, for the report
    studies: Path | None = None  # file or package of a user's own entries

    @property
    def store_uri(self) -> str:
        """The store to use: as given, else MLFLOW_TRACKING_URI, else a local one."""
        uri = self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        if uri is None and environment.ray_job() is not None:
            raise CannotStart("a Ray job needs MLFLOW_TRACKING_URI in its runtime environment: its folder is temporary")
        return uri or local_store(self.folder / "store")

    @property
    def ray_address(self) -> str | None:
        """The cluster to use; None starts Ray on this machine."""
        return self.address or os.environ.get("RAY_ADDRESS") or None

    def check_store(self) -> None:
        """CannotStart unless the store can be used; writes nothing."""
        try:
            check_store(self.store_uri)
        except StoreError as error:
            raise CannotStart(str(error)) from None

    def open_store(self) -> RunStore:
        """The store, made if it is a local one; CannotStart if it cannot be opened."""
        try:
            return RunStore(self.store_uri)
        except StoreError as error:
            raise CannotStart(str(error)) from None

    @cached_property
    def runtime(self) -> Runtime:
        """Surroundings of every trial."""
        cache = Path(os.environ.get("GENSWEEP_CACHE") or Path.home() / ".cache" / "gensweep")
        own = None if self.studies is None else read_own_entries(self.studies)
        return Runtime(tracking_uri=self.store_uri, cache=cache, pack=self.pack, own=own)


class Launch:
    """One launch of one study. Building it checks everything that can be checked, and writes nothing."""

    def __init__(self, study: Study, settings: Settings, console: Console) -> None:
        self.declared, self.settings, self.console = study, settings, console
        self.study = study  # with what its own results have added to it, once they have been read
        self.lease = secrets.token_hex(8)
        self.work: Work | None = None  # what this launch did, once it has begun
        settings.check_store()
        check_writable_folder(settings.folder)
        check_devices(settings.devices_per_trial)
        if settings.ray_address is not None:
            environment.check_address(settings.ray_address)

    @cached_property
    def store(self) -> RunStore:
        """The store, opened (and made, if it is a local one) when it is first needed."""
        return self.settings.open_store()

    def records(self) -> dict[str, RunRecord]:
        """The stored run of each trial id; the oldest, should there be two."""
        if not store_exists(self.settings.store_uri):
            return {}
        experiment = self.store.find_study(self.study.name)
        runs = [] if experiment is None else self.store.runs(experiment, "trial")
        return {run.trial_id: run for run in reversed(runs)}

    def plan(self, records: Mapping[str, RunRecord]) -> Plan:
        """What is left to do, given the stored run of each trial id."""
        self.study = grown(self.declared, records)
        return plan(self.study, records)

    def run(self, *, train: bool = True) -> int:
        """Do what is left to do (only measurements, without `train`), publish the report; the exit code.

        An interruption goes on to the caller, once no run of this launch says any more that something is done to it.
        """
        try:
            self._carry_out(train)
        except KeyboardInterrupt:
            self._settle()
            self._close()
            raise
        except CannotStart:  # a point that was drawn makes no trial, while others train
            self._settle()
            raise
        except (StoreUnreachable, DiskFull) as error:
            self._close()
            line = f"stopped: {error}; the same command continues from what is stored"
            self.console.print(line, soft_wrap=True, highlight=False, markup=False)
            return FAILED
        return self._close()

    def _carry_out(self, train: bool) -> None:
        standing, records = self._standing(), self.records()
        todo, left = self.plan(records), to_draw(self.declared, records)
        self.console.print(plan_line(self.study, todo, left), soft_wrap=True)
        if ((todo.train or left) and train) or todo.measure:
            self._work(todo, train, records, standing.number)
            standing, records = self._standing(), self.records()
        if records:
            self._publish(records, standing.settled)

    def show_plan(self) -> int:
        """Print what `run` would do, and what training that will cost."""
        records = self.records()
        todo, left = self.plan(records), to_draw(self.declared, records)
        self.console.print(plan_line(self.study, todo, left), soft_wrap=True)
        if todo.train:
            processes = max(1, int(self.settings.devices_per_trial))
            cost = expense(todo.train, self.study.checkpoints, self.study.axes, self.settings.runtime.cache, processes)
            self.console.print(expense_line(cost), soft_wrap=True, highlight=False)
        return OK

    def show_status(self) -> int:
        """Print how many trials are in which state, and what they have come to."""
        trials = None
        if (settled := self._standing().settled) is not None:
            trials = kept_status(self.declared, self.store, settled)
        if trials is None:
            records = self.records()
            trials = statuses(results(grown(self.declared, records), records))
        self.console.print(status_view(trials))
        return OK

    def report(self) -> int:
        """Publish what is stored."""
        standing, records = self._standing(), self.records()
        if not records:
            raise CannotStart(f"nothing of study {self.study.name} is stored in {self.settings.store_uri} yet")
        self._publish(records, standing.settled)
        return OK

    def _publish(self, records: Mapping[str, RunRecord], settled: int | None) -> None:
        folder, command = self.settings.folder, self.settings.command
        published = publish(self.declared, records, self.store, self.lease, folder, command, settled)
        self.console.print(f"report: {published.report / 'report.html'}", soft_wrap=True, highlight=False)
        self.console.print(f"MLflow: {published.ui_command}", soft_wrap=True, highlight=False)
        for number, (name, address) in enumerate(published.ui_addresses.items()):
            lead = "then open" if number == 0 else "or"
            self.console.print(f"        {lead} {address} ({name})", soft_wrap=True, highlight=False)

    @cached_property
    def _log(self) -> LaunchLog:
        return LaunchLog(self.store, self.study.name, self.study.question)

    def _standing(self) -> Standing:
        """How far the launches of the study are."""
        return self._log.standing() if store_exists(self.settings.store_uri) else Standing(0, None)

    def _work(self, todo: Plan, train: bool, records: Mapping[str, RunRecord], latest: int) -> None:
        """Train and measure on a cluster."""
        todo = todo if train else replace(todo, train=())
        rehearsals = self._prepare(todo.train)
        if train and self.study.search is not None:
            self._prepare(self.study.search.probes())  # the like of which may be drawn
        environment.prepare(self.settings.ray_address)
        from orchestrator import schedule  # after the environment that Ray reads when it is imported

        with schedule.connect(self.settings.ray_address, self.settings.cpus) as cluster:
            if len(cluster.nodes) > 1 and is_node_local(self.settings.store_uri):
                raise CannotStart(
                    f"the store {self.settings.store_uri} is a file of this machine, which the cluster's other "
                    f"{len(cluster.nodes) - 1} nodes cannot reach; give --tracking-uri an MLflow server"
                )
            cluster.part(self.settings.devices_per_trial)  # refused before a store is made
            for measured in self.study.measured:
                cluster.check_needs(measured.measure.name, measured.needs)
            with self._log.entered(self.lease) as launch:
                if (job := environment.ray_job()) is not None:
                    schedule.add_to_metadata(job, {"study": self.study.name, "study_run": self._run_of_job(job)})
                if launch.number > latest + 1:
                    records = self.records()
                    todo = remaining(todo, self.plan(records))
                runtime, devices = self.settings.runtime, self.settings.devices_per_trial
                self.work = Work(self.study, self.store, self.lease, runtime, devices, self.console, records)
                self.work.carry_out(cluster, todo, rehearsals)
                if train and self.declared.grows:
                    self._go_on(cluster, self.work)

    def _go_on(self, cluster: "Cluster", work: Work) -> None:
        """Train and measure what the results ask for, round by round, and what is left to be drawn."""
        while True:
            known, records = {trial.trial_id for trial in work.study.trials}, self.records()
            new = tuple(trial for trial in self.plan(records).train if trial.trial_id not in known)
            work.go_on_with(self.study, records)
            if not new:
                return work.draw(cluster)
            self.console.print(growth_line(self.study, new), soft_wrap=True, highlight=False)
            work.carry_out(cluster, Plan({}, new, (), 0), self._prepare(new))

    def _settle(self) -> None:
        """End the runs that an interrupted launch leaves, as far as the store answers now."""
        if "store" not in vars(self):
            return  # it was not even opened
        try:
            with self.store.impatient():
                settle(self.store, self.study.name, self.lease)
        except StoreUnreachable as error:
            self.console.print(f"{error}; runs may stay RUNNING", soft_wrap=True, highlight=False, markup=False)

    def _run_of_job(self, job: str) -> str:
        """The study's own run, which names the job in turn, made before there is a report to keep on it."""
        experiment = self.store.open_study(self.study.name, {})
        run_id = study_run(self.declared, self.store, self.lease, experiment).run_id
        self.store.set_tags(run_id, {"sweep.ray_job": job})
        return run_id

    def _prepare(self, trials: Iterable[TrialSpec]) -> dict[str, Rehearsal]:
        processes = max(1, int(self.settings.devices_per_trial))
        return prepare(trials, self.study.axes, self.settings.runtime.cache, processes)

    def _close(self) -> int:
        """Say what failed, and turn it into an exit code."""
        failures = [] if self.work is None else self.work.failures
        if failures:
            table = Table("trial", "what happened", title=f"{len(failures)} failed (tracebacks are in MLflow)")
            for name, result in failures:
                table.add_row(name, Text(f"{result.summary}: {result.error}"))  # Text: a bracket is no markup
            self.console.print(table)
        if self.work is not None and self.work.usage:
            self.console.print(self.work.usage, highlight=False)
        return FAILED if failures else OK


def check_writable_folder(folder: Path) -> None:
    """CannotStart unless reports can be written below the folder; writes nothing."""
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise CannotStart(f"cannot write below {folder.resolve()}: {place} is not a writable folder")


def check_devices(devices: float) -> None:
    """CannotStart unless a trial can have so many devices somewhere."""
    if not 0 < devices < math.inf or (devices > 1 and devices != int(devices)):
        raise CannotStart(f"devices per trial {devices:g} is not valid: a whole number, or a fraction of a GPU below 1")
