"""The command `intrinsic-dimension`: every estimate of the dimension of the points in a file, as a table."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from measures.dimension_estimates import DimensionEstimates, dimension_estimates, interval
from measures.gride import ScaleCurve

BAD_INPUT = 2


def intrinsic_dimension(file: Path, /) -> int:
    """Estimate the intrinsic dimension of the points in the rows of a numpy array (.npy)."""
    try:
        points = read_points(file)
        estimates = dimension_estimates(points)
    except ValueError as error:
        print(f"error: {file}: {error}", file=sys.stderr)
        return BAD_INPUT
    console = Console(markup=False)
    console.print(f"{file}: {len(points)} points of {points.shape[1]} features, {points.dtype}", highlight=False)
    for part in (_estimates_table(estimates), _scales_table(estimates.curve)):
        console.print(part)
    for note in estimates.notes:
        console.print(f"Note: {note}", highlight=False)
    console.print(estimates.verdict, style="bold", highlight=False)
    return 0


def read_points(file: Path) -> NDArray[np.generic]:
    """The one array of a file; an error in one line where there is none."""
    try:
        array = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise ValueError("no such file") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except (EOFError, ValueError):
        raise ValueError("not an array of numbers stored by numpy.save") from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"holds several arrays ({', '.join(array.files)}); store one by numpy.save")
    return array


def _estimates_table(estimates: DimensionEstimates) -> Table:
    table = Table("estimator", "dimension", "std. error", "95 % interval", "points", title="Estimates", title_style="")
    for name, result in estimates.others.items():
        if isinstance(result, ValueError):
            table.add_row(name, "–", "–", str(result), "–")
        else:
            low, high = interval(result)
            numbers = (f"{result.value:.2f}", f"{result.stderr:.2f}", f"{low:.2f} to {high:.2f}")
            table.add_row(name, *numbers, str(result.num_points))
    return table


def _scales_table(curve: ScaleCurve) -> Table:
    title = "GRIDE over scales: distances to neighbour n and 2n"
    table = Table("n", "radius", "dimension", "std. error", "gap to law", "points", title=title, title_style="")
    for scale in curve.scales:
        numbers = (f"{scale.radius:.4g}", f"{scale.value:.2f}", f"{scale.stderr:.2f}", f"{scale.ks_distance:.3f}")
        table.add_row(str(scale.rank), *numbers, str(scale.num_points))
    return table
