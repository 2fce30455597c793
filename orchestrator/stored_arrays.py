"""Stored arrays: what a presentation draws of the arrays that measurements have left, read from the store."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from orchestrator.report.presentation import Presentation
from orchestrator.report.shown_arrays import nearest
from orchestrator.report.table import Array
from workers.record import RunRecord, measured_steps
from workers.spec import TrialSpec

ReadArrays = Callable[[str, str, int], Mapping[str, NDArray[np.generic]]]


def drawn_arrays(presentation: Presentation) -> Mapping[str, frozenset[float]]:
    """Names of all arrays that are drawn, each with the shares of the training at which it is."""
    drawn: dict[str, set[float]] = {}
    for part in presentation.parts:
        for panel in (panel for each in part.profiles for panel in each.panels):
            for name in (panel.along, *(series.quantity for series in panel.series)):
                drawn.setdefault(name, set()).add(1.0)
        for each in (each for maps in part.array_maps for each in maps.maps):
            for name in each.arrays:
                drawn.setdefault(name, set()).add(each.when)
        for series in () if part.groups is None else part.groups.layers:
            drawn.setdefault(series.quantity, set()).add(1.0)
    return {name: frozenset(shares) for name, shares in drawn.items()}


def stored_arrays(
    presentation: Presentation,
    keys: Mapping[str, str],
    stored: Iterable[tuple[TrialSpec, RunRecord]],
    read: ReadArrays,
) -> Iterator[Array]:
    """The drawn arrays of every trial that has them; `keys` are the stored names of the measures.

    `read` gives the arrays of a measurement of a run at a step, and is asked once for each that holds any of them.
    """
    drawn = drawn_arrays(presentation)
    of_measure = {name: [array for array in drawn if measure_of(array) == name] for name in map(measure_of, drawn)}
    for trial, record in stored:
        for measure, names in of_measure.items():
            steps = measured_steps(record, keys[measure])
            wanted = {name: {nearest(steps, share) for share in drawn[name]} for name in names if steps}
            for step in sorted(set[int]().union(*wanted.values())):
                arrays = read(record.run_id, keys[measure], step)
                for name in names:
                    field = name.removeprefix(f"{measure}/")
                    if step in wanted[name] and field in arrays:
                        yield Array(trial.trial_id, step, name, arrays[field])


def measure_of(array: str) -> str:
    """The measure that has left an array."""
    return array.partition("/")[0]
