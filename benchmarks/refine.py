"""Locating peak and threshold of double descent: a coarse grid that is refined, against a uniform grid as fine.

    python benchmarks/refine.py --epochs 200 --factor 1.1

Both arms are the study `double_descent` on MNIST-1D with 15 % label noise, really trained through the launch, one after
the other, each with a fresh store; nothing is measured but the losses. The uniform grid has its widths evenly spaced in
the logarithm, neighbours within the factor of one another; the refined one starts from `--widths` and ends when the
neighbours of its peak and of its threshold are. Rounding to whole widths makes some steps of either a little wider.

Besides numbers of trials and seconds it prints where each arm found the peak and the threshold and between which
widths, so that one sees whether they agree. With one replicate the peak is that of these very networks, and the curve
of another seed may peak elsewhere.
"""

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from machine import machine
from rich.console import Console

from orchestrator.launch import OK, Launch, Settings
from orchestrator.refine import Located, Place, locate, uniform_grid
from orchestrator.report.numerals import position, significant
from orchestrator.results import results
from sweeps.double_descent import double_descent

LABEL_NOISE = 0.15


@dataclass(frozen=True)
class Arm:
    """What one arm cost and what it found."""

    trials: int
    seconds: float
    located: Located

    def __str__(self) -> str:
        peak, threshold = self.located.peak, self.located.threshold
        return (
            f"{self.trials} trials, {self.seconds:.0f} s\n"
            f"    peak of test loss: {_words(peak)}\n    training set first fitted: {_words(threshold)}"
        )


def main() -> None:
    """Run both arms and print what they cost and found."""
    options = parsed()
    print(machine())
    coarse = tuple(sorted(options.widths))
    fine = tuple(int(width) for width in uniform_grid(coarse[0], coarse[-1], options.factor, integers=True))
    refined = alone(options, coarse, grows=True)
    print(f"refined, from the {len(coarse)} widths {' '.join(map(str, coarse))}: {refined}", flush=True)
    uniform = alone(options, fine, grows=False)
    print(f"uniform grid of that resolution, {len(fine)} widths: {uniform}")
    print(f"ratio of trials (uniform / refined): {uniform.trials / refined.trials:.2f}")
    print(f"ratio of seconds (uniform / refined): {uniform.seconds / refined.seconds:.2f}")


def alone(options: argparse.Namespace, widths: tuple[int, ...], *, grows: bool) -> Arm:
    """An arm in a process of its own: Ray is started once in a process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(run, options, widths, grows).result()


def run(options: argparse.Namespace, widths: tuple[int, ...], grows: bool) -> Arm:
    """Train the study in a store of its own; `grows` if it is to be refined."""
    study = double_descent(
        widths=widths,
        label_noise=(LABEL_NOISE,),
        epochs=options.epochs,
        replicates=options.replicates,
        refine=options.factor,
    )
    declared = replace(study, measured=(), refine=study.refine if grows else None)
    with tempfile.TemporaryDirectory() as folder:
        launch = Launch(declared, Settings(folder=Path(folder), cpus=options.cpus), Console(quiet=True))
        started = time.monotonic()
        if launch.run() != OK:
            raise SystemExit("an arm was interrupted or a trial failed")
        seconds = time.monotonic() - started
        ended = replace(launch.study, refine=study.refine)
        (located,) = locate(ended, results(ended, launch.records()))
    return Arm(len(ended.trials), seconds, located)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="A refined grid against a uniform one of the same resolution.")
    parser.add_argument("--widths", type=int, nargs="+", default=[2, 5, 14, 39, 108, 300], help="coarse grid")
    parser.add_argument("--factor", type=float, default=1.1, help="to which peak and threshold are to be known")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--replicates", type=int, default=1)
    parser.add_argument("--cpus", type=int, default=1)
    return parser.parse_args()


def _words(place: Place | str) -> str:
    if isinstance(place, str):
        return place
    also = f", not to be told from {' '.join(map(position, place.also))}" if place.also else ""
    return (
        f"width {position(place.at)}{also}, bracket {position(place.low)} to {position(place.high)} "
        f"(factor {significant(place.factor)})"
    )


if __name__ == "__main__":
    main()
