"""Largest eigenvalues and quadrature of a Hessian: PyHessian, curvlinops with SciPy, and ours.

The networks: an MLP of 15k parameters on the 4,000 training examples of MNIST-1D, and a small convolutional network on
images of the shape of CIFAR-10. Each is trained briefly, and every arm then has the same weights and examples, and a
process of its own; they take turns in going first. Eigenvalues: all arms are held to the residual ||H v - lambda v||,
computed with one operator, and to a reference of much smaller residual. Quadrature: to the trace and the effective
dimensionality, with the same number of probes and steps. `curvature_arms` says how the peers are called.

    pip install --constraint constraints.txt --editable '.[test,benchmarks]'    # the peers
    python benchmarks/curvature.py --data PATH     # an .npz file or a folder; without it, random images
    python benchmarks/curvature.py --quick         # toy sizes, one process for all arms
"""

import argparse
import functools
import importlib.util
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from arms import COST_HEADING, alone, in_turns, in_words, ratios
from curvature_arms import ARMS, Run, Settings
from curvature_case import load, prepare
from machine import machine
from training_throughput import chosen_data

from measures import Component
from workers.runtime import Runtime

MODELS = {"mlp": Component("mlp", width=100, depth=2), "convnet": Component("convnet", width=8, depth=3)}
QUICK_MODELS = {"mlp": Component("mlp", width=8, depth=1), "convnet": Component("convnet", width=1, depth=3)}
EXAMPLES = {"mlp": 4000, "convnet": 250}
LANCZOS_STEPS = {"mlp": 100, "convnet": 30}
TRAINING_STEPS = {"mlp": 200, "convnet": 30}
QUICK_EXAMPLES, QUICK_STEPS = 40, 8
PEERS = ("curvlinops", "pyhessian", "pyhessian_batch")  # the last keeps the graph of one batch, as ours does
WANTED = {"eigenvalues": {"curvlinops": 2.0, "pyhessian": 2.0}, "quadrature": {"curvlinops": 2.0, "pyhessian": 1.2}}
ROUNDING = 1e-2  # between sums over the same probes
STANDARD_ERRORS = 5  # between sums over other probes


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Hessian eigenvalues and quadrature: the peers, and ours.")
    parser.add_argument("--networks", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--tasks", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--data", help="images for the convolutional network: an .npz file or a folder")
    parser.add_argument("--examples", type=int, help="for every network; default: 4,000 and 250")
    parser.add_argument("--eigenvalues", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of residuals, by the largest eigenvalue")
    parser.add_argument("--probes", type=int, default=10)
    parser.add_argument("--steps", type=int, help="of Lanczos, for every network; default: 100 and 30")
    parser.add_argument("--iterations", type=int, default=100, help="at most, of PyHessian for an eigenvalue")
    parser.add_argument("--power-tolerance", type=float, default=1e-3, help="at which PyHessian ends them")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, in all arms")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="toy sizes, once, in this process: to see that it runs")
    arguments = parser.parse_args()
    modules = {peer.split("_")[0] for peer in arguments.peers}
    if missing := sorted(module for module in modules if importlib.util.find_spec(module) is None):
        parser.error(f"not installed: {', '.join(missing)}; install '.[test,benchmarks]', or choose others by --peers")
    return arguments


def report(name: str, settings: Settings, arguments: argparse.Namespace) -> None:
    """All tasks on one network."""
    case = load(settings.place, settings.threads)
    size, largest = sum(p.numel() for p in case.parameters), case.eigenvalues
    print(f"{size:,} parameters, {len(case.targets):,} examples {tuple(case.inputs.shape[1:])}, ", end="")
    print(f"eigenvalues 1 and {len(largest)}: {largest[0]:.3g} and {largest[-1]:.3g}")
    for task in arguments.tasks:
        load_before = os.getloadavg()[0]
        results = run_arms(task, settings, arguments)
        print(f"\n{name}, {described(task, settings)}; load at the start {load_before:.1f}")
        print("\n".join(table(results, task, largest)), flush=True)
        for peer in arguments.peers:
            check(task, peer, results["ours"][0], results[peer][0], settings.tolerance)
            found = ratios(*([run.cost for run in results[arm]] for arm in (peer, "ours")))
            wanted = f"; wanted: at least {WANTED[task][peer]}" if peer in WANTED[task] else ""
            print(f"  ratio {peer} / ours: {found}{wanted}", flush=True)


def run_arms(task: str, settings: Settings, arguments: argparse.Namespace) -> dict[str, list[Run]]:
    """The runs of every arm."""
    arms = {name: ARMS[task][name] for name in ("ours", *arguments.peers)}
    if arguments.quick:
        return {name: [arm(settings)] for name, arm in arms.items()}
    return in_turns({name: functools.partial(alone, arm, settings) for name, arm in arms.items()}, arguments.repeats)


def described(task: str, settings: Settings) -> str:
    """A task in words."""
    if task == "eigenvalues":
        return f"{settings.num_eigenvalues} largest eigenvalues to a residual of {settings.tolerance:g} of the first"
    return f"quadrature with {settings.num_probes} probes of {settings.num_steps} steps"


def table(results: Mapping[str, Sequence[Run]], task: str, reference: np.ndarray) -> Iterator[str]:
    """A line for each arm."""
    accuracy = "largest residual, error" if task == "eigenvalues" else "trace, effective dimensionality"
    yield f"  {'':<16}{COST_HEADING}  {accuracy}"
    for name, runs in results.items():
        run = runs[0]
        line = f"  {name:<16}{in_words([each.cost for each in runs])}  "
        if task == "eigenvalues":
            yield f"{line}{run.errors[0]:.1e}, {np.abs(run.found - reference).max() / reference[0]:.1e}"
        else:
            yield line + ", ".join(
                f"{value:.4g} ± {error:.2g}" for value, error in zip(run.found, run.errors, strict=True)
            )


def check(task: str, peer: str, ours: Run, theirs: Run, tolerance: float) -> None:
    """SystemExit unless ours is as accurate as the peer's."""
    if task == "eigenvalues":
        if not ours.errors[0] <= max(tolerance, theirs.errors[0]):
            raise SystemExit(f"our residual {ours.errors[0]:.1e} is above {tolerance:.0e} and that of {peer}")
        return
    allowed = ROUNDING * np.abs(theirs.found)
    if peer.startswith("pyhessian"):  # with probes of its own
        allowed = STANDARD_ERRORS * np.hypot(ours.errors, theirs.errors)
    if not (np.abs(ours.found - theirs.found) <= allowed).all():
        raise SystemExit(f"sums {ours.found} and, by {peer}, {theirs.found} differ by more than {allowed}")


def settings_of(name: str, arguments: argparse.Namespace, folder: Path) -> Settings:
    """What is asked of every arm on a network."""
    quick = arguments.quick
    return Settings(
        place=folder / f"{name}.pt",
        threads=arguments.threads,
        device=arguments.device,
        num_eigenvalues=3 if quick else arguments.eigenvalues,
        tolerance=arguments.tolerance,
        num_steps=QUICK_STEPS if quick else arguments.steps or LANCZOS_STEPS[name],
        num_probes=2 if quick else arguments.probes,
        max_iterations=arguments.iterations,
        power_tolerance=arguments.power_tolerance,
    )


def make_case(name: str, settings: Settings, arguments: argparse.Namespace, folder: Path) -> None:
    """Train a network and leave it where the arms look for it."""
    num_examples = QUICK_EXAMPLES if arguments.quick else arguments.examples or EXAMPLES[name]
    words, data = "MNIST-1D", Component("mnist1d", num_examples=4 * num_examples)
    if name == "convnet":
        words, data = chosen_data(arguments.data, num_examples, folder)
    runtime = Runtime("", folder, device=arguments.device, threads=arguments.threads)
    model = (QUICK_MODELS if arguments.quick else MODELS)[name]
    work = functools.partial(
        prepare, settings.place, model, data, TRAINING_STEPS[name], settings.num_eigenvalues, runtime
    )
    work() if arguments.quick else alone(work)
    print(f"\n{name}, {words}", end=": ")


def main() -> None:
    """Every network and task asked for."""
    arguments = options()
    print(f"{arguments.threads} threads of torch in all arms; tolerance of PyHessian {arguments.power_tolerance:g}")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.networks:
            settings = settings_of(name, arguments, Path(folder))
            make_case(name, settings, arguments, Path(folder))
            report(name, settings, arguments)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
