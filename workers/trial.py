"""Run a trial, or a pack, from its stored record to its stored result, whatever happens in between."""

import platform
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec

import torch

from workers.building import build_problem
from workers.disk_space import DiskFull
from workers.fits.member import Member, plan_of
from workers.fits.outcome import Outcome
from workers.fits.pack import sharing_inputs, train_packed
from workers.fits.threshold import RULES
from workers.gang import ALONE, Gang
from workers.gang_session import GangSession
from workers.own_entries import admit
from workers.record import TRAIN_SECONDS, RunRecord, Sample, now_ms
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import StoreUnreachable
from workers.tracking import RunStore
from workers.training import reset_process, train
from workers.trial_run import Superseded, TrialRun, Watch

# Of a trial that ended well, in its closing line, as far as it has them.
SHOWN = ("train/error", "test/error", "train/relative_error", "test/relative_error", "test/loss")
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "ray", "mlflow", "mnist1d")
OPTIONAL_PACKAGES = ("jax", "numpyro")


@dataclass(frozen=True)
class TrialResult:
    """How a trial or a measurement ended; `error` is the last line of its traceback, None if it succeeded.

    `seconds` is how long it kept its devices busy. `pruned` if the training was stopped early because it went badly;
    `died` if its process did, which then could not say how far this trial was.
    """

    run_id: str
    summary: str
    error: str | None = None
    seconds: float = 0.0
    pruned: bool = False
    died: bool = False


@dataclass(frozen=True)
class TrainingTask:
    """One trial to train, on a run that exists, under a launch's lease."""

    trial: TrialSpec
    run_id: str
    lease: str


def run_trial(task: TrainingTask, runtime: Runtime, gang: Gang = ALONE, watch: Watch | None = None) -> TrialResult:
    """Train, as the leader if in a gang, and store how it ended. An exception of the trial's own is a result.

    So is a store that does not answer for longer than it is waited for; what it has not taken is kept on this node. And
    so is this node's disk, should it have no room for that: then training ends at once, after what was kept last.
    """
    attempt = _Attempt(task, runtime, watch=watch)

    def trained() -> Outcome:
        run = attempt.begin()
        session = run if gang.size == 1 else GangSession(run, runtime.checkpoints, gang)
        return train(task.trial, runtime, session, gang)

    return attempt.result(trained)


def run_pack(tasks: Sequence[TrainingTask], runtime: Runtime) -> list[TrialResult]:
    """Train trials of one kind together, each with its run, its result and its failure as by `run_trial`."""
    attempts = [_Attempt(task, runtime, share=1 / len(tasks)) for task in tasks]
    results: dict[int, TrialResult] = {}
    members: dict[int, Member] = {}
    reset_process(runtime)
    for number, attempt in enumerate(attempts):
        try:
            members[number] = attempt.member(members.values())
        except Exception as error:  # its own: the others go on
            results[number] = attempt.ended(error)
    numbers = list(members)

    def ended(place: int, how: Outcome | Exception) -> None:
        results[numbers[place]] = attempts[numbers[place]].ended(how)

    if members:
        train_packed(list(members.values()), ended)
    return [results[number] for number in range(len(tasks))]


class _Attempt:
    """At training one trial, from its stored record to its stored result; `share` is its part of the process."""

    def __init__(self, task: TrainingTask, runtime: Runtime, share: float = 1.0, watch: Watch | None = None) -> None:
        self.task, self.runtime, self.share, self.watch = task, runtime, share, watch
        self.started = time.monotonic()
        self.run: TrialRun | None = None

    @property
    def seconds(self) -> float:
        return (time.monotonic() - self.started) * self.share

    @cached_property
    def store(self) -> RunStore:
        return RunStore(self.runtime.tracking_uri)

    def begin(self) -> TrialRun:
        """The trial's session."""
        admit(self.runtime.own, self.runtime.cache)
        self.run = TrialRun(self.store, self.task.run_id, self.task.lease, self.runtime, self.watch)
        self.store.set_status(self.task.run_id, "RUNNING")
        self.run.describe(_surroundings(self.runtime))
        return self.run

    def member(self, others: Iterable[Member]) -> Member:
        """The trial as a member of a pack, beside others, with which it shares the examples that are the same."""
        run = self.begin()
        problem = sharing_inputs(build_problem(self.task.trial, self.runtime), others)
        return Member(problem, run, plan_of(self.task.trial.fit))

    def result(self, train: Callable[[], Outcome]) -> TrialResult:
        """Of a training that is to begin now."""
        try:
            return self.ended(train())
        except Exception as error:
            return self.ended(error)

    def ended(self, how: Outcome | Exception) -> TrialResult:
        """The result, stored as far as there is a place for it."""
        try:
            if isinstance(how, Outcome):
                return self._succeeded(how)
            return self._failed(how)
        except Exception as error:
            return self._failed(error)

    def _succeeded(self, outcome: Outcome) -> TrialResult:
        assert self.run is not None, "it has begun"
        self.run.flush()
        self.run.drain()
        record = self.store.get(self.task.run_id)
        clear_failure(self.store, record, "training")
        _record_outcome(self.store, record, outcome, self.seconds)
        self.store.set_status(record.run_id, "FINISHED")
        return TrialResult(record.run_id, _summary(record, outcome), seconds=self.seconds)

    def _failed(self, error: Exception) -> TrialResult:
        run_id = self.task.run_id
        if isinstance(error, Superseded):
            return TrialResult(run_id, "taken over by another launch", str(error))
        if isinstance(error, DiskFull):
            return TrialResult(run_id, "training failed", f"{error}; make room, and the same command continues")
        if isinstance(error, StoreUnreachable):
            kept = f"what it has not taken waits below {self.runtime.cache} on {platform.node()}"
            return TrialResult(run_id, "training not stored", f"{error}; {kept}")
        try:
            return record_failure(self.store, run_id, "training", error, self.seconds)
        except (StoreUnreachable, DiskFull) as unstored:
            return self._failed(unstored)


