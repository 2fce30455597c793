"""TwoNN with error bars: scikit-dimension, DADApy, and ours.

Everybody estimates the dimension of all points and of the same twenty random parts of 90 %, which is how errors of
TwoNN are published. All values have to agree. The peers:

- scikit-dimension: `skdim.id.TwoNN` on all points and on each part, as it has no error bars of its own.
- DADApy: 100 neighbours of all points, then those of each part anew (`Data(x)`, `compute_id_2NN(data_fraction=0.9)`).
- DADApy, kept: the parts are read off the 100 neighbours of all points, its faster way (`Data(distances=...)`).
- scikit-dimension, once: all points only, so no error bars; for scale.

DADApy cannot be installed beside our versions (0.3.4 asks for numpy below 2 and jax 0.4.30; earlier ones do not build
with numpy 2), so its two arms are written here after its algorithm, on the scikit-learn search that it calls. The
points are a curved image of a 20-dimensional Gaussian. Every arm has a process of its own; they take turns.

    python benchmarks/twonn.py --points 5000 --features 512 4096
    python benchmarks/twonn.py --quick         # toy sizes, one process for all arms
"""

import argparse
import functools
import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from arms import COST_HEADING, Cost, alone, in_turns, in_words, measured, ratios
from machine import machine
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from sklearn.neighbors import NearestNeighbors

from measures import subsampled_twonn

Floats = NDArray[np.float64]
DIMENSION, FRACTION, NUM_PARTS, SEED = 20, 0.9, 20, 0
KEPT_BY_DADAPY = 100
WANTED = {512: 10.0, 4096: 1.5}  # by features, of those with error bars
AGREEMENT = 1e-7  # relative, of every value


@dataclass(frozen=True)
class Run:
    """The dimension of all points, those of the parts, and what they cost."""

    value: float
    parts: Floats
    cost: Cost


def make_points(num_points: int, num_features: int) -> Floats:
    """Examples in rows."""
    draw = np.random.default_rng(1)
    return np.tanh(draw.normal(size=(num_points, DIMENSION)) @ draw.normal(size=(DIMENSION, num_features)) / 10)


def chosen_parts(num_points: int) -> list[NDArray[np.intp]]:
    """The rows of every part: the draws that `subsampled_twonn` makes."""
    draw = np.random.default_rng(SEED)
    return [draw.permutation(num_points)[: int(FRACTION * num_points)] for _ in range(NUM_PARTS)]


def ours(x: Floats, _: Sequence[NDArray[np.intp]]) -> tuple[float, Floats]:
    """`measures.subsampled_twonn`, which draws the parts itself."""
    found = subsampled_twonn(x, fraction=FRACTION, num_subsets=NUM_PARTS, seed=SEED)
    return found.value, found.values


def scikit_dimension(x: Floats, parts: Sequence[NDArray[np.intp]]) -> tuple[float, Floats]:
    """One fit each."""
    fit = importlib.import_module("skdim").id.TwoNN().fit
    return fit(x).dimension_, np.array([fit(x[part]).dimension_ for part in parts])


def dadapy(x: Floats, parts: Sequence[NDArray[np.intp]]) -> tuple[float, Floats]:
    """Neighbours searched anew for every part."""
    value = fitted(neighbors(x, KEPT_BY_DADAPY)[0])
    return value, np.array([fitted(neighbors(x[part], 3)[0]) for part in parts])


def dadapy_kept(x: Floats, parts: Sequence[NDArray[np.intp]]) -> tuple[float, Floats]:
    """Row by row, the first three kept neighbours that are in a part; the first is the point itself."""
    distances, indices = neighbors(x, KEPT_BY_DADAPY)
    values: list[float] = []
    for part in parts:
        among = np.isin(indices, part)
        rows = [distances[row, among[row]][:3] for row in part if among[row].sum() > 2]
        values.append(fitted(np.array(rows)))
    return fitted(distances), np.array(values)


def scikit_dimension_once(x: Floats, parts: Sequence[NDArray[np.intp]]) -> tuple[float, Floats]:
    """One fit, no error bars."""
    return scikit_dimension(x, parts[:0])


