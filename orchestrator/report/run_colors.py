"""Colours of runs in MLflow's pages, which it takes from a tag."""

from collections.abc import Mapping, Sequence

from orchestrator.report.curves import Column
from orchestrator.report.presentation import PALETTE
from orchestrator.report.table import Setting, Trial

COLOR = "mlflow.runColor"


def column_colors(columns: Sequence[Column]) -> Mapping[str, str]:
    """A colour for the runs of each column, safe for all kinds of colour vision while there are seven or fewer."""
    return {column.label: PALETTE[index % len(PALETTE)] for index, column in enumerate(columns)}


def trial_colors(trials: Sequence[Trial], columns: Sequence[Column]) -> Mapping[str, str]:
    """A colour for the run of each trial, by its id: that of its column; of its corruption, if there is one column."""
    if len(columns) > 1:
        colors = column_colors(columns)
        return {trial_id: colors[column.label] for column in columns for trial_id in column.trial_ids}
    corruptions = {trial.trial_id: _corruption(trial) for trial in trials}
    places = {corruption: place for place, corruption in enumerate(dict.fromkeys(corruptions.values()))}
    return {trial_id: PALETTE[places[each] % len(PALETTE)] for trial_id, each in corruptions.items()}


def _corruption(trial: Trial) -> tuple[tuple[str, Setting], ...]:
    return tuple((name, value) for name, value in trial.parameters.items() if name.split(".")[0] == "corruption")
