"""The double-descent study on MNIST-1D: training alone in the way of its authors' notebook, and all of it in ours.

Ours is the real command from its first import to the report: networks trained, logged, checkpointed and measured, in
an empty store. Peer: one network after another, a DataLoader over a TensorDataset (shuffled, batches of 100), all
threads of torch, evaluated once at the end, with nothing stored and nothing measured. It is timed at a sample of the
widths, for some epochs; in between seconds are interpolated, and they are taken as proportional to the epochs. For the
comparison of errors the peer trains the sampled widths to their end, several times, at the higher label noise: ours
differ from those by initial weights and batch order, so errors can agree only within the spread over seeds.

    python benchmarks/double_descent_mnist1d.py
    python benchmarks/double_descent_mnist1d.py --repeats 3 --seeds 0    # ratios alone, three times
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from machine import machine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from measures.registry import Component
from sweeps.double_descent import QUICK_WIDTHS
from workers.building import build_problem
from workers.problem import Problem
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.store_address import local_store
from workers.tracking import RunStore

STUDY = "sweeps/double_descent.py"
ROOT = Path(__file__).parents[1]
BATCH_SIZE, LEARNING_RATE, MOMENTUM = 100, 0.01, 0.9
Errors = tuple[float, float]  # train, test


def data_of(label_noise: float, cache: Path) -> Problem:
    """The examples that the study's trials have."""
    trial = TrialSpec(
        dataset=Component("mnist1d"),
        corruption=Component("random_labels", fraction=label_noise),
        model=Component("mlp"),
        optimizer=Component("sgd"),
        fit=Component("sgd"),
    )
    return build_problem(trial, Runtime(tracking_uri="", cache=cache))


def train_as_peer(data: Problem, width: int, seed: int, epochs: int) -> tuple[Errors, float]:
    """The notebook's loop; final errors, and the seconds of an epoch."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(40, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))
    loader = DataLoader(TensorDataset(data.train.inputs, data.train.targets), batch_size=BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    started = time.perf_counter()
    for _ in range(epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
    seconds = time.perf_counter() - started
    with torch.no_grad():
        train_error, test_error = (
            (model(split.inputs).argmax(dim=1) != split.targets).double().mean().item()
            for split in (data.train, data.test)
        )
    return (train_error, test_error), seconds / epochs


def peer_seconds(data: Problem, sample: Sequence[int], sampled_epochs: int, settings: argparse.Namespace) -> float:
    """Of all networks of the grid, one after the other."""
    epoch = [train_as_peer(data, width, 0, sampled_epochs)[1] for width in sample]
    each = np.interp(settings.widths, sample, epoch)
    return float(each.sum()) * settings.epochs * len(settings.label_noise)


def run_study(folder: Path, settings: argparse.Namespace) -> float:
    """Seconds of the command, which starts with nothing but prepared data."""
    command = [sys.executable, STUDY, "--epochs", settings.epochs, "--folder", folder / "results"]
    command += ["--widths", *settings.widths, "--label-noise", *settings.label_noise]
    started = time.perf_counter()
    ended = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"the study has failed:\n{ended.stdout}{ended.stderr}")
    return time.perf_counter() - started


def our_errors(folder: Path, label_noise: float) -> Mapping[int, Errors]:
    """Final errors by width, from the store."""
    store = RunStore(local_store(folder / "results" / "store"))
    experiment = store.find_study("double_descent")
    assert experiment is not None, "the study has run"
    return {
        int(record.parameters["model.width"]): (record.points["train/error"].value, record.points["test/error"].value)
        for record in store.runs(experiment, "trial")
        if float(record.parameters["corruption.fraction"]) == label_noise
    }


def compare_errors(
    data: Problem, ours: Mapping[int, Errors], sample: Sequence[int], settings: argparse.Namespace
) -> None:
    """One line for each sampled width: ours beside the peer's spread over seeds."""
    print(f"\nerrors at label noise {max(settings.label_noise):g}, %; the peer's mean ± standard deviation of ", end="")
    print(f"{settings.seeds} seeds; distance in deviations of a single network\n")
    print(f"{'width':>6}  {'train: peer':>14} {'ours':>6} {'apart':>6}  {'test: peer':>14} {'ours':>6} {'apart':>6}")
    for width in sample:
        found = [train_as_peer(data, width, 1 + seed, settings.epochs)[0] for seed in range(settings.seeds)]
        line = f"{width:>6}"
        for part, errors in enumerate(zip(*found, strict=True)):
            mean, deviation = statistics.mean(errors), statistics.stdev(errors)
            single = deviation * (1 + 1 / len(errors)) ** 0.5
            apart = abs(ours[width][part] - mean) / single if single else 0.0
            line += f"  {100 * mean:8.1f} ± {100 * deviation:3.1f} {100 * ours[width][part]:6.1f} {apart:6.1f}"
        print(line)


def main() -> None:
    """Run both, in turns, and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--widths", type=int, nargs="+", default=list(QUICK_WIDTHS))
    parser.add_argument("--label-noise", type=float, nargs="+", default=[0.0, 0.15])
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--sample", type=int, nargs="+", default=[2, 47, 104, 177, 300], help="widths the peer trains")
    parser.add_argument("--sampled-epochs", type=int, default=20, help="for which the peer is timed")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3, help="networks of the peer at each sampled width; 0: no errors")
    settings = parser.parse_args()
    sample = sorted(width for width in settings.sample if width in settings.widths) or sorted(settings.widths)[-1:]
    ratios: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        data = data_of(max(settings.label_noise), Path(place) / "cache")
        for repeat in range(settings.repeats):
            folder = Path(place) / str(repeat)
            peer = peer_seconds(data, sample, settings.sampled_epochs, settings)
            ours = run_study(folder, settings)
            ratios.append(peer / ours)
            print(
                f"notebook's way, training alone {peer:.1f} s; ours, all of it {ours:.1f} s: {ratios[-1]:.2f}",
                flush=True,
            )
            if settings.seeds and repeat == settings.repeats - 1:
                compare_errors(data, our_errors(folder, max(settings.label_noise)), sample, settings)
    networks = len(settings.widths) * len(settings.label_noise)
    sampled = f"from {settings.sampled_epochs} epochs at widths {', '.join(map(str, sample))}"
    print(f"\n{networks} networks, {settings.epochs} epochs; the peer's seconds are scaled {sampled}")
    print(f"ratio peer / ours: {statistics.median(ratios):.2f}")
    print(f"{machine()}; the peer has {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
