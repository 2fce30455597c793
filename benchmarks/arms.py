"""The arms of a benchmark: each run in a process of its own, in turns, with its time and its peak memory."""

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

KIB_PER_MIB = 1024  # Linux counts ru_maxrss in KiB


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns, in a fresh process: what ran before takes no memory and warms nothing."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def in_turns(arms: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[Any]]:
    """What every arm returns, so many times; they take turns in going first."""
    results: dict[str, list[Any]] = {name: [] for name in arms}
    names = list(arms)
    for repeat in range(repeats):
        for name in names[:: -1 if repeat % 2 else 1]:
            results[name].append(arms[name]())
    return results


def spread(values: Sequence[float], form: str) -> str:
    """Median, least and greatest."""
    middle, *ends = (format(each, form) for each in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({ends[0]} to {ends[1]})"


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of the processor (all threads), most memory held in MiB, and that before the start."""

    seconds: float
    cpu_seconds: float
    memory: float
    memory_before: float


def measured(work: Callable[[], Any], device: str = "cpu") -> tuple[Any, Cost]:
    """What the work returns, and its cost."""
    before, cpu_started, started = peak_mebibytes(device), time.process_time(), time.perf_counter()
    found = work()
    if device != "cpu":
        torch.cuda.synchronize()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return found, Cost(seconds, cpu_seconds, peak_mebibytes(device), before)


COST_HEADING = f"{'seconds: median (range)':>26}  {'peak MiB (before)':>18}"


def in_words(costs: Sequence[Cost]) -> str:
    """The columns of `COST_HEADING`."""
    memory = f"{costs[0].memory:.0f} ({costs[0].memory_before:.0f})"
    return f"{spread([cost.seconds for cost in costs], '.2f'):>26}  {memory:>18}"


def ratios(peer: Sequence[Cost], ours: Sequence[Cost]) -> str:
    """Time of the peer over ours, repeat by repeat; of the shortest on each side, which others disturbed least."""
    by_clock = [theirs.seconds / mine.seconds for theirs, mine in zip(peer, ours, strict=True)]
    shortest = [min(cost.seconds for cost in side) for side in (peer, ours)]
    of_processor = [min(cost.cpu_seconds for cost in side) for side in (peer, ours)]
    return (
        f"{spread(by_clock, '.2f')}; of the shortest {shortest[0] / shortest[1]:.2f}, "
        f"of the least processor time {of_processor[0] / of_processor[1]:.2f}"
    )


def peak_mebibytes(device: str = "cpu") -> float:
    """Most memory that this process has held so far, or that it has held of the GPU."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB
