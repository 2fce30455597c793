"""Preparation of trials before anything starts: their data sets are made, and what cannot be trained is known."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from measures.registry import Component
from orchestrator.environment import CannotStart
from orchestrator.study import run_name
from workers.datasets.prepared import Prepared, prepared
from workers.rehearsal import Rehearsal, rehearse
from workers.spec import TrialSpec


def prepare(
    trials: Iterable[TrialSpec], axes: tuple[str, ...], cache: Path, num_processes: int = 1
) -> dict[str, Rehearsal]:
    """What is known of each trial, by its id; CannotStart names the first data set or trial that cannot be.

    Makes each data set once, and lets the components of every trial meet: once for all its seeds.
    """
    trials = tuple(trials)
    sources: dict[tuple[Component, int], Prepared] = {}
    for dataset, data_seed in {(trial.dataset, trial.data_seed) for trial in trials}:
        try:
            sources[dataset, data_seed] = prepared(dataset, data_seed, cache)
        except (ValueError, OSError) as error:
            raise CannotStart(f"data set {dataset}: {error}") from None
    rehearsals: dict[TrialSpec, Rehearsal] = {}
    found: dict[str, Rehearsal] = {}
    for trial in trials:
        kind = replace(trial, init_seed=0, order_seed=0)
        if kind not in rehearsals:
            try:
                rehearsals[kind] = rehearse(trial, sources[trial.dataset, trial.data_seed], num_processes)
            except ValueError as error:
                raise CannotStart(f"trial {run_name(trial, axes)}: {error}") from None
        found[trial.trial_id] = rehearsals[kind]
    return found
