"""What a report shows of a league: a table and the worst cases of each target, what was left out, and a file of it all.

Pure, like all of the report.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.report.document import Block, Bullets, Heading, Paragraph, Picture, Table
from orchestrator.report.league import Ranking, Standing, rankings, replicates_differ_in
from orchestrator.report.pairs import Interval
from orchestrator.report.presentation import League
from orchestrator.report.table import Results

RULES = (
    "Pairs are of trials in different cells of the grid. Ties count as in Kendall's tau-b.",
    "ψ of an axis is the mean tau along the lines on which all else is fixed; a measure that is constant on a line "
    "counts as 0 there. Ψ is the mean over the axes along which there are lines, and orders the table.",
    "Partial tau is what is left between the orders of contender and target once that of the covariates is regressed "
    "out; none where that leaves nothing.",
    "CMI is the information on the target's order that is left given the settings of both trials on the worst set of "
    "at most two axes, as a share of the uncertainty: 0 for a function of two settings, 1 for an order that is always "
    "told. It does not know right from reversed.",
    "The sign error is the share of pairs in the wrong order between cells that differ on one axis: a half is a coin. "
    "Cells count by how certain it is that their target differs, (1 − 2p)+ with the p of Welch's test, so differences "
    "within the noise of the replicates do not count. Failed: such pairs of cells with an error above a half. Worst: "
    "the largest of their errors.",
    "Intervals are 95 %, from a bootstrap over the replicates of each cell: what other seeds would change, not what "
    "another grid or other data would.",
)
FAILURES = ("contender", "CMI", "sign error", "failed", "worst", "where")


@dataclass(frozen=True)
class LeagueReport:
    """What a league adds to a report: blocks, and files by name."""

    blocks: tuple[Block, ...]
    files: Mapping[str, bytes]


def league_report(results: Results, league: League | None, generator: np.random.Generator) -> LeagueReport:
    """The league as blocks and files, nothing if there is none; the figure only where a contender has a place."""
    if league is None:
        return LeagueReport((), {})
    ranked = rankings(results, league, generator)
    pictures: dict[str, bytes] = {}
    blocks: list[Block] = []
    if any(ranking.standings for ranking in ranked):
        from orchestrator.report.drawing import render  # here: they load Matplotlib, which most commands do without
        from orchestrator.report.interaction import interactive
        from orchestrator.report.league_figure import league_figure

        drawing = league_figure(ranked)
        svg, told = interactive(drawing)
        pictures = {"league.png": render(drawing, "png"), "league.svg": svg}
        picture = Picture("league.png", svg.decode(), _description(ranked), _caption(results, league), told)
        blocks += [Heading("League"), picture]
    blocks += [block for ranking in ranked for block in _table(ranking, league)]
    blocks += [Heading("How the league is made"), Bullets(RULES)]
    return LeagueReport(tuple(blocks), {**pictures, "league.csv": _csv(ranked)})


def _description(ranked: Sequence[Ranking]) -> str:
    return f"Rank correlation of every contender with {', '.join(ranking.target.label for ranking in ranked)}"


def _caption(results: Results, league: League) -> str:
    differing = ", ".join(replicates_differ_in(results, league)) or "nothing: every cell has one trial"
    return (
        "Ψ, the mean over the axes of the granulated Kendall coefficient, and Kendall's tau over all pairs, with 95 % "
        "bootstrap intervals over replicates; one that is narrower than its dot is hidden by it. Open signs are the "
        "axes by themselves. Contenders are in the order of the first target. "
        f"Replicates differ in {differing}. Numbers: league.csv."
    )


def _table(ranking: Ranking, league: League) -> Iterable[Block]:
    yield Heading(f"Which tells the {ranking.target.label}?")
    given = ", ".join(each.label for each in league.given)
    header = (
        "contender",
        "n",
        "Ψ",
        *(f"ψ {axis.label}" for axis in ranking.axes),
        "tau",
        *([f"tau given {given}"] if given else []),
    )
    if ranking.standings:
        yield Table(header, tuple(_row(standing, given) for standing in ranking.standings), numeric=True)
        yield Paragraph(f"In 95 % of random orders of the trials, CMI is at most {ranking.chance:.3f}.")
        yield Table(FAILURES, tuple(map(_failures, ranking.standings)), numeric=True)
    left_out = tuple(_left_out(ranking))
    yield Bullets(left_out) if left_out else Paragraph("Every contender is ranked on all done trials.")


def _row(standing: Standing, given: str) -> tuple[str, ...]:
    return (
        standing.contender.label,
        str(standing.n),
        _interval(standing.psi),
        *(_number(interval.value) for interval in standing.granulated),
        _interval(standing.tau),
        *([_interval(standing.partial)] if given else []),
    )


def _failures(standing: Standing) -> tuple[str, ...]:
    information, failures = standing.information, standing.failures
    return (
        standing.contender.label,
        f"{information.value:.3f} ± {information.stderr:.3f}",
        _interval(standing.sign_error),
        f"{failures.failed} of {failures.known}",
        _number(failures.worst),
        failures.where or "–",
    )


def _left_out(ranking: Ranking) -> Iterable[str]:
    for standing in ranking.standings:
        if standing.missing:
            yield f"{standing.contender.label}: {standing.missing} done trials were not measured"
        if standing.not_finite:
            yield f"{standing.contender.label}: not finite in {standing.not_finite} done trials"
    yield from (f"no place: {reason}" for reason in ranking.unranked)


def _interval(interval: Interval | None) -> str:
    if interval is None or math.isnan(interval.value):
        return "–"
    if interval.low is None or interval.high is None:
        return _number(interval.value)
    return f"{_number(interval.value)} ({_number(interval.low)} to {_number(interval.high)})"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _csv(ranked: Sequence[Ranking]) -> bytes:
    """One line for each statistic of each contender, in full."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("target", "contender", "quantity", "sign", "n", "statistic", "value", "low", "high", "stderr"))
    for ranking in ranked:
        for standing in ranking.standings:
            who = standing.contender
            for name, numbers in _statistics(ranking, standing):
                writer.writerow((ranking.target.label, who.label, who.quantity, who.sign, standing.n, name, *numbers))
    return file.getvalue().encode()


def _statistics(ranking: Ranking, standing: Standing) -> Iterable[tuple[str, tuple[float | None, ...]]]:
    intervals = {"psi": standing.psi, "tau": standing.tau, "partial_tau": standing.partial}
    granulated = zip(ranking.axes, standing.granulated, strict=True)
    intervals |= {f"psi.{axis.parameter}": interval for axis, interval in granulated}
    intervals["sign_error"] = standing.sign_error
    for name, interval in intervals.items():
        if interval is not None:
            yield name, (interval.value, interval.low, interval.high, None)
    yield "conditional_information", (standing.information.value, None, None, standing.information.stderr)
    yield "failed_environments", (standing.failures.failed, None, None, None)
    yield "known_environments", (standing.failures.known, None, None, None)
    yield "worst_sign_error", (standing.failures.worst, None, None, None)
