"""Examples per second of training on CIFAR-10: the plain loops of the published code bases, and ours.

`published_loops` says what the peers do; ours is the fit `sgd`. Both have the same images, initial weights, order of
batches, optimiser, schedule and number of threads; only the draws of crops and flips differ. The mean losses over the
last epoch have to agree, or the comparison is void. Every training has a process of its own, and the two take turns in
going first. Not timed are evaluations and the first and last steps of each epoch, in which memory is allocated, and
loader processes start or have nothing left to load.

On a GPU, ours is also run with bfloat16, and every rate is compared with that of a large bfloat16 matrix product.

    python benchmarks/training_throughput.py --data PATH --models mlp mlp resnet18 --widths 64 512 8
"""

import argparse
import functools
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arms import KIB_PER_MIB, alone, in_turns, peak_mebibytes, spread
from machine import machine, matrix_rate
from published_loops import BATCH_SIZE, PROTOCOLS, train_as_published
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.datasets import CIFAR10

from measures.registry import Component
from workers.checkpoint import TrainingState
from workers.datasets.prepared import prepared
from workers.datasets.source_files import data_folder
from workers.models import models
from workers.models.network import Network
from workers.runtime import Runtime
from workers.spec import TrialSpec
from workers.training import train

# Narrow ones, of the beginning of the published sweeps: the wider a network, the more both sides do the same.
WIDTHS = {"mlp": 64, "convnet": 4, "resnet18": 2}
EPOCHS = {"mlp": 10, "convnet": 2, "resnet18": 2}
WANTED = {"mlp": 3.0, "convnet": 1.2, "resnet18": 1.2}  # ratio on a CPU
# Relative difference of the losses: rounding, or the draws of crops and flips.
AGREEMENT = {"mlp": 1e-3, "convnet": 0.05, "resnet18": 0.05}
UNTIMED = 5  # steps at either end of an epoch; a loader process prefetches 2 batches
NUM_TEST = 128


class Stopwatch:
    """Time of the inner steps of every epoch; in our loop it is the session, whose `save` is called at its steps."""

    def __init__(self, epochs: int, steps_per_epoch: int, device: str) -> None:
        ends = range(steps_per_epoch, (epochs + 1) * steps_per_epoch, steps_per_epoch)
        self.starts = frozenset(end - steps_per_epoch + UNTIMED for end in ends)
        self.stops = frozenset(end - UNTIMED for end in ends)
        self.examples = epochs * (steps_per_epoch - 2 * UNTIMED) * BATCH_SIZE
        self.device, self.seconds, self.loss = device, 0.0, float("nan")

    def after_step(self, step: int) -> None:
        if step not in self.starts and step not in self.stops:
            return
        if self.device != "cpu":
            torch.cuda.synchronize()
        # Added up as differences: a start counts negatively, its stop positively.
        self.seconds += time.perf_counter() * (1 if step in self.stops else -1)

    def newest_state(self, model: nn.Module, dataset_sha256: str) -> TrainingState | None:
        return None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.loss = metrics.get("train/running_loss", self.loss)

    def save(self, state: TrainingState) -> None:
        self.after_step(state.step)

    def checkpoint_steps(self, total_steps: int, steps_per_epoch: int) -> frozenset[int]:
        return self.starts | self.stops


@dataclass(frozen=True)
class Trained:
    """How fast a training was, where it got, and the most memory it took, in MiB."""

    rate: float
    loss: float
    memory: float
    loader_memory: float  # of the largest loader process, the pages it shares with the training's included
    gpu_memory: float


def train_peer(spec: TrialSpec, runtime: Runtime) -> Trained:
    """The published loop."""
    stopwatch = stopwatch_of(spec, runtime)
    loss = train_as_published(spec, PROTOCOLS[spec.model.name], runtime, stopwatch.after_step)
    return trained(stopwatch, loss, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / KIB_PER_MIB)


def train_ours(spec: TrialSpec, runtime: Runtime) -> Trained:
    """The fit `sgd`, as a worker trains it."""
    stopwatch = stopwatch_of(spec, runtime)
    train(spec, runtime, stopwatch)
    return trained(stopwatch, stopwatch.loss)


