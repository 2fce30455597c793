"""Numbers as a reader wants them: three significant digits, a value no finer than its error."""

import math
from collections.abc import Collection

DIGITS = 3


def significant(value: float, digits: int = DIGITS) -> str:
    """A number to a few significant digits, without an exponent from 0.0001 to 999,999."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    if not 1e-4 <= abs(rounded) < 1e6:
        return f"{rounded:.{digits}g}"
    return f"{rounded:.{max(0, digits - 1 - math.floor(math.log10(abs(rounded))))}f}"


def with_error(value: float, stderr: float | None) -> str:
    """A number and its standard error, `5.83 ± 0.12`; the error to two digits, the value to the same place."""
    if stderr is None:
        return significant(value)
    if stderr == 0:
        return f"{significant(value)} ± 0"
    error = significant(stderr, 2)
    if "e" in error:
        return f"{significant(value)} ± {error}"
    places = len(error.partition(".")[2])
    return f"{value:.{places}f} ± {error}"


def position(x: float, names: Collection[str] = ()) -> str:
    """A place on an axis: its name if the axis has names; else integers in full, others to six digits."""
    if names:
        return list(names)[int(x)]
    return str(int(x)) if float(x).is_integer() and abs(x) < 1e15 else f"{x:.6g}"


def duration(seconds: float) -> str:
    """A time in its two largest units, `1 h 12 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{significant(seconds)} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"
