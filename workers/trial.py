"""Run one trial from its stored record to its stored result, whatever happens in between."""

import platform
import time
import traceback
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

import torch

from workers.disk_space import DiskFull
from workers.fits.outcome import Outcome
from workers.fits.threshold import RULES
from workers.gang import ALONE, Gang
from workers.gang_session import GangSession
from workers.own_entries import admit
from workers.record import TRAIN_SECONDS, Sample, now_ms
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import StoreUnreachable
from workers.tracking import RunStore
from workers.training import train
from workers.trial_run import Superseded, TrialRun, Watch

# Of a trial that ended well, in its closing line, as far as it has them.
SHOWN = ("train/error", "test/error", "train/relative_error", "test/relative_error", "test/loss")
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "ray", "mlflow", "mnist1d")
OPTIONAL_PACKAGES = ("jax", "numpyro")


@dataclass(frozen=True)
class TrialResult:
    """How a trial or a measurement ended; `error` is the last line of its traceback, None if it succeeded.

    `seconds` is how long it kept its devices busy. `pruned` if the training was stopped early because it went badly.
    """

    run_id: str
    summary: str
    error: str | None = None
    seconds: float = 0.0
    pruned: bool = False


def run_trial(
    spec: TrialSpec, run_id: str, lease: str, runtime: Runtime, gang: Gang = ALONE, watch: Watch | None = None
) -> TrialResult:
    """Train, as the leader if in a gang, and store how it ended. An exception of the trial's own is a result.

    So is a store that does not answer for longer than it is waited for; what it has not taken is kept on this node. And
    so is this node's disk, should it have no room for that: then training ends at once, after what was kept last.
    """
    try:
        return _run_trial(spec, run_id, lease, runtime, gang, watch)
    except DiskFull as error:
        return TrialResult(run_id, "training failed", f"{error}; make room, and the same command continues")
    except StoreUnreachable as error:
        kept = f"what it has not taken waits below {runtime.cache} on {platform.node()}"
        return TrialResult(run_id, "training not stored", f"{error}; {kept}")


def _run_trial(
    spec: TrialSpec, run_id: str, lease: str, runtime: Runtime, gang: Gang, watch: Watch | None
) -> TrialResult:
    admit(runtime.own, runtime.cache)
    store = RunStore(runtime.tracking_uri)
    run = TrialRun(store, run_id, lease, runtime, watch)
    started = time.monotonic()
    store.set_status(run_id, "RUNNING")
    try:
        run.describe(_surroundings(runtime))
        session = run if gang.size == 1 else GangSession(run, runtime.checkpoints, gang)
        outcome = train(spec, runtime, session, gang)
        run.flush()
        run.drain()
    except (StoreUnreachable, DiskFull):
        raise  # there is nowhere to record it
    except SystemExit:  # whoever watches has ended it, and records that
        run.flush()
        raise
    except Superseded as error:
        return TrialResult(run_id, "taken over by another launch", str(error))
    except Exception as error:
        return record_failure(store, run_id, "training", error, time.monotonic() - started)
    clear_failure(store, run_id, "training")
    _record_outcome(store, run_id, outcome, time.monotonic() - started)
    store.set_status(run_id, "FINISHED")
    return TrialResult(run_id, _summary(store, run_id, outcome), seconds=time.monotonic() - started)


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


def clear_failure(store: RunStore, run_id: str, stage: str) -> None:
    """Forget an earlier failure of a stage that has now succeeded; its traceback stays among the artifacts."""
    if f"failure.{stage}" in store.get(run_id).tags:
        store.delete_tag(run_id, f"failure.{stage}")


def _record_outcome(store: RunStore, run_id: str, outcome: Outcome, seconds: float) -> None:
    stored = store.get(run_id)
    points = {
        f"{threshold_name(rule)}/{unit}": value
        for rule, step in outcome.thresholds.items()
        for unit, value in (("step", step), ("epoch", step // outcome.steps_per_epoch))
    }
    samples = [Sample(key, float(value), 0, now_ms()) for key, value in points.items() if key not in stored.points]
    store.log_samples(run_id, samples)
    store.set_tags(
        run_id,
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


def _summary(store: RunStore, run_id: str, outcome: Outcome) -> str:
    points = store.get(run_id).points
    if outcome.diverged:
        return f"diverged at step {outcome.step}"
    return ", ".join(f"{key} {points[key].value:.4g}" for key in SHOWN if key in points)
