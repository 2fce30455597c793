"""Cumulative ablation of every layer of a network: whole forward passes with hooks, and ours, which runs the tail only.

Peer: for every order and share of units a forward pass of the whole network on all examples, in which a hook sets the
units to 0. Ours: `measures.ablation_curve`, which holds the output of the layer and runs what follows it. Orders,
shares and batches are the same, so values must be equal. The network is untrained and its labels are its own
predictions, half of them redrawn: what is timed does not depend on the weights. Each side has a process of its own;
they take turns.

    python benchmarks/ablation.py --model mnist_cnn --examples 1000 --orders 4 --points 21
    python benchmarks/ablation.py --model mlp --examples 50 --orders 2 --points 3        # a second's work
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
from torch.nn.functional import cross_entropy

from measures import Component, Split, ablation_curve
from measures.examples import generator
from measures.tails import Tail
from workers.models import models
from workers.models.network import Network

SHAPE = (1, 28, 28)
BATCH_SIZE = 500
TOLERANCE = 1e-6  # of a loss in float32, between the two sides

Floats = NDArray[np.float64]
Side = Callable[[nn.Module, Split, str, int, int], Floats]


@dataclass(frozen=True)
class Size:
    """What both sides are given."""

    model: str
    examples: int
    orders: int
    points: int
    threads: int
    device: str


def make_case(name: str, num_examples: int, device: str) -> tuple[Network, Split]:
    """An untrained network and the examples that it is ablated on."""
    torch.manual_seed(0)
    network: Network = models.call(Component(name), SHAPE, 10)
    module = network.module.to(device).eval()
    inputs = torch.randn(num_examples, *SHAPE).to(device)
    with torch.no_grad():
        targets = torch.cat([module(batch).argmax(dim=1) for batch in inputs.split(BATCH_SIZE)])
    targets[::2] = torch.randint(10, (len(targets[::2]),)).to(device)
    return network, Split(inputs, targets)


def ours(model: nn.Module, data: Split, layer: str, num_orders: int, num_points: int) -> Floats:
    """Losses (orders, points) with the tail alone run again."""
    curve = ablation_curve(
        model, data, cross_entropy, [layer], num_orders=num_orders, num_fractions=num_points, batch_size=BATCH_SIZE
    )
    return curve.loss


def peer(model: nn.Module, data: Split, layer: str, num_orders: int, num_points: int) -> Floats:
    """Losses (orders, points) by whole forward passes."""
    size = Tail(model, data.inputs[:1], [layer]).num_units[layer]
    counts = np.unique(np.rint(np.linspace(0, 1, num_points) * size).astype(int))
    orders = [torch.randperm(size, generator=generator(0, order + 1)) for order in range(num_orders)]
    return np.array([[_loss(model, data, layer, order[:count]) for count in counts] for order in orders])


def _loss(model: nn.Module, data: Split, layer: str, units: Tensor) -> float:
    def hook(_module: nn.Module, _inputs: tuple[object, ...], output: Tensor) -> Tensor:
        output = output.clone()
        output[:, units.to(output.device)] = 0
        return output

    handle = model.get_submodule(layer).register_forward_hook(hook)
    with torch.no_grad():
        outputs = torch.cat([model(batch) for batch in data.inputs.split(BATCH_SIZE)])
    handle.remove()
    return float(cross_entropy(outputs.double(), data.targets))


def run(side: Side, size: Size, layer: str) -> tuple[Floats, Cost]:
    """One layer on the clock."""
    torch.set_num_threads(size.threads)
    network, data = make_case(size.model, size.examples, size.device)
    side(network.module, data, layer, 1, 2)  # only warms up
    return measured(lambda: side(network.module, data, layer, size.orders, size.points), size.device)


def main() -> None:
    """Ablate every layer by itself on both sides in turns, compare the losses, print the ratios."""
    parser = argparse.ArgumentParser(description="Cumulative ablation: whole forward passes, and the tail alone.")
    parser.add_argument("--model", default="mnist_cnn", help="a model of the table that takes images")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--orders", type=int, default=4)
    parser.add_argument("--points", type=int, default=21)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, on both sides")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    given = (arguments.model, arguments.examples, arguments.orders, arguments.points)
    size = Size(*given, arguments.threads, arguments.device)
    network: Network = models.call(Component(size.model), SHAPE, 10)
    load = os.getloadavg()[0]
    print(f"{'':>16}{COST_HEADING}")
    for layer in network.layers:
        arms = {side.__name__: functools.partial(alone, run, side, size, layer) for side in (ours, peer)}
        results = in_turns(arms, arguments.repeats)
        costs = {name: [cost for _, cost in runs] for name, runs in results.items()}
        for name, each in costs.items():
            print(f"{layer:>10}, {name}{in_words(each)}")
        difference = float(np.abs(results["ours"][0][0] - results["peer"][0][0]).max())
        if not difference <= TOLERANCE:
            raise SystemExit(f"the losses of layer {layer} differ by {difference:.1e}, more than {TOLERANCE:.0e}")
        ratio = ratios(costs["peer"], costs["ours"])
        print(f"  ratio peer / ours: {ratio}; largest difference {difference:.1e}", flush=True)
    print(f"\n{size.model}, {size.examples} examples, {size.orders} orders, {size.points} points each; {size.device}")
    print(f"{machine()}; {size.threads} threads, load before the start {load:.1f}")


if __name__ == "__main__":
    main()
