"""What a trial costs beside its training: a sweep of trivial trials, ours and Ray Tune with its MLflow callback.

Both sides are whole commands: imports, Ray's start, every trial, the end. Peer: `tune.Tuner` with a function that
trains the same network for as many steps and reports its losses and errors, and `MLflowLoggerCallback` on a SQLite
store of its own, everything else as it comes. Ours stores checkpoints, provenance and a report besides. `marginal` is
the cost of one trial more: the difference between a large and a small sweep.

    python benchmarks/overhead.py --trials 200 --peer-trials 40
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from arms import in_turns, spread
from machine import machine

HERE = Path(__file__).parent
OURS = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from sweeps.__main__ import main
from trivial_study import trivial_study
main(trivial_study)
"""
PEER = """
import sys
import ray
import torch
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback

def train(config):
    torch.manual_seed(config["seed"])
    inputs, targets = torch.randn(100, 40), torch.randint(10, (100,))
    model = torch.nn.Sequential(torch.nn.Linear(40, 2), torch.nn.ReLU(), torch.nn.Linear(2, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for step in (0, 1):
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        error = float((model(inputs).argmax(1) != targets).float().mean())
        tune.report({"train/loss": loss.item(), "train/error": error, "test/loss": loss.item(), "test/error": error})

ray.init(address="local")  # and not whatever cluster was started last on this machine
tune.Tuner(
    tune.with_resources(train, {"cpu": 1}),
    param_space={"seed": tune.grid_search(list(range(int(sys.argv[1]))))},
    run_config=tune.RunConfig(
        storage_path=sys.argv[2],
        callbacks=[MLflowLoggerCallback(tracking_uri=f"sqlite:///{sys.argv[2]}/mlflow.db", experiment_name="trivial")],
    ),
).fit()
"""


def seconds(command: list[str]) -> float:
    """Wall time of a command that must succeed."""
    started = time.perf_counter()
    # No other Ray, and no other store, than those of the command; a listener on the loopback address alone.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    environment |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=3600)
    if result.returncode != 0:
        raise SystemExit(f"{command[:3]} failed:\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}")
    return time.perf_counter() - started


def ours(trials: int) -> float:
    """The trivial study, as a user runs it."""
    with tempfile.TemporaryDirectory() as folder:
        return seconds([sys.executable, "-c", OURS, str(HERE), "--trials", str(trials), "--folder", folder])


def peer(trials: int) -> float:
    """Ray Tune as its documentation shows it, with the callback for MLflow."""
    with tempfile.TemporaryDirectory() as folder:
        return seconds([sys.executable, "-c", PEER, str(trials), folder])


def main() -> None:
    """Both sides in turns, each at two sizes, then the costs per trial and their ratio."""
    parser = argparse.ArgumentParser(description="Seconds per trivial trial: ours, and plain Tune with MLflow.")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--peer-trials", type=int, default=40, help="the peer's cost per trial hardly depends on it")
    parser.add_argument("--few", type=int, default=20, help="the small sweep that the marginal cost is counted from")
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    sides: dict[str, tuple[Callable[[int], float], int]] = {
        "ours": (ours, arguments.trials),
        "peer": (peer, arguments.peer_trials),
    }
    arms = {
        (name, size): (lambda side=side, size=size: side(size))
        for name, (side, trials) in sides.items()
        for size in (arguments.few, trials)
    }
    taken = in_turns({f"{name} {size}": arm for (name, size), arm in arms.items()}, arguments.repeats)
    whole, marginal = {}, {}
    for name, (_, trials) in sides.items():
        few, many = taken[f"{name} {arguments.few}"], taken[f"{name} {trials}"]
        whole[name] = [each / trials for each in many]
        marginal[name] = [(each - less) / (trials - arguments.few) for each, less in zip(many, few, strict=True)]
        print(f"{name}, {trials:5} trials: {spread(many, '.1f')} s, {spread(whole[name], '.3f')} s per trial, ", end="")
        print(f"marginal {spread(marginal[name], '.3f')} s")
    for kind, costs in (("per trial", whole), ("marginal", marginal)):
        ratios = [theirs / mine for mine, theirs in zip(costs["ours"], costs["peer"], strict=True)]
        print(f"ratio peer / ours, {kind}: {spread(ratios, '.2f')}")
    print(f"{machine()}; load before the start {load:.1f}")


if __name__ == "__main__":
    main()
