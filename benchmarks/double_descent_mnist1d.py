"""Training the double-descent grid on MNIST-1D: the way of its authors' notebook, and ours.

Peer: one network after another, a DataLoader over a TensorDataset (shuffled, batches of 100), all threads of torch,
evaluated once at the end. Ours: `workers.training.train` for the same networks, in as many processes as there are
cores, with one thread each, evaluating, logging and checkpointing into a real store as in every study. Both see the
same data, label noise and optimiser; initial weights and batch order differ, so errors can agree only within the spread
over seeds.

    python benchmarks/double_descent_mnist1d.py --widths 2 47 300 --epochs 50 --label-noise 0.15
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
from machine import machine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from measures.registry import Component
from workers.building import build_problem
from workers.problem import Problem
from workers.record import LEASE
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import local_store
from workers.tracking import RunStore
from workers.training import train
from workers.trial_run import TrialRun

WIDTHS = (2, 12, 47, 150, 300)
BATCH_SIZE, LEARNING_RATE, MOMENTUM = 100, 0.01, 0.9


@dataclass(frozen=True)
class Trained:
    """Final errors of one network, and the time its training took in its own process."""

    train_error: float
    test_error: float
    seconds: float


def trial(width: int, seed: int, epochs: int, label_noise: float) -> TrialSpec:
    """The same data in every trial; initial weights and batch order of their own."""
    return TrialSpec(
        dataset=Component("mnist1d"),
        corruption=Component("random_labels", fraction=label_noise),
        model=Component("mlp", width=width),
        optimizer=Component("sgd", learning_rate=LEARNING_RATE, momentum=MOMENTUM),
        fit=Component("sgd", epochs=epochs, batch_size=BATCH_SIZE),
        init_seed=seed,
        order_seed=seed,
    )


def train_as_peer(data: Problem, width: int, seed: int, epochs: int) -> Trained:
    """The notebook's loop."""
    started = time.perf_counter()
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(40, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))
    loader = DataLoader(TensorDataset(data.train.inputs, data.train.targets), batch_size=BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    for _ in range(epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
    with torch.no_grad():
        train_error, test_error = (
            (model(split.inputs).argmax(dim=1) != split.targets).double().mean().item()
            for split in (data.train, data.test)
        )
    return Trained(train_error, test_error, time.perf_counter() - started)


def train_as_we_do(spec: TrialSpec, run_id: str, runtime: Runtime) -> Trained:
    """One trial of the service, without Ray around it."""
    started = time.perf_counter()
    store = RunStore(runtime.tracking_uri)
    run = TrialRun(store, run_id, "benchmark", runtime)
    train(spec, runtime, run)
    run.flush()
    seconds = time.perf_counter() - started
    points = store.get(run_id).points
    return Trained(points["train/error"].value, points["test/error"].value, seconds)


def get_ready(tracking_uri: str, barrier: Barrier) -> None:
    """In a fresh process: import what the service needs, by opening the store, and wait for the others."""
    RunStore(tracking_uri)
    barrier.wait()


def run_peer(grid: Sequence[tuple[int, int]], data: Problem, epochs: int) -> tuple[list[Trained], float]:
    """All networks of the grid in this process, and the seconds for all of them."""
    started = time.perf_counter()
    results = [train_as_peer(data, width, seed, epochs) for width, seed in grid]
    return results, time.perf_counter() - started


def run_ours(specs: Sequence[TrialSpec], runtime: Runtime, processes: int) -> tuple[list[Trained], float]:
    """All trials in processes that are up already, as they are after the first trials of a study."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    store = RunStore(runtime.tracking_uri)
    with context.Pool(processes, get_ready, (runtime.tracking_uri, ready)) as pool:
        ready.wait()
        started = time.perf_counter()
        experiment = store.open_study("benchmark", {})
        tasks = [
            (spec, store.create_run(experiment, f"trial {i}", "trial", trial_tags(spec), spec.parameters), runtime)
            for i, spec in enumerate(specs)
        ]
        # Last declared, first trained: the widest come last, and would leave processes idle at the end.
        results = pool.starmap(train_as_we_do, tasks[::-1], chunksize=1)[::-1]
        return results, time.perf_counter() - started


def trial_tags(spec: TrialSpec) -> dict[str, str]:
    """What a run needs before its trial can take it."""
    return {"sweep.trial_id": spec.trial_id, LEASE: "benchmark"}


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, in per cent."""
    return f"{100 * statistics.mean(values):5.1f} ± {100 * statistics.stdev(values):3.1f}"


def print_table(widths: Sequence[int], seeds: int, peer: Sequence[Trained], ours: Sequence[Trained]) -> None:
    """One line for each width: seconds of one training, errors over the seeds."""
    print(f"{'':>6}  {'seconds':^15}  {'train error, %':^25}  {'test error, %':^25}")
    print(f"{'width':>6}  {'peer':>7} {'ours':>7}  {'peer':>12} {'ours':>12}  {'peer':>12} {'ours':>12}")
    for i, width in enumerate(widths):
        sides = [side[i * seeds : (i + 1) * seeds] for side in (peer, ours)]
        seconds = " ".join(f"{statistics.mean(t.seconds for t in side):7.2f}" for side in sides)
        train_errors = " ".join(f"{spread([t.train_error for t in side]):>12}" for side in sides)
        test_errors = " ".join(f"{spread([t.test_error for t in side]):>12}" for side in sides)
        print(f"{width:>6}  {seconds}  {train_errors}  {test_errors}")


def print_circumstances(processes: int, threads: int, load: float) -> None:
    """Where and how this was measured."""
    print(f"{machine()}; load before the start {load:.1f}")
    print(f"Peer first: {threads} threads, evaluation only at the end.")
    print(f"Then ours: {processes} processes of one thread, widest first, evaluation along the way, metrics in SQLite,")
    print("checkpoints in files. Wall-clock time; on both sides the data are prepared, all modules imported and the")
    print("store opened before the clock starts. Errors: mean ± standard deviation over the seeds, the training error")
    print("on the labels trained on.")


def main() -> None:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description="MNIST-1D double descent: the authors' notebook loop, then ours.")
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS))
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--label-noise", type=float, default=0.15)
    parser.add_argument("--seeds", type=int, default=3, help="networks per width, at least 2")
    arguments = parser.parse_args()
    grid = [(width, seed) for width in arguments.widths for seed in range(arguments.seeds)]
    specs = [trial(width, seed, arguments.epochs, arguments.label_noise) for width, seed in grid]
    processes, threads = min(os.cpu_count() or 1, len(specs)), torch.get_num_threads()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(tracking_uri=local_store(Path(folder) / "store"), cache=Path(folder) / "cache")
        peer, peer_seconds = run_peer(grid, build_problem(specs[0], runtime), arguments.epochs)
        ours, our_seconds = run_ours(specs, runtime, processes)
    print_table(arguments.widths, arguments.seeds, peer, ours)
    print(f"\n{len(specs)} networks, {arguments.epochs} epochs: peer {peer_seconds:.1f} s, ours {our_seconds:.1f} s")
    print(f"ratio peer / ours: {peer_seconds / our_seconds:.2f}\n")
    print_circumstances(processes, threads, load)


if __name__ == "__main__":
    main()
