"""Compare: the reports of two studies in one figure and one table."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from orchestrator.environment import CannotStart
from orchestrator.files import write_files
from orchestrator.launch import OK, Settings, check_writable_folder
from orchestrator.report.comparison import (
    OUTCOMES,
    SUMMARY,
    Pair,
    Summary,
    compared,
    comparison_blocks,
    comparison_csv,
    read_summary,
    shared,
)
from orchestrator.report.document import Picture, markdown, page
from workers.store_address import store_exists
from workers.tracking import RunStore

TITLE = "Comparison"


def compare(first_run: str, second_run: str, settings: Settings, console: Console) -> int:
    """Hold two stored reports against each other; write the page below `folder/reports`. The exit code."""
    settings.check_store()
    check_writable_folder(settings.folder)
    if not store_exists(settings.store_uri):
        raise CannotStart(f"there is no store at {settings.store_uri}: name the one that holds run {first_run!r}")
    store = settings.open_store()
    first, second = _summary(store, first_run), _summary(store, second_run)
    if (alike := shared(first, second)) is None:
        places = " and ".join(sorted({f"{q} over {axis} ({column})" for axis, column, q in second.curves})[:3])
        raise CannotStart(f"{first.label} and {second.label} show nothing in common; the second has {places} ...")
    pairs = compared(first, alike)
    place = _write(first, alike, pairs, settings.folder / "reports" / f"{first_run[:8]}-{second_run[:8]}")
    console.print(_table(pairs))
    console.print(f"comparison: {place / 'comparison.html'}", highlight=False, soft_wrap=True)
    return OK


def _summary(store: RunStore, run_id: str) -> Summary:
    try:
        data = store.read_file(run_id, f"report/{SUMMARY}")
    except FileNotFoundError:
        raise CannotStart(
            f"run {run_id!r} of {store.uri} has no report: name a study's own run, tagged sweep.role = sweep"
        ) from None
    try:
        return read_summary(f"{store.get(run_id).name} ({run_id[:8]})", data)
    except ValueError as error:
        raise CannotStart(f"run {run_id!r}: {error}; publish its report again by `gensweep report`") from None


def _write(first: Summary, second: Summary, pairs: tuple[Pair, ...], folder: Path) -> Path:
    from orchestrator.report.comparison_figure import comparison_figure  # here: they load Matplotlib
    from orchestrator.report.drawing import render
    from orchestrator.report.interaction import interactive

    drawing = comparison_figure(first, second)
    svg, told = interactive(drawing)
    caption = "Points are means over replicates, bars ± 1 standard error where one is known. Numbers: comparison.csv."
    picture = Picture("figure.png", svg.decode(), f"{first.label} beside {second.label}", caption, told)
    blocks = comparison_blocks(first, second, pairs, picture)
    files = {
        "comparison.md": markdown(TITLE, blocks).encode(),
        "comparison.html": page(TITLE, blocks).encode(),
        "comparison.csv": comparison_csv(pairs),
        "figure.png": render(drawing, "png"),
        "figure.svg": svg,
    }
    return write_files(folder, files)


def _table(pairs: tuple[Pair, ...]) -> Table:
    table = Table("quantity", "points", *OUTCOMES)
    for quantity in dict.fromkeys(pair.place[2] for pair in pairs):
        outcomes = [pair.outcome for pair in pairs if pair.place[2] == quantity]
        table.add_row(quantity, str(len(outcomes)), *(str(outcomes.count(outcome)) for outcome in OUTCOMES))
    return table
