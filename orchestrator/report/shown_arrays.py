"""Shown arrays: stored arrays and a presentation -> what each map of an array shows, of each x of each column."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.report.courses import lines
from orchestrator.report.curves import placed
from orchestrator.report.numerals import position
from orchestrator.report.presentation import ArrayMap, ArrayMaps, Presentation
from orchestrator.report.table import Array, Results, Trial

Coordinate = float | str
Stored = dict[tuple[str, str], dict[int, Array]]  # by trial and name, then by step


@dataclass(frozen=True)
class ShownArray:
    """What one map shows at one `place` (a column and an x, in words): its values, and where rows and columns stand.

    `trials` names those it is of, or the mean over; `points` (n, 2 or 3) are to be marked.
    """

    map: ArrayMap
    column: str
    x: float
    place: str
    step: int
    values: NDArray[np.float64]
    rows: tuple[Coordinate, ...]
    columns: tuple[Coordinate, ...]
    points: NDArray[np.float64]
    trials: tuple[str, ...]


def shown_arrays(
    results: Results, presentation: Presentation, column_of: Mapping[str, str]
) -> tuple[Sequence[ShownArray], ...]:
    """What each of the array maps shows; `column_of` gives the label of each trial's column. None without an x axis."""
    x = presentation.x
    if x is None or not presentation.array_maps:
        return ()
    stored: Stored = {}
    for array in results.arrays:
        stored.setdefault((array.trial_id, array.name), {})[array.step] = array
    groups = lines(placed(results.trials, presentation), x, column_of)
    return tuple(
        [
            shown
            for (column, at), trials in groups.items()
            for shown in _of_place(maps, column, at, _place(presentation, column, at), trials, stored)
        ]
        for maps in presentation.array_maps
    )


def _place(presentation: Presentation, column: str, at: float) -> str:
    assert presentation.x is not None, "`shown_arrays` has checked it"
    name = position(at, presentation.x.names)
    text = name if presentation.x.names else f"{presentation.x.label} {name}"
    return text if presentation.columns is None else f"{column}, {text}"


def _of_place(
    maps: ArrayMaps,
    column: str,
    x: float,
    place: str,
    trials: Sequence[Trial],
    stored: Stored,
) -> Iterator[ShownArray]:
    for each in maps.maps:
        with_it = [trial for trial in trials if (trial.trial_id, each.array) in stored]
        kept = with_it if maps.mean else with_it[:1]
        if kept:
            read = [_read(each, trial, stored) for trial in kept]
            first_step, first = read[0]
            values = _mean(each, [arrays[each.array] for _, arrays in read])
            yield ShownArray(
                map=each,
                column=column,
                x=x,
                place=place,
                step=first_step,
                values=values,
                rows=_coordinates(first, each.rows, values.shape[0]),
                columns=_coordinates(first, each.columns, values.shape[1]),
                points=np.asarray(first[each.points], dtype=np.float64) if each.points else np.zeros((0, 2)),
                trials=tuple(trial.name for trial in kept),
            )


def _read(each: ArrayMap, trial: Trial, stored: Stored) -> tuple[int, Mapping[str, NDArray[np.generic]]]:
    """The arrays that a map needs of a trial that has them, and the step at which they were measured."""
    step = nearest(stored[trial.trial_id, each.array], each.when)
    return step, {name: stored[trial.trial_id, name][step].values for name in each.arrays}


def _mean(each: ArrayMap, arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.float64]:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1 or len(arrays[0].shape) != 2:
        raise ValueError(
            f"array {each.array} of shapes {sorted(shapes)} cannot be drawn as a map: (rows, columns) alike"
        )
    return np.mean([np.asarray(array, dtype=np.float64) for array in arrays], axis=0)


def _coordinates(arrays: Mapping[str, NDArray[np.generic]], name: str, count: int) -> tuple[Coordinate, ...]:
    if not name:
        return tuple(float(index) for index in range(count))
    if arrays[name].shape != (count,):
        raise ValueError(f"array {name} of shape {arrays[name].shape} does not say where {count} rows or columns stand")
    return tuple(arrays[name].tolist())


def nearest(steps: Iterable[int], share: float) -> int:
    """The step nearest to this share of the last one; the earlier of two.

    >>> nearest((0, 10, 30, 100), 0.35)
    30
    """
    ordered = sorted(steps)
    return min(ordered, key=lambda step: abs(step - share * ordered[-1]))
