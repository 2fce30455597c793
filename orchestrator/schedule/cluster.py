"""A running Ray, and what of it one trial or measurement gets."""

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Ray reads it when it is imported. A Ray that this process starts ends with it, at once and not after half a minute.
os.environ.setdefault("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "0")

import ray
from ray import tune
from ray.exceptions import RayError

from orchestrator.ending import Terminated, own_signals
from orchestrator.environment import CannotStart, ray_job
from workers.runtime import Needs

MAX_DEATHS = 2  # of the process of one trial or measurement, before it counts as failed


@dataclass(frozen=True)
class Cluster:
    """A running Ray: the resources of each of its nodes (`CPU`, `GPU`, `memory` in bytes)."""

    nodes: tuple[Mapping[str, float], ...]

    def total(self, resource: str) -> int:
        return int(sum(node.get(resource, 0) for node in self.nodes))

    @property
    def num_cpus(self) -> int:
        return self.total("CPU")

    @property
    def num_gpus(self) -> int:
        return self.total("GPU")

    @property
    def slots(self) -> int:
        return self.num_gpus or self.num_cpus

    @property
    def devices(self) -> str:
        """What the tasks run on, as a person says it: `2 CPU cores`."""
        return f"{self.slots} {'GPU' if self.num_gpus else 'CPU core'}{'s' * (self.slots != 1)}"

    @property
    def device(self) -> str:
        return "cuda" if self.num_gpus else "cpu"

    def measurement_resources(self, needs: Needs) -> Mapping[str, float]:
        """What Ray reserves for a measurement."""
        gpus = needs.gpus if needs.gpus is not None else min(1, self.num_gpus)
        memory = {} if needs.memory_gb is None else {"memory": int(needs.memory_gb * 1e9)}
        return {"CPU": needs.cpus, **({"GPU": gpus} if gpus else {}), **memory}

    def check_needs(self, measure: str, needs: Needs) -> None:
        """CannotStart unless one node has what a measurement needs; Ray would wait for such a node for ever."""
        resources = self.measurement_resources(needs)
        if any(all(node.get(name, 0) >= amount for name, amount in resources.items()) for node in self.nodes):
            return
        largest = {name: max(node.get(name, 0) for node in self.nodes) for name in resources}
        raise CannotStart(
            f"measure {measure} needs {_in_words(resources)} on one node; the nodes have at most {_in_words(largest)}"
        )

    def part(self, devices: float) -> "Part":
        """What each trial gets when it asks for so many devices: GPUs where there are any, else CPU cores."""
        if devices > self.slots:
            raise CannotStart(f"devices per trial {devices:g} is not valid: the cluster has {self.devices}")
        if devices < 1 and not self.num_gpus:
            raise CannotStart(f"devices per trial {devices:g} is not valid: there is no GPU to share, only CPU cores")
        share = {"CPU": 1.0, "GPU": min(devices, 1.0)} if self.num_gpus else {"CPU": 1.0}
        return Part(max(1, int(devices)), share, int(self.slots / devices))


@dataclass(frozen=True)
class Part:
    """What one trial gets of a cluster: processes, each with its share of a node; and how many trials fit at once."""

    processes: int
    share: dict[str, float]
    slots: int

    @property
    def bundles(self) -> tune.PlacementGroupFactory:
        """Reserved together or not at all. A gang's own head only waits, and holds nothing."""
        head = [{}] if self.processes > 1 else []
        return tune.PlacementGroupFactory([*head, *[self.share] * self.processes], strategy="PACK")


@contextmanager
def connect(address: str | None, num_cpus: int | None = None) -> Generator[Cluster, None, None]:
    """A Ray of our own on this machine if no address is given, else that cluster; CannotStart if it cannot be used."""
    for name in ("ray", "ray.tune"):  # failures are told by the closing table, with their tracebacks in the store
        logging.getLogger(name).setLevel(logging.CRITICAL)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        with own_signals():
            if address is None:
                ray.init(address="local", include_dashboard=False, num_cpus=num_cpus, **quiet)
            else:
                ray.init(address=address, runtime_env=_shipped_code(), **quiet)
    except SystemExit:  # what Ray makes of SIGTERM while it starts
        raise Terminated from None
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        place = f"the Ray cluster at {address} (RAY_AUTH_MODE, RAY_AUTH_TOKEN)" if address else "Ray on this machine"
        raise CannotStart(f"cannot use {place}: {str(error).splitlines()[0]}") from None
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        yield Cluster(tuple(node["Resources"] for node in nodes))
    finally:
        with own_signals():
            ray.shutdown()


def _in_words(resources: Mapping[str, float]) -> str:
    return " and ".join(
        f"{amount / 1e9:.3g} GB of memory" if name == "memory" else f"{amount:g} {name}"
        for name, amount in resources.items()
    )


def _shipped_code() -> dict[str, Any] | None:
    """This checkout, for the workers of another machine. A job has shipped its working directory already."""
    root = Path(__file__).parents[1]
    if ray_job() is not None or not (root / "pyproject.toml").exists():
        return None
    return {"working_dir": str(root)}
