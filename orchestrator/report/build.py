"""The report: a study's tidy table and presentation -> its files. Pure: no clock, no network, no store.

The same table gives the same bytes in every file, so a report can be compared with the one that was stored.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.report import csv_files
from orchestrator.report.axis import Axis
from orchestrator.report.claims import Finding
from orchestrator.report.curves import Column, Curve
from orchestrator.report.document import Block, Bullets, Code, Heading, Paragraph, Picture, Table, markdown, page
from orchestrator.report.group_findings import group_blocks
from orchestrator.report.judgement import spread, value
from orchestrator.report.league_report import league_report
from orchestrator.report.numerals import duration, position
from orchestrator.report.parts import Part, parts
from orchestrator.report.pictures import drawings, preview
from orchestrator.report.presentation import Presentation, Series
from orchestrator.report.rules import rules
from orchestrator.report.table import Results, Trial

BOOTSTRAP_SEED = 0
PREVIEW = "preview.png"
UNFINISHED = ("failed", "partial", "pending")
LISTED = 20
FAILURE_CHARACTERS = 300


@dataclass(frozen=True)
class Section:
    """Further lines of a report, under a title of their own."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class ReportHeader:
    """What a report says of its study besides the numbers; `expected` is the published result, in words."""

    study: str
    question: str
    expected: str
    command: str
    links: tuple[str, ...] = ()
    provenance: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Report:
    """The files of a report by name, and the findings they show."""

    files: Mapping[str, bytes]
    findings: tuple[Finding, ...]


def build_report(header: ReportHeader, results: Results, presentation: Presentation) -> Report:
    """Every file of the report of a study; figures only where there is something to draw."""
    shown = tuple(parts(results, presentation, np.random.default_rng(BOOTSTRAP_SEED)))
    drawn = {f"figure{i if i > 1 else ''}": each for i, each in enumerate(drawings(shown, results), start=1)}
    pictures = [
        Picture(f"{name}.png", each.svg.decode(), each.description, f"{each.caption} Numbers: {name}.csv.", each.told)
        for name, each in drawn.items()
    ]
    league = league_report(results, presentation.league, np.random.default_rng(BOOTSTRAP_SEED))
    blocks = _blocks(header, results, shown, pictures, league.blocks)
    first = [
        *(each.png for each in drawn.values()),
        *(data for name, data in league.files.items() if name.endswith("png")),
    ]
    files = {
        "report.md": markdown(header.study, blocks).encode(),
        "report.html": page(header.study, blocks).encode(),
        **{f"{name}.png": each.png for name, each in drawn.items()},
        **{f"{name}.svg": each.svg for name, each in drawn.items()},
        **{f"{name}.csv": each.csv for name, each in drawn.items()},
        **league.files,
        **({PREVIEW: preview(first[0])} if first else {}),
        "data.csv": csv_files.data(results),
        "trials.csv": csv_files.trials(results),
        "summary.csv": csv_files.summary(shown),
    }
    return Report(files, tuple(finding for part in shown for finding in part.findings))


def _blocks(
    header: ReportHeader,
    results: Results,
    shown: Sequence[Part],
    pictures: Sequence[Picture],
    league: Sequence[Block],
) -> list[Block]:
    found = [finding for part in shown for finding in part.findings]
    blocks: list[Block] = [Paragraph(header.question), Paragraph(f"Expected: {header.expected}")]
    blocks += _verdicts(found, results)
    if pictures:
        blocks += [Heading("Figure" if len(pictures) == 1 else "Figures"), *pictures]
    blocks += league
    blocks += [block for part in shown for block in group_blocks(part.presentation.groups, part.groups)]
    blocks += [block for each in header.sections for block in (Heading(each.title), Bullets(each.lines))]
    blocks += [block for part in shown for block in _numbers(part, alone=len(shown) == 1)]
    blocks += _left_out(results, shown)
    blocks += _notes(results)
    blocks += (
        [Heading("How verdicts are reached"), Bullets(rules([part.presentation for part in shown]))] if found else []
    )
    return blocks + _again(header, results)


def _verdicts(found: Sequence[Finding], results: Results) -> list[Block]:
    states = Counter(trial.state for trial in results.trials)
    unfinished = sum(states[state] for state in UNFINISHED)
    blocks: list[Block] = []
    if unfinished:
        blocks.append(Paragraph(f"Provisional: {unfinished} of {_trial_count(len(results.trials))} not finished."))
    if not found:
        return blocks
    counts = Counter(finding.verdict for finding in found)
    tally = (
        f"{len(found)} judgements. Holds: {counts['holds']}; does not hold: {counts['does not hold']}; "
        f"cannot be judged: {counts['cannot be judged']}. The rules are below."
    )
    rows = tuple((each.claim, each.verdict, each.published or "–", each.sentence) for each in found)
    return [*blocks, Heading("Verdicts"), Paragraph(tally), Table(("claim", "verdict", "published", "ours"), rows)]


