"""What a store answers: the requests of a driver and of trials, by one writer and by many at once.

Of the MLflow server that is given, or of a fresh SQLite file: the unit costs from which docs/cluster.md reckons what a
cluster of a given size needs.

    python benchmarks/store_costs.py --tracking-uri http://127.0.0.1:5000 --writers 1 8 --seconds 10
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from machine import machine

from workers.record import LEASE, Sample, now_ms
from workers.store_address import local_store
from workers.tracking import RunStore

STUDY = "store_costs"
Work = Callable[[RunStore, str, int], object]


def start_trial(store: RunStore, experiment: str, number: int) -> None:
    """What the driver stores as a trial starts: a run with 25 settings."""
    store.create_run(experiment, f"run {number}", "trial", {LEASE: "x"}, {f"setting.{i}": i for i in range(25)})


def flush(store: RunStore, run_id: str, number: int) -> None:
    """What a trial does every few seconds: it looks at its lease and stores 20 points."""
    store.get(run_id)
    store.log(run_id, _points(number))


def checkpoint(store: RunStore, run_id: str, number: int) -> None:
    """A checkpoint of a network of 100,000 parameters and its momentum: two files, 20 points, the tag that commits."""
    store.get(run_id)
    store.write_file(run_id, f"checkpoints/step-{number:09d}/state.safetensors", bytes(800_000))
    store.write_file(run_id, f"checkpoints/step-{number:09d}/manifest.json", bytes(1000))
    store.log(run_id, _points(number), {f"checkpoint.{number}": "0" * 64})


def _points(step: int) -> list[Sample]:
    now = now_ms()
    return [Sample(f"train/metric{i}", 0.5, step, now) for i in range(20)]


WORK: dict[str, Work] = {"start of a trial": start_trial, "flush": flush, "checkpoint": checkpoint}


def writer(uri: str, name: str, seconds: float, place: int) -> list[float]:
    """Seconds of each piece of work that one process does one after the other."""
    store = RunStore(uri)
    experiment = store.open_study(STUDY, {})
    target = experiment if name == "start of a trial" else store.create_run(experiment, "costs", "trial", {}, {})
    WORK[name](store, target, 0)  # only warms up
    _ready[0].wait()
    taken: list[float] = []
    ends = time.perf_counter() + seconds
    while (started := time.perf_counter()) < ends:
        WORK[name](store, target, 1 + place * 10**6 + len(taken))
        taken.append(time.perf_counter() - started)
    return taken


_ready: list[Barrier] = []  # of a writer's process, whose pool cannot be handed one with each job


def _get_ready(ready: Barrier) -> None:
    _ready.append(ready)


def rates(uri: str, name: str, writers: int, seconds: float) -> tuple[float, float]:
    """Pieces of work a second by all writers together, and the median seconds of one."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(writers, _get_ready, (context.Barrier(writers),)) as pool:
        jobs = [(uri, name, seconds, place) for place in range(writers)]
        taken = pool.starmap(writer, jobs, chunksize=1)
    each = [one for mine in taken for one in mine]
    return len(each) / seconds, statistics.median(each)


def main() -> None:
    """Every kind of work, by each number of writers."""
    parser = argparse.ArgumentParser(description="Requests that a store answers.")
    parser.add_argument("--tracking-uri", help="of the store; a fresh SQLite file if not given")
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        uri = arguments.tracking_uri or local_store(Path(folder))
        RunStore(uri).open_study(STUDY, {})
        print(f"{'':>18}{'writers':>9}{'per second':>12}{'median ms':>11}")
        for name in WORK:
            found = [rates(uri, name, writers, arguments.seconds) for writers in arguments.writers]
            for writers, (rate, median) in zip(arguments.writers, found, strict=True):
                print(f"{name:>18}{writers:9}{rate:12.1f}{1000 * median:11.1f}", flush=True)
            print(f"ratio of the rate ({name}), most writers to fewest: {found[-1][0] / found[0][0]:.2f}")
    print(f"{machine()}; load before the start {load:.1f}")


if __name__ == "__main__":
    main()