ARMS: dict[str, Callable[[Floats, Sequence[NDArray[np.intp]]], tuple[float, Floats]]] = {
    "ours": ours,
    "scikit-dimension": scikit_dimension,
    "DADApy": dadapy,
    "DADApy, kept": dadapy_kept,
    "scikit-dimension, once": scikit_dimension_once,
}


def neighbors(x: Floats, number: int) -> tuple[Floats, NDArray[np.intp]]:
    """Distances and indices of each point and its neighbours, nearest first, as DADApy has them found."""
    search = NearestNeighbors(n_neighbors=number + 1, metric="euclidean", n_jobs=os.cpu_count())
    found: Any = search.fit(x).kneighbors(x)
    return found


def fitted(distances: Floats) -> float:
    """The line through the origin that DADApy fits to the smaller nine tenths of the ratios."""
    ratio = np.sort(np.log(distances[:, 2] / distances[:, 1]))[: int(len(distances) * 0.9)]
    heights = -np.log(1 - np.arange(1, len(ratio) + 1) / len(distances))
    found: Any = curve_fit(lambda x, slope: slope * x, ratio, heights)
    return float(found[0][0])


def run(name: str, num_points: int, num_features: int, threads: int) -> Run:
    """One arm on the clock."""
    torch.set_num_threads(threads)
    importlib.import_module("skdim")
    arm, x, parts = ARMS[name], make_points(num_points, num_features), chosen_parts(num_points)
    arm(x[:200], chosen_parts(200)[:2])  # only warms up
    (value, values), cost = measured(lambda: arm(x, parts))
    return Run(value, values, cost)


def report(num_points: int, num_features: int, arguments: argparse.Namespace) -> None:
    """All arms on one set of points."""
    load = os.getloadavg()[0]
    together = functools.partial(run) if arguments.quick else functools.partial(alone, run)
    calls = {name: functools.partial(together, name, num_points, num_features, arguments.threads) for name in ARMS}
    results: dict[str, list[Run]] = in_turns(calls, 1 if arguments.quick else arguments.repeats)
    print(f"\n{num_points} points, {num_features} features; load at the start {load:.1f}")
    print(f"  {'':<23}{COST_HEADING}  dimension; mean and deviation of parts")
    for name, runs in results.items():
        first = runs[0]
        parts = f"; {first.parts.mean():.8f}, {first.parts.std():.8f}" if len(first.parts) else ""
        print(f"  {name:<23}{in_words([each.cost for each in runs])}  {first.value:.10f}{parts}")
    for name in list(ARMS)[1:]:
        check(name, results["ours"][0], results[name][0])
        found = ratios(*([each.cost for each in results[arm]] for arm in (name, "ours")))
        wanted = f"; wanted: at least {WANTED[num_features]}" if num_features in WANTED and "once" not in name else ""
        print(f"  ratio {name} / ours: {found}{wanted}", flush=True)


def check(name: str, ours: Run, theirs: Run) -> None:
    """SystemExit unless every value is the same."""
    mine = np.array([ours.value, *ours.parts[: len(theirs.parts)]])
    difference = float(np.abs(mine / np.array([theirs.value, *theirs.parts]) - 1).max())
    if not difference <= AGREEMENT:
        raise SystemExit(f"the values of {name} and ours differ by {difference:.1e}, more than {AGREEMENT:.0e}")
    print(f"  {name}: largest relative difference {difference:.1e}")


def main() -> None:
    """Every number of features asked for."""
    parser = argparse.ArgumentParser(description="TwoNN with error bars: the peers, and ours.")
    parser.add_argument("--points", type=int, default=5000)
    parser.add_argument("--features", type=int, nargs="+", default=[512, 4096])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="in all arms")
    parser.add_argument("--quick", action="store_true", help="toy sizes, once, in this process: to see that it runs")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # read by the libraries of the processes to come
    if arguments.quick:
        arguments.points, arguments.features = 300, [30]
    print(f"{NUM_PARTS} parts of {FRACTION:.0%}; {arguments.threads} threads in all arms")
    for num_features in arguments.features:
        report(arguments.points, num_features, arguments)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
