"""Linear CKA between all layers of two networks: the usual double-centred Gram matrices, and ours.

Peer: for every pair of layers the Gram matrices of n x n, multiplied by the centring matrix on both sides, and the
sum of their elementwise product (not the slower trace of the matrix product), in float64. Ours: `measures.linear_cka`
for the same pairs, twice, biased and debiased, each with the standard error and null that the peer does not give.
Layers are random features of one input behind a ReLU, so that the values differ from pair to pair. Each has a process
of its own; they take turns.

    python benchmarks/cka.py --examples 1000 --widths 64 256 1024 4096 --device cpu
    python benchmarks/cka.py --examples 100 --widths 8 200        # a second's work
"""

import argparse
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from arms import COST_HEADING, Cost, alone, in_turns, in_words, measured, ratios
from machine import machine
from torch import Tensor

from measures import linear_cka

TOLERANCE = 1e-9  # of a value, between the two sides


@dataclass(frozen=True)
class Size:
    """What every arm is given."""

    examples: int
    widths: tuple[int, ...]
    threads: int
    device: str


def layers(num_examples: int, widths: Sequence[int], seed: int, device: str) -> list[Tensor]:
    """Outputs of one layer of each width, on inputs that all seeds share."""
    inputs = torch.randn(num_examples, 40, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    return [(inputs @ torch.randn(40, width, generator=generator)).relu().to(device) for width in widths]


def naive_cka(x: Tensor, y: Tensor) -> float:
    """Centred kernel alignment by the formula."""
    size = len(x)
    centring = torch.eye(size, dtype=torch.float64, device=x.device) - 1 / size
    gram_x, gram_y = (centring @ (side.double() @ side.double().T) @ centring for side in (x, y))
    return float((gram_x * gram_y).sum() / ((gram_x**2).sum() * (gram_y**2).sum()).sqrt())


def ours(x: Tensor, y: Tensor) -> float:
    """The biased value, with its standard error and null."""
    return linear_cka(x, y).value


def debiased(x: Tensor, y: Tensor) -> float:
    """The debiased one."""
    return linear_cka(x, y, debiased=True).value


def run(measure: Callable[[Tensor, Tensor], float], size: Size) -> tuple[list[float], Cost]:
    """Values for all pairs of layers of two networks, on the clock."""
    torch.set_num_threads(size.threads)
    first, second = (layers(size.examples, size.widths, seed, size.device) for seed in (1, 2))
    measure(first[0], second[0])  # only warms up
    return measured(lambda: [measure(x, y) for x in first for y in second], size.device)


def main() -> None:
    """All arms in turns, then the ratios."""
    parser = argparse.ArgumentParser(
        description="Linear CKA of all pairs of layers: double-centred matrices, and ours."
    )
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256, 1024, 4096])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, in all arms")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    size = Size(arguments.examples, tuple(arguments.widths), arguments.threads, arguments.device)
    load = os.getloadavg()[0]
    arms = {arm.__name__: functools.partial(alone, run, arm, size) for arm in (ours, debiased, naive_cka)}
    results = in_turns(arms, arguments.repeats)
    values = {name: runs[0][0] for name, runs in results.items()}
    costs = {name: [cost for _, cost in runs] for name, runs in results.items()}
    print(f"{'':>10}{COST_HEADING}")
    for name, each in costs.items():
        print(f"{name:>10}{in_words(each)}")
    largest = max(abs(mine - theirs) for mine, theirs in zip(values["ours"], values["naive_cka"], strict=True))
    print(f"\n{len(values['ours'])} values from {min(values['ours']):.4f} to {max(values['ours']):.4f}", end="; ")
    print(f"largest difference {largest:.1e}")
    if not largest <= TOLERANCE:
        raise SystemExit(f"the values differ by {largest:.1e}, more than {TOLERANCE:.0e}")
    for name in ("ours", "debiased"):
        print(f"ratio naive_cka / {name}: {ratios(costs['naive_cka'], costs[name])}")
    print(f"{size.examples} examples, widths {size.widths}; {size.device}")
    print(f"{machine()}; {size.threads} threads, load before the start {load:.1f}")


if __name__ == "__main__":
    main()
