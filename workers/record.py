"""What the store holds, as values: points, runs, the names under which things are filed. Knows nothing of MLflow."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from measures.inputs import Measurement

CHECKPOINT = "checkpoint."
LEASE = "sweep.lease"
TRAIN_SECONDS = "sweep.train_seconds"


@dataclass(frozen=True)
class Point:
    """The latest value of a metric and its step."""

    step: int
    value: float


@dataclass(frozen=True)
class Sample:
    """One point to store. Its time stamp (ms) is fixed when it is measured, so that storing it twice is harmless."""

    key: str
    value: float
    step: int
    timestamp: int


@dataclass(frozen=True)
class RunRecord:
    """One stored run, as it was when it was read."""

    run_id: str
    name: str
    status: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    points: Mapping[str, Point]

    @property
    def trial_id(self) -> str:
        return self.tags.get("sweep.trial_id", "")

    @property
    def lease(self) -> str | None:
        """The launch that last took this run."""
        return self.tags.get(LEASE)

    @property
    def study(self) -> str:
        return self.tags.get("sweep.study", "")

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Steps of the stored checkpoints, ascending."""
        return tuple(sorted(int(tag.split(".")[1]) for tag in self.tags if tag.startswith(CHECKPOINT)))

    @property
    def measured(self) -> Mapping[str, "Measured"]:
        """What each committed measurement left in its tag."""
        return {tag: Measured(**json.loads(text)) for tag, text in self.tags.items() if tag.startswith("measured.")}

    @property
    def seconds(self) -> float:
        """Wall time spent on training (as far as it was recorded) and measuring."""
        training = float(self.tags.get(TRAIN_SECONDS, "0"))
        return training + sum(measured.seconds for measured in self.measured.values())


@dataclass(frozen=True)
class Measured:
    """The commit of one measurement: what it cost and what a reader of its numbers must know."""

    seconds: float
    notes: tuple[str, ...]


def inside(path: str) -> str:
    """The path, if it stays below the folder it is relative to; ValueError if it could lead out of it."""
    if any(part in ("", ".", "..") for part in path.split("/")) or any(c in path for c in "\\\0:"):
        raise ValueError(f"artifact name {path!r} is not valid: it must stay below its folder, as report/data.csv")
    return path


def measurement_path(key: str, step: int) -> str:
    """Artifact that records one measurement of a run."""
    return f"measurements/{key}/step-{step:09d}.json"


def arrays_path(key: str, step: int) -> str:
    """Artifact that holds the arrays of one measurement of a run."""
    return f"measurements/{key}/step-{step:09d}.npz"


def mirrored(parameters: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among the parameters, as metrics: MLflow keeps parameters as text, which sorts 1, 12, 2."""
    return {f"hp/{key}": float(value) for key, value in parameters.items() if isinstance(value, int | float)}


def measurement_record(step: int, measurement: Measurement, seconds: float) -> dict[str, Any]:
    """All that a measurement returned, beside its arrays, as JSON; its time stamp is fixed now."""
    values = {name: [_json_number(e.value), _json_number(e.stderr)] for name, e in measurement.values.items()}
    return {
        "step": step,
        "timestamp": now_ms(),
        "values": values,
        "notes": list(measurement.notes),
        "seconds": seconds,
    }


def measurement_samples(measure: str, record: Mapping[str, Any]) -> list[Sample]:
    """The metrics of a recorded measurement: the same whenever they are made."""
    numbers: dict[str, float] = {}
    for name, (value, stderr) in record["values"].items():
        numbers[f"{measure}/{name}"] = math.nan if value is None else value
        if stderr is not None:
            numbers[f"{measure}/{name}.stderr"] = stderr
    return [Sample(key, number, record["step"], record["timestamp"]) for key, number in numbers.items()]


def _json_number(value: float | None) -> float | None:
    """JSON has no NaN: a value that is not valid is written as null, like a standard error that does not apply."""
    return value if value is not None and math.isfinite(value) else None


def checkpoint_tag(step: int) -> str:
    """Tag that commits one checkpoint of a run."""
    return f"{CHECKPOINT}{step}"


def measured_tag(key: str, step: int) -> str:
    """Tag that commits one measurement of a run."""
    return f"measured.{key}.{step}"


def measured_steps(record: RunRecord, key: str) -> tuple[int, ...]:
    """Steps at which a run has been measured in this way, ascending."""
    prefix = measured_tag(key, 0).removesuffix("0")
    return tuple(sorted(int(tag.removeprefix(prefix)) for tag in record.tags if tag.startswith(prefix)))


def now_ms() -> int:
    """Milliseconds since 1970, the store's unit of time."""
    return int(time.time() * 1000)
