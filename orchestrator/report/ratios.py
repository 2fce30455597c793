"""Ratios and differences: a quantity of each trial against that of its baseline, as further rows of the tidy table.

So networks are compared in pairs that share their seeds, and what a seed does to both of them cancels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from orchestrator.report.derived_kinds import Difference, Ratio
from orchestrator.report.table import Results, Row, Setting, Trial


def with_ratios(results: Results, ratios: Sequence[Ratio | Difference]) -> Results:
    """The table with a row for each ratio and each difference of each trial that has one."""
    return replace(results, rows=(*results.rows, *(row for ratio in ratios for row in _rows(results, ratio))))


def _rows(results: Results, ratio: Ratio | Difference) -> Iterable[Row]:
    """Against a bound there is none, because it would be one from above; a bound against a number is a bound."""
    components = {name.partition(".")[0] for name in ratio.baseline}
    latest = {row.trial_id: row for row in results.rows if row.quantity == ratio.quantity}
    baselines = {
        _others(trial, components): latest[trial.trial_id]
        for trial in results.trials
        if trial.state == "done" and trial.trial_id in latest and trial.has(ratio.baseline)
    }
    for trial in results.trials:
        own, baseline = latest.get(trial.trial_id), baselines.get(_others(trial, components))
        if own is None or baseline is None or baseline.at_least:
            continue
        if isinstance(ratio, Difference):
            yield Row(trial.trial_id, own.step, ratio.name, own.value - baseline.value, None, own.at_least)
        elif baseline.value != 0:
            yield Row(trial.trial_id, own.step, ratio.name, own.value / baseline.value, None, own.at_least)


def _others(trial: Trial, components: set[str]) -> frozenset[tuple[str, Setting]]:
    """The parameters of all other components."""
    return frozenset(
        (name, value) for name, value in trial.parameters.items() if name.partition(".")[0] not in components
    )