def _numbers(part: Part, alone: bool) -> list[Block]:
    x, columns = part.presentation.x, part.presentation.columns
    if x is None:
        nothing = Paragraph("This study declares no axis to draw along; its numbers are in data.csv.")
        return [] if part.presentation.league else [nothing]
    drawn = [(panel, series) for panel in part.presentation.shown for series in panel.series]
    header = (
        columns.label if columns else "column",
        x.label,
        *(panel.label if panel.label == series.label else f"{panel.label}: {series.label}" for panel, series in drawn),
        "n",
    )
    shown = [series for _, series in drawn]
    rows = tuple(_number_row(column, at, x, shown) for column in part.columns for at in column.xs)
    text = (
        "Mean ± 1 standard error at each grid point, with the lowest and the highest value of its replicates; n counts "
        "the done trials behind it. Also in summary.csv."
    )
    title = "Numbers" if alone else f"Numbers over {x.label}"
    return [Heading(title), Paragraph(text), Table(header, rows, numeric=True)]


def _number_row(column: Column, at: float, x: Axis, drawn: Iterable[Series]) -> tuple[str, ...]:
    done = column.replicates[at]
    cells = [_cell(column.curves[series.quantity], at, done) for series in drawn]
    return (column.value_text, position(at, x.names), *cells, str(done))


def _cell(curve: Curve, x: float, done: int) -> str:
    point = next((point for point in curve.points if point.x == x), None)
    if point is None:
        return "–"
    fewer = "" if point.n == done else f" (n = {point.n})"
    return value(point) + spread(point) + fewer


def _left_out(results: Results, shown: Sequence[Part]) -> list[Block]:
    states = Counter(trial.state for trial in results.trials)
    items = [f"{state}: {_trial_count(count)}" for state, count in sorted(states.items()) if state != "done"]
    items += list(dict.fromkeys(line for part in shown for line in _gaps(part.columns)))
    unfitted = sum(trial.state == "done" and trial.interpolation_threshold == "not reached" for trial in results.trials)
    if unfitted:
        items.append(f"interpolation not reached (a result, nothing is left out): {_trial_count(unfitted)}")
    text = Bullets(tuple(items)) if items else Paragraph("Nothing: every trial is done and every value is finite.")
    return [Heading("Left out"), text, *_failures([trial for trial in results.trials if trial.failure])]


def _gaps(columns: Sequence[Column]) -> Iterable[str]:
    """The values of done trials that no curve contains."""
    for quantity in dict.fromkeys(name for column in columns for name in column.curves):
        missing = sum(column.curves[quantity].missing for column in columns)
        not_finite = sum(column.curves[quantity].not_finite for column in columns)
        if missing:
            yield f"{quantity} has no value: {_trial_count(missing)}"
        if not_finite:
            yield f"{quantity} is not finite: {_trial_count(not_finite)}"


def _failures(failed: Sequence[Trial]) -> list[Block]:
    if not failed:
        return []
    rows = tuple((trial.name, trial.state, _shortened(trial.failure or "")) for trial in failed[:LISTED])
    rest = len(failed) - len(rows)
    more = [Paragraph(f"And {_trial_count(rest)} more: see trials.csv.")] if rest else []
    return [Table(("trial", "state", "failure"), rows), *more]


def _notes(results: Results) -> list[Block]:
    """Notes that differ only in numbers are told once: the first of them, and how many trials they concern."""
    alike: dict[str, list[str]] = {}
    for trial in results.trials:
        for pattern, note in {re.sub(r"\d+(\.\d+)?", "#", note): note for note in trial.notes}.items():
            alike.setdefault(pattern, []).append(note)
    items = tuple(
        f"{_trial_count(len(notes))}: {_shortened(notes[0])}{' (the first of them)' if len(set(notes)) > 1 else ''}"
        for _, notes in sorted(alike.items())
    )
    return [Heading("Notes of the measures"), Bullets(items)] if items else []


def _again(header: ReportHeader, results: Results) -> list[Block]:
    timed = [trial.seconds for trial in results.trials if trial.seconds is not None]
    done = sum(trial.state == "done" for trial in results.trials)
    time = f"{duration(sum(timed))} of wall time in all, over {_trial_count(len(timed))} with a recorded time"
    cost = f"{_trial_count(len(results.trials))}, {done} done; {time}, training and measuring{_devices(results)}."
    lines = header.links + header.provenance
    return [
        Heading("Cost"),
        Paragraph(cost),
        Heading("Run it again"),
        Code(header.command),
        *([Bullets(lines)] if lines else []),
    ]


def _devices(results: Results) -> str:
    """Which devices the trials trained on, as far as that is known."""
    seconds: dict[str, list[float]] = {}
    for trial in results.trials:
        if trial.device and trial.seconds is not None:
            seconds.setdefault(trial.device, []).append(trial.seconds)
    told = [
        f"{duration(sum(each))} on {device} ({_trial_count(len(each))})" for device, each in sorted(seconds.items())
    ]
    return f": {', '.join(told)}" if told else ""


def _trial_count(count: int) -> str:
    return f"{count} trial" if count == 1 else f"{count} trials"


def _shortened(text: str) -> str:
    return text if len(text) <= FAILURE_CHARACTERS else f"{text[:FAILURE_CHARACTERS]}…"
