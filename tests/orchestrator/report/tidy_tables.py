"""Small tidy tables with known shapes, for the tests of curves, claims, figures, reports and views."""

from collections.abc import Callable, Mapping, Sequence

from orchestrator.report.axis import Axis
from orchestrator.report.claim_kinds import FirstZero, Follows, Peak
from orchestrator.report.presentation import Panel, Presentation, Series
from orchestrator.report.table import Results, Row, Trial

NAN = float("nan")
WIDTHS = (2, 3, 4, 5, 7, 9, 12, 16, 21, 27, 36, 47, 61, 80, 104, 135, 177, 230, 300)

PRESENTATION = Presentation(
    x=Axis("model.width", "width", log=True),
    columns=Axis("corruption.fraction", "label noise"),
    panels=(
        Panel("error", (Series("train/error", "train"), Series("test/error", "test"))),
        Panel("test loss", (Series("test/loss", "test"),)),
        Panel("effective dimensionality", (Series("spectrum/n_eff", "N_eff, full sum, z = 1"),), log=True),
    ),
    claims=(
        FirstZero("train/error", "train error", published="near width 50 with label noise"),
        Peak("test/loss", "test loss", published="where the training set is first fitted"),
        Follows("spectrum/n_eff", "test/loss", "N_eff", "test loss", published="yes"),
    ),
)


def trial(width: float, fraction: float = 0.0, replicate: int = 0, state: str = "done", **fields: object) -> Trial:
    """A trial of the width and label noise."""
    known = {"seconds": 10.0, "interpolation_threshold": "step 9, epoch 3", "failure": None, "notes": ()}
    parameters = {"model.width": width, "corruption.fraction": fraction, "init_seed": replicate}
    identity = f"{fraction}-{width}-{replicate}"
    return Trial(identity, f"width={width} fraction={fraction}", parameters, state, **(known | fields))  # type: ignore[arg-type] # fields of Trial


def rows_of(one: Trial, values: Mapping[str, float], stderr: float | None = None) -> tuple[Row, ...]:
    """The numbers of a trial, all with the same error."""
    return tuple(Row(one.trial_id, 100, quantity, value, stderr) for quantity, value in values.items())


def table(values: Mapping[str, Sequence[Sequence[float]]], widths: Sequence[float], fraction: float = 0.0) -> Results:
    """A column of done trials: for each quantity one sequence over widths for each replicate."""
    count = len(next(iter(values.values())))
    trials = [(trial(w, fraction, r), i, r) for i, w in enumerate(widths) for r in range(count)]
    rows = [
        row for one, i, r in trials for row in rows_of(one, {quantity: over[r][i] for quantity, over in values.items()})
    ]
    return Results(tuple(one for one, _, _ in trials), tuple(rows))


def joined(*tables: Results) -> Results:
    """Several tables as one."""
    return Results(
        tuple(one for each in tables for one in each.trials), tuple(row for each in tables for row in each.rows)
    )


def bump(widths: Sequence[float], height: float, at: float = 47) -> list[float]:
    """A curve that falls slowly and has a peak at one width."""
    return [2 - 0.001 * width + height * max(0.0, 1 - abs(width - at) / at) for width in widths]


def over(widths: Sequence[float], value: Callable[[float], float]) -> list[float]:
    """A curve given by a function."""
    return [value(width) for width in widths]


def example() -> Results:
    """Two label noises, three widths failed, unmeasured or not finite: the table of the golden report."""
    widths = (2, 8, 20, 47, 80, 200)
    tables: list[Results] = []
    for fraction, fitted in ((0.0, 20), (0.15, 80)):
        errors = over(widths, lambda width, fitted=fitted: 0.0 if width >= fitted else 0.5 - width / 200)
        values = {
            "train/error": [errors, errors],
            "test/error": [[0.4, 0.35, 0.33, 0.3, 0.25, 0.2]] * 2,
            "test/loss": [bump(widths, 20 * fraction), [value + 0.05 for value in bump(widths, 20 * fraction)]],
            "spectrum/n_eff": [
                [40.0, 60, 200, 900 * fraction + 100, 300, 150],
                [42.0, 61, 210, 900 * fraction, 310, 140],
            ],
        }
        tables.append(table(values, widths, fraction))
    broken = trial(400, 0.15, state="failed", failure="training: RuntimeError: <script>alert(1)</script> | *x*")
    diverged = trial(400, 0.0, state="diverged", interpolation_threshold="not reached")
    noted = trial(1, 0.0, notes=("2 of 5 probes not converged",), interpolation_threshold="not reached")
    odd = Results((noted, diverged, broken), rows_of(noted, {"train/error": 0.7, "test/loss": NAN}, stderr=0.01))
    return joined(*tables, odd)