def stopwatch_of(spec: TrialSpec, runtime: Runtime) -> Stopwatch:
    """One for the inner steps of this trial's epochs."""
    return Stopwatch(spec.fit["epochs"], spec.dataset["num_train"] // BATCH_SIZE, runtime.device)


def trained(stopwatch: Stopwatch, loss: float, loader_memory: float = 0.0) -> Trained:
    """What there is to report at the end of this process."""
    gpu = peak_mebibytes(stopwatch.device) if stopwatch.device != "cpu" else 0.0
    return Trained(stopwatch.examples / stopwatch.seconds, loss, peak_mebibytes(), loader_memory, gpu)


def trial(model: Component, data: Component, epochs: int, precision: str) -> TrialSpec:
    """The training of a code base's protocol."""
    protocol = PROTOCOLS[model.name]
    images = {"crop": protocol.crop, "augmentation": protocol.augmentation, "num_test": NUM_TEST}
    return TrialSpec(
        dataset=Component(data.name, **dict(data.settings), **images),
        model=model,
        optimizer=protocol.optimizer,
        schedule=protocol.schedule,
        fit=Component("sgd", epochs=epochs, batch_size=BATCH_SIZE, precision=precision),
    )


def chosen_data(path: str | None, num_train: int, scratch: Path) -> tuple[str, Component]:
    """The images to train on, in words and as a data set."""
    settings: dict[str, Any] = {"num_train": num_train}
    if path is None and (data_folder() / CIFAR10.base_folder).is_dir():
        return "CIFAR-10 as torchvision has it", Component("cifar10", **settings)
    name = "random images: neither --data nor CIFAR-10 in GENSWEEP_DATA" if path is None else Path(path).name
    place = random_images(num_train, scratch / "random.npz") if path is None else Path(path).absolute()
    settings |= {"path": str(place), "normalization": "dataset"}
    if place.is_dir():
        return name, Component("image_folder", **settings)
    with np.load(place, allow_pickle=False) as archive:
        channels_last = archive["x_test"].shape[-1] == 3
    return name, Component("arrays", channels_last=channels_last, **settings)


def random_images(num_train: int, place: Path) -> Path:
    """A file of images and labels without meaning, of the shape of CIFAR-10."""
    draw = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        f"{kind}_{split}": draw.integers(high, size=(count, *shape), dtype=np.uint8)
        for split, count in (("train", num_train), ("test", NUM_TEST))
        for kind, high, shape in (("x", 256, (3, 32, 32)), ("y", 10, ()))
    }
    np.savez(place, **arrays)
    return place