def follow_trial(spec: TrialSpec, runtime: Runtime, gang: Gang) -> None:
    """Train as one of a gang that is not its leader: nothing is stored, and an exception is the gang's end."""
    admit(runtime.own, runtime.cache)
    train(spec, runtime, GangSession(None, runtime.checkpoints, gang), gang)


def _surroundings(runtime: Runtime) -> dict[str, str]:
    return {
        "packages": " ".join(f"{package}={found}" for package, found in package_versions().items()),
        "python": platform.python_version(),
        "host": platform.node(),
        "device": torch.cuda.get_device_name(runtime.device) if runtime.device.startswith("cuda") else runtime.device,
        **({} if runtime.own is None else {"own_entries": runtime.own.description}),
    }


def package_versions() -> dict[str, str]:
    """Of the packages that can change a number, optional ones where they are installed."""
    optional = [package for package in OPTIONAL_PACKAGES if find_spec(package) is not None]
    return {package: version(package) for package in (*PACKAGES, *optional)}


def record_failure(store: RunStore, run_id: str, stage: str, error: Exception, seconds: float = 0.0) -> TrialResult:
    """Keep the traceback as an artifact and its last line as a tag."""
    last_line = traceback.format_exception_only(error)[-1].strip()
    text = "".join(traceback.format_exception(error))
    store.write_file(run_id, f"failures/{stage}.txt", text.encode())
    store.set_tags(run_id, {f"failure.{stage}": last_line[:500]})
    if stage == "training":
        store.set_status(run_id, "FAILED")
    return TrialResult(run_id, f"{stage} failed", last_line, seconds)


def clear_failure(store: RunStore, record: RunRecord, stage: str) -> None:
    """Forget an earlier failure of a stage that has now succeeded; its traceback stays among the artifacts."""
    if f"failure.{stage}" in record.tags:
        store.delete_tag(record.run_id, f"failure.{stage}")


def _record_outcome(store: RunStore, stored: RunRecord, outcome: Outcome, seconds: float) -> None:
    points = {
        f"{threshold_name(rule)}/{unit}": value
        for rule, step in outcome.thresholds.items()
        for unit, value in (("step", step), ("epoch", step // outcome.steps_per_epoch))
    }
    samples = [Sample(key, float(value), 0, now_ms()) for key, value in points.items() if key not in stored.points]
    store.log(
        stored.run_id,
        samples,
        {
            "sweep.outcome": "diverged" if outcome.diverged else "trained",
            "sweep.final_step": str(outcome.step),
            TRAIN_SECONDS: f"{float(stored.tags.get(TRAIN_SECONDS, '0')) + seconds:.3f}",
            **{threshold_name(rule): _threshold(outcome, rule) for rule in RULES},
        },
    )


def threshold_name(rule: str) -> str:
    """Under which a threshold is stored; the exact one is the interpolation threshold without a further word."""
    return "interpolation_threshold" if rule == "exact" else f"interpolation_threshold_{rule}"


def _threshold(outcome: Outcome, rule: str) -> str:
    if rule not in outcome.thresholds:
        return "not reached"
    step = outcome.thresholds[rule]
    return f"step {step}, epoch {step // outcome.steps_per_epoch}"


def _summary(stored: RunRecord, outcome: Outcome) -> str:
    if outcome.diverged:
        return f"diverged at step {outcome.step}"
    points = stored.points
    return ", ".join(f"{key} {points[key].value:.4g}" for key in SHOWN if key in points)
