"""Linear CKA between all layers of two networks: the usual double-centred Gram matrices, and ours.

Peer: for every pair of layers the Gram matrices of n x n, multiplied by the centring matrix on both sides, and the
sum of their elementwise product (not the slower trace of the matrix product), in float64. Ours: `measures.linear_cka`
for the same pairs, twice, biased and debiased, each with the standard error and null that the peer does not give.
Layers are random features of one input behind a ReLU, so that the values differ from pair to pair.

    python benchmarks/cka.py --examples 1000 --widths 64 256 1024 4096 --device cpu
    python benchmarks/cka.py --examples 100 --widths 8 200        # a second's work
"""

import argparse
import os
import resource
import time
from collections.abc import Callable, Sequence

import torch
from machine import machine
from torch import Tensor

from measures import linear_cka

Pairs = Sequence[tuple[Tensor, Tensor]]
TOLERANCE = 1e-9  # of a value, between the two sides


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


def timed(
    measure: Callable[[Tensor, Tensor], float], pairs: Pairs, repeats: int, device: str
) -> tuple[list[float], float]:
    """Values for all pairs, and the seconds for all of them, the shortest of some repeats."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    measure(*pairs[0])  # only warms up
    seconds, values = float("inf"), list[float]()
    for _ in range(repeats):
        started = time.perf_counter()
        values = [measure(*pair) for pair in pairs]  # a float each: the device has finished
        seconds = min(seconds, time.perf_counter() - started)
    return values, seconds


def peak_megabytes(device: str) -> float:
    """Most memory held so far: of the device since the last reset, or of this process."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Run ours, then the peer (the process's peak memory can only grow), compare values, print the ratios."""
    parser = argparse.ArgumentParser(
        description="Linear CKA of all pairs of layers: double-centred matrices, and ours."
    )
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256, 1024, 4096])
    parser.add_argument("--repeats", type=int, default=3, help="the shortest one counts")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    sides = [layers(arguments.examples, arguments.widths, seed, arguments.device) for seed in (1, 2)]
    pairs = [(x, y) for x in sides[0] for y in sides[1]]
    load = os.getloadavg()[0]
    print(f"{'':>10} {'seconds':>9} {'peak MB':>9}")
    values, seconds = {}, {}
    for name, measure in (
        ("ours", lambda x, y: linear_cka(x, y).value),
        ("debiased", lambda x, y: linear_cka(x, y, debiased=True).value),
        ("peer", naive_cka),
    ):
        values[name], seconds[name] = timed(measure, pairs, arguments.repeats, arguments.device)
        print(f"{name:>10} {seconds[name]:9.3f} {peak_megabytes(arguments.device):9.0f}")
    largest = max(abs(ours - peer) for ours, peer in zip(values["ours"], values["peer"], strict=True))
    print(f"\nvalues from {min(values['peer']):.4f} to {max(values['peer']):.4f}; largest difference {largest:.1e}")
    if largest > TOLERANCE:
        raise SystemExit(f"the values differ by {largest:.1e}, more than {TOLERANCE:.0e}")
    print(f"ratio peer / ours: {seconds['peer'] / seconds['ours']:.2f}")
    print(f"{len(pairs)} pairs, {arguments.examples} examples, widths {arguments.widths}; {arguments.device}")
    print(f"{machine()}; {torch.get_num_threads()} threads, load before the start {load:.1f}")


if __name__ == "__main__":
    main()
