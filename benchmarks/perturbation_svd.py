"""Singular values of all layers on noisy copies of examples: one copy and one full decomposition at a time, and ours.

Peer: for every example and sigma each noisy copy goes through the network by itself, hooks collect what the layers put
out, and each layer's matrix gets a singular value decomposition in float64. Ours: `measures.perturbation_svd`, with
the same draws, which also gives the centred spectra and those of the small-noise theory that the peer leaves out. The
singular values have to agree. The network is untrained: what is timed does not depend on the weights. Each side has a
process of its own; they take turns.

    python benchmarks/perturbation_svd.py --model mnist_cnn --examples 10 --copies 128
    python benchmarks/perturbation_svd.py --quick         # toy sizes, one process for both
"""

import argparse
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from arms import COST_HEADING, Cost, alone, in_turns, in_words, measured, ratios
from machine import machine
from numpy.typing import NDArray
from torch import Tensor, nn

from measures import Component, Snapshot, Split, perturbation_svd
from measures.examples import chosen_examples, generator
from workers.models import models
from workers.models.network import Network

SHAPE = (1, 28, 28)
SIGMAS = (0.2, 0.1, 0.01)
TOLERANCE = 1e-5  # of the largest singular value: activations are in float32
SEED = 0

Spectra = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Size:
    """What both sides are given."""

    model: str
    examples: int
    copies: int
    threads: int
    device: str


def snapshot_of(size: Size) -> Snapshot:
    """An untrained network and twice as many images as are measured."""
    torch.set_num_threads(size.threads)
    torch.manual_seed(SEED)
    network: Network = models.call(Component(size.model), SHAPE, 10)
    images = Split(torch.rand(2 * size.examples, *SHAPE).to(size.device), torch.arange(2 * size.examples) % 10)
    return Snapshot(network.module.to(size.device).eval(), network.layers, images, images, nn.functional.cross_entropy)


def ours(snapshot: Snapshot, size: Size) -> Spectra:
    """The measure; the spectra that the peer has, too, by layer and sigma (examples, copies)."""
    found = perturbation_svd(
        snapshot, sigmas=SIGMAS, num_examples=size.examples, num_copies=size.copies, seed=SEED
    ).arrays
    return {name: found[name].astype(np.float64) for name in found if not name.endswith(".linear")}


def peer(snapshot: Snapshot, size: Size) -> Spectra:
    """The loop."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for index, example in enumerate(chosen_examples(snapshot.train, size.examples, SEED).inputs):
        draws = torch.randn(size.copies, *example.shape, generator=generator(SEED, index + 1)).to(example)
        for sigma in SIGMAS:
            passes = [activations(snapshot, example + sigma * draw) for draw in draws]
            for name in passes[0]:
                matrix = torch.stack([each[name] for each in passes]).double()
                values = torch.linalg.svd(matrix, full_matrices=False).S.cpu().numpy()
                found.setdefault(f"{name}.sigma_{sigma}", []).append(values)
    return {name: np.stack(spectra) for name, spectra in found.items()}


def activations(snapshot: Snapshot, image: Tensor) -> dict[str, Tensor]:
    """The image and what the layers put out on it, flat."""
    found = {"input": image.flatten()}

    def hook(name: str) -> Callable[[nn.Module, tuple[object, ...], Tensor], None]:
        return lambda _module, _inputs, output: found.update({f"layer.{name}": output.flatten().clone()})

    handles = [snapshot.model.get_submodule(name).register_forward_hook(hook(name)) for name in snapshot.layers]
    with torch.no_grad():
        snapshot.model(image[None])
    for handle in handles:
        handle.remove()
    return found


def run(side: Callable[[Snapshot, Size], Spectra], size: Size) -> tuple[Spectra, Cost]:
    """One side on the clock."""
    snapshot = snapshot_of(size)
    side(snapshot, Size(size.model, 2, 2, size.threads, size.device))  # only warms up
    return measured(lambda: side(snapshot, size), size.device)


def largest_difference(mine: Spectra, theirs: Spectra) -> float:
    """Of all singular values, over the largest of their matrix."""
    if mine.keys() != theirs.keys():
        raise SystemExit(f"the sides have other spectra: {sorted(mine)} and {sorted(theirs)}")
    return max(float((np.abs(mine[name] - theirs[name]) / theirs[name][:, :1]).max()) for name in mine)


def main() -> None:
    """Both sides in turns, then the ratio."""
    parser = argparse.ArgumentParser(description="Perturbation spectra: one copy at a time, and ours.")
    parser.add_argument("--model", default="mnist_cnn", help="a model of the table that takes images")
    parser.add_argument("--examples", type=int, default=10)
    parser.add_argument("--copies", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, on both sides")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="toy sizes, once, in this process: to see that it runs")
    arguments = parser.parse_args()
    size = Size(arguments.model, arguments.examples, arguments.copies, arguments.threads, arguments.device)
    if arguments.quick:
        size = Size("mlp", 2, 8, arguments.threads, arguments.device)
    load, together = os.getloadavg()[0], run if arguments.quick else functools.partial(alone, run)
    results = in_turns(
        {side.__name__: functools.partial(together, side, size) for side in (ours, peer)},
        1 if arguments.quick else arguments.repeats,
    )
    costs = {name: [cost for _, cost in runs] for name, runs in results.items()}
    print(f"{'':>6}{COST_HEADING}")
    for name, each in costs.items():
        print(f"{name:>6}{in_words(each)}")
    difference = largest_difference(results["ours"][0][0], results["peer"][0][0])
    if not difference <= TOLERANCE:
        raise SystemExit(f"the singular values differ by {difference:.1e} of the largest, more than {TOLERANCE:.0e}")
    print(f"\n{len(results['ours'][0][0])} layers and sigmas; largest difference {difference:.1e} of the largest value")
    print(f"ratio peer / ours: {ratios(costs['peer'], costs['ours'])}")
    print(f"{size.model}, {size.examples} examples, {size.copies} copies, sigmas {SIGMAS}; {size.device}")
    print(f"{machine()}; {size.threads} threads, load before the start {load:.1f}")


if __name__ == "__main__":
    main()