def operations(model: Component, input_shape: Sequence[int]) -> float:
    """Floating-point operations of a training step, per example."""
    network: Network = models.call(model, tuple(input_shape), 10)
    inputs, targets = torch.zeros(BATCH_SIZE, *input_shape), torch.zeros(BATCH_SIZE, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        nn.functional.cross_entropy(network.module(inputs), targets).backward()
    return counter.get_total_flops() / BATCH_SIZE


def compare(specs: Mapping[str, TrialSpec], runtime: Runtime, repeats: int) -> dict[str, list[Trained]]:
    """Every arm so many times; they take turns in going first."""
    arms = {name: train_peer if name == "published" else train_ours for name in specs}
    return in_turns({name: functools.partial(alone, arm, specs[name], runtime) for name, arm in arms.items()}, repeats)


def table(results: Mapping[str, Sequence[Trained]], share: Callable[[float], str]) -> Iterator[str]:
    """A line for each arm."""
    yield f"  {'':<16}{'examples/s: median (range)':>32}  {'last loss':>9}  peak memory, MiB"
    for name, runs in results.items():
        memory = f"{max(run.memory for run in runs):.0f}"
        if loader := max(run.loader_memory for run in runs):
            memory += f", each loader process up to {loader:.0f}"
        if gpu := max(run.gpu_memory for run in runs):
            memory += f", on the GPU {gpu:.0f}"
        rates = [run.rate for run in runs]
        loss = statistics.median(run.loss for run in runs)
        yield f"  {name:<16}{spread(rates, ',.0f'):>32}  {loss:>9.4f}  {memory}{share(statistics.median(rates))}"


def verdict(name: str, peer: Sequence[Trained], ours: Sequence[Trained]) -> str:
    """The ratio of the rates, repeat by repeat; SystemExit if the two did not learn the same."""
    losses = [statistics.median(run.loss for run in side) for side in (peer, ours)]
    if not abs(losses[1] / losses[0] - 1) <= AGREEMENT[name]:
        raise SystemExit(f"{name}: losses {losses[0]:.4f} and {losses[1]:.4f} differ: this is not the same training")
    ratios = [mine.rate / theirs.rate for mine, theirs in zip(ours, peer, strict=True)]
    return f"  ratio ours / published: {spread(ratios, '.2f')}; wanted on a CPU: at least {WANTED[name]}"


def share_of(model: Component, crop: int | None, peak: float) -> Callable[[float], str]:
    """In words, the part of the GPU's matrix rate that so many examples per second are; nothing without a GPU."""
    if not peak:
        return lambda rate: ""
    per_example = operations(model, (3, crop or 32, crop or 32))
    return lambda rate: f"; {rate * per_example / peak:.2%} of the bfloat16 matrix rate"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Training on CIFAR-10: the published loops, then ours.")
    parser.add_argument("--data", help="an .npz file for `arrays` or a folder for `image_folder`")
    parser.add_argument("--examples", type=int, default=4992, help="in the training set; rounded to whole batches")
    parser.add_argument(
        "--models", nargs="+", choices=list(PROTOCOLS), default=list(PROTOCOLS), help="one may come twice"
    )
    parser.add_argument("--widths", type=int, nargs="+", help="one for each of --models")
    parser.add_argument("--epochs", type=int, nargs="+", help="one for each of --models")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, on both sides")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if arguments.examples < (least := (2 * UNTIMED + 1) * BATCH_SIZE):
        parser.error(f"--examples {arguments.examples} leaves no step to time: at least {least}")
    for name, defaults in (("widths", WIDTHS), ("epochs", EPOCHS)):
        values = getattr(arguments, name) or [defaults[model] for model in arguments.models]
        if len(values) != len(arguments.models):
            parser.error(f"--{name} {values} is not one for each of --models {arguments.models}")
        setattr(arguments, name, values)
    return arguments


def prepare(runtime: Runtime, datasets: Sequence[Component]) -> None:
    """What every arm then maps into its memory."""
    for dataset in datasets:
        prepared(dataset, 0, runtime.cache)


def report(model: Component, specs: Mapping[str, TrialSpec], runtime: Runtime, repeats: int, peak: float) -> None:
    """Compare the arms on one network."""
    load = os.getloadavg()[0]
    results = compare(specs, runtime, repeats)
    epochs = specs["ours"].fit["epochs"]
    print(f"\n{model.name} of width {model['width']}, {epochs} epochs, {repeats} times; load at the start {load:.1f}")
    print("\n".join(table(results, share_of(model, PROTOCOLS[model.name].crop, peak))))
    print(verdict(model.name, results["published"], results["ours"]), flush=True)


def main() -> None:
    """Run all networks asked for."""
    arguments = options()
    steps = arguments.examples // BATCH_SIZE
    peak = alone(matrix_rate) if arguments.device != "cpu" else 0.0
    precisions = {"published": "float32", "ours": "float32", **({"ours, bfloat16": "bfloat16"} if peak else {})}
    with tempfile.TemporaryDirectory() as folder:
        words, data = chosen_data(arguments.data, steps * BATCH_SIZE, Path(folder))
        runtime = Runtime("", Path(folder), device=arguments.device, threads=arguments.threads)
        print(f"{words}; {steps} batches of {BATCH_SIZE} an epoch; {arguments.threads} threads of torch on both sides")
        trials: list[tuple[Component, dict[str, TrialSpec]]] = []
        for name, width, epochs in zip(arguments.models, arguments.widths, arguments.epochs, strict=True):
            model = Component(name, width=width, **({"depth": 1} if name == "mlp" else {}))
            make = functools.partial(trial, model, data, epochs)
            trials.append((model, {arm: make(precision) for arm, precision in precisions.items()}))
        alone(prepare, runtime, [specs["ours"].dataset for _, specs in trials])
        for model, specs in trials:
            report(model, specs, runtime, arguments.repeats, peak)
    print(f"\n{machine()}")
    if peak:
        print(f"bfloat16 matrix product: {peak / 1e12:.0f} TFLOP/s")


if __name__ == "__main__":
    main()
