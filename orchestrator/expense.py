"""Expense: what the training of a study will cost, before anything is downloaded, reserved or stored."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from measures.registry import Component
from orchestrator.environment import CannotStart
from orchestrator.report.numerals import significant
from orchestrator.study import run_name
from workers.cost import CPU_CORE, GPU
from workers.datasets.prepared import Prepared, outline
from workers.rehearsal import rehearse
from workers.runtime import Checkpoints
from workers.spec import TrialSpec


@dataclass(frozen=True)
class Expense:
    """Of so many trials: their steps and operations, hours on one device of a kind, bytes of all checkpoints."""

    trials: int
    steps: int
    flops: float
    gpu_hours: float
    core_hours: float
    checkpoint_bytes: int


def expense(
    trials: Iterable[TrialSpec], checkpoints: Checkpoints, axes: tuple[str, ...], cache: Path, processes: int = 1
) -> Expense:
    """What training these will cost; CannotStart for a trial whose components do not go together.

    Trials that differ in seeds alone cost the same. Data sets that would be downloaded are taken at their published
    sizes.
    """
    kinds = Counter(replace(trial, data_seed=0, init_seed=0, order_seed=0) for trial in trials)
    sources: dict[Component, Prepared] = {}
    totals = Expense(0, 0, 0.0, 0.0, 0.0, 0)
    for trial, count in kinds.items():
        try:
            if trial.dataset not in sources:
                sources[trial.dataset] = outline(trial.dataset, trial.data_seed, cache)
            cost = rehearse(trial, sources[trial.dataset], processes).cost
        except (ValueError, OSError) as error:
            raise CannotStart(f"trial {run_name(trial, axes)}: {error}") from None
        kept = len(checkpoints.steps(cost.steps, cost.steps_per_epoch))
        totals = Expense(
            totals.trials + count,
            totals.steps + count * cost.steps,
            totals.flops + count * cost.flops,
            totals.gpu_hours + count * cost.seconds(GPU) / 3600,
            totals.core_hours + count * cost.seconds(CPU_CORE) / 3600,
            totals.checkpoint_bytes + count * kept * cost.state_bytes,
        )
    return totals


def expense_line(of: Expense) -> str:
    """One sentence: trials, hours, gigabytes, and what the hours are reckoned by."""
    return (
        f"cost, roughly: {of.trials} trainings of {of.steps:,} steps and {significant(of.flops / 1e15)} PFLOP in all: "
        f"{significant(of.gpu_hours)} GPU-hours ({GPU.flops_per_second / 1e12:g} TFLOP/s, "
        f"{GPU.seconds_per_step * 1e3:g} ms a step) or {significant(of.core_hours)} CPU-core-hours; "
        f"{significant(of.checkpoint_bytes / 1e9)} GB of checkpoints; measurements come on top"
    )
