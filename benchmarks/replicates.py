"""Trials per hour of replicated grids: a process for each trial, and ours.

Peer: every trial is a Python process of its own, as many at once as there are cores, which trains it with one thread by
a plain loop (autograd, torch's fused optimiser). Ours: as many processes as cores, each of which trains its packs, as
they are formed for a study; what no pack can hold it trains one after the other. On both sides a trial is what its spec
says, evaluations included; neither stores anything, so that training is compared with training. Clocks run from the
first process's start to the last one's end.

    python benchmarks/replicates.py
    python benchmarks/replicates.py --cases sinusoid --repeats 3

Cases: ten seeds of the sinusoid network, one example a step, with the online measures of its study; eleven shares of
random labels of a perceptron on MNIST-1D; sixteen transformers on modular division.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from machine import machine

from measures.registry import Component
from orchestrator.packing import packs
from orchestrator.preparation import prepare
from workers.building import build_problem
from workers.checkpoint import TrainingState
from workers.fits.loop import Loop
from workers.fits.member import Member, plan_of
from workers.fits.outcome import Outcome
from workers.fits.pack import train_packed
from workers.runtime import Runtime
from workers.session import Session
from workers.spec import TrialSpec
from workers.training import reset_process, train

ONLINE = ("bias_trajectory", "bias_variance", "distance_to_initialisation")


class Unstored(Session):
    """Keeps the last metrics and nothing else."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def newest_state(self, model: object, dataset_sha256: str) -> None:
        return None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.metrics |= metrics

    def save(self, state: TrainingState) -> None:
        pass

    def checkpoint_steps(self, total_steps: int, steps_per_epoch: int) -> frozenset[int]:
        return frozenset()


def sinusoid(seed: int, epochs: int) -> TrialSpec:
    """The network of the study `learned_frequency`."""
    return TrialSpec(
        dataset=Component("sinusoid", omega=0.5, num_train=100, num_test=300),
        model=Component("sinusoid_net"),
        loss=Component("half_mean_squared_error"),
        optimizer=Component("sgd", learning_rate=0.01),
        fit=Component("sgd", epochs=epochs, batch_size=1, online=ONLINE),
        data_seed=seed,
        init_seed=seed,
        order_seed=seed,
    )


def perceptron(number: int, epochs: int) -> TrialSpec:
    """A share of random labels from 0 to 1."""
    return TrialSpec(
        dataset=Component("mnist1d"),
        corruption=Component("random_labels", fraction=number / 10),
        model=Component("mlp", width=512, depth=1),
        optimizer=Component("sgd", learning_rate=0.01, momentum=0.9),
        fit=Component("sgd", epochs=epochs, batch_size=128),
    )


def transformer(number: int, epochs: int) -> TrialSpec:
    """Four fractions and four weight decays, as in the study `grokking`."""
    return TrialSpec(
        dataset=Component("modular_arithmetic", prime=31, train_fraction=0.3 + 0.1 * (number // 4)),
        model=Component("transformer", width=64),
        optimizer=Component("adam", weight_decay=10.0 ** (number % 4 - 5)),
        fit=Component("sgd", epochs=epochs, batch_size=128),
    )


CASES: Mapping[str, tuple[Callable[[int, int], TrialSpec], int, int]] = {  # number of trials, epochs
    "sinusoid": (sinusoid, 10, 100),
    "perceptron": (perceptron, 11, 100),
    "transformer": (transformer, 16, 40),
}


def trials_of(case: str, epochs: int | None) -> list[TrialSpec]:
    """The grid of a case."""
    make, count, default = CASES[case]
    return [make(number, epochs or default) for number in range(count)]


def train_alone(trial: TrialSpec, runtime: Runtime) -> float:
    """The plain loop; the final training loss."""
    reset_process(runtime)
    session = Unstored()
    Loop(build_problem(trial, runtime), session, plan_of(trial.fit)).run()
    return session.metrics["train/loss"]


def train_together(trials: Sequence[TrialSpec], runtime: Runtime) -> list[float]:
    """A pack, or a trial that no pack can hold."""
    sessions = [Unstored() for _ in trials]
    if len(trials) == 1:
        train(trials[0], runtime, sessions[0])
    else:
        reset_process(runtime)
        members = [
            Member(build_problem(trial, runtime), session, plan_of(trial.fit))
            for trial, session in zip(trials, sessions, strict=True)
        ]
        train_packed(members, _must_succeed)
    return [session.metrics["train/loss"] for session in sessions]


def _must_succeed(_number: int, how: Outcome | Exception) -> None:
    if isinstance(how, Exception):
        raise how


def process(settings: argparse.Namespace) -> None:
    """What one process of either side does: prints the final losses of the trials that are named."""
    runtime, trials = Runtime(tracking_uri="", cache=settings.cache), trials_of(settings.cases[0], settings.epochs)
    if settings.alone is not None:
        print(settings.alone, train_alone(trials[settings.alone], runtime))
    for pack in settings.packs or []:
        numbers = [int(number) for number in pack.split(",")]
        for number, loss in zip(numbers, train_together([trials[n] for n in numbers], runtime), strict=True):
            print(number, loss)


def run(
    case: str, works: Sequence[Sequence[str]], cache: Path, settings: argparse.Namespace
) -> tuple[dict[int, float], float]:
    """As many processes at once as there are cores; final losses by trial, and seconds."""
    command = [sys.executable, __file__, "--cases", case, "--cache", str(cache)]
    command += [] if settings.epochs is None else ["--epochs", str(settings.epochs)]
    started, waiting, running, losses = time.perf_counter(), list(works), list[subprocess.Popen[str]](), {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    while waiting or running:
        while waiting and len(running) < cores():
            arguments = [*command, *waiting.pop(0)]
            running.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment))
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        for each in [each for each in running if each.poll() is not None]:
            running.remove(each)
            output, _ = each.communicate()
            if each.returncode != 0:
                sys.exit(f"a process of {case} has failed")
            losses |= {int(number): float(loss) for number, loss in map(str.split, output.splitlines())}
    return losses, time.perf_counter() - started


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def our_works(trials: Sequence[TrialSpec], cache: Path) -> list[list[str]]:
    """The packs of the trials, dealt out to as many processes as there are cores, the longest first."""
    rehearsals = prepare(trials, (), cache)
    formed, hands = packs(trials, rehearsals, cores()), [list[str]() for _ in range(cores())]
    loads = [0.0] * len(hands)
    for pack in formed:
        least = loads.index(min(loads))
        hands[least].append(",".join(str(trials.index(trial)) for trial in pack))
        loads[least] += sum(rehearsals[trial.trial_id].cost.steps for trial in pack) / math.sqrt(len(pack))
    return [["--packs", *hand] for hand in hands if hand]


def main() -> None:
    """Both sides of each case, in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--alone", type=int, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--packs", nargs="+", default=None, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.cache is not None:
        return process(settings)
    with tempfile.TemporaryDirectory() as cache:
        for case in settings.cases:
            compare(case, Path(cache), settings)
    print(machine())
    return None


def compare(case: str, cache: Path, settings: argparse.Namespace) -> None:
    """One case, printed."""
    trials = trials_of(case, settings.epochs)
    works = our_works(trials, cache)
    sizes = sorted((pack.count(",") + 1 for _, *hand in works for pack in hand), reverse=True)
    rates: list[tuple[float, float]] = []
    differences: list[float] = []
    for _ in range(settings.repeats):
        apart, peer_seconds = run(case, [["--alone", str(number)] for number in range(len(trials))], cache, settings)
        packed, our_seconds = run(case, works, cache, settings)
        rates.append((3600 * len(trials) / peer_seconds, 3600 * len(trials) / our_seconds))
        differences += [abs(packed[n] - apart[n]) / max(abs(apart[n]), 1e-12) for n in apart]
    off = max(differences)
    peer, ours = (statistics.median(side) for side in zip(*rates, strict=True))
    ratio = statistics.median(ours / peer for peer, ours in rates)
    print(f"{case}: {len(trials)} trials of {trials[0].fit['epochs']} epochs in packs of {', '.join(map(str, sizes))}")
    print(f"trials per hour: a process each {peer:.0f}, ours {ours:.0f}; final losses differ by at most {off:.1e}")
    print(f"ratio of {case}: {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
