"""Groups of networks in a report: the arrays of the tidy table -> comparisons, verdicts, a table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from orchestrator.report.claims import Finding
from orchestrator.report.document import Block, Heading, Paragraph, Table
from orchestrator.report.group_similarity import MINIMUM_NETWORKS, Comparison, Floats, Spread, compared, distances
from orchestrator.report.numerals import significant
from orchestrator.report.peaks import Verdict
from orchestrator.report.presentation import Groups
from orchestrator.report.table import Results


@dataclass(frozen=True)
class ComparedGroups:
    """What a method finds; no comparison where a group has too few networks, of which there are `sizes`."""

    method: str
    comparison: Comparison | None
    sizes: tuple[int, int]


def compared_groups(
    results: Results, groups: Groups | None, generator: np.random.Generator
) -> tuple[ComparedGroups, ...]:
    """The groups by each of the methods; of the done trials that have all layers."""
    if groups is None:
        return ()
    names = [series.quantity for series in groups.layers]
    last = {
        (array.trial_id, array.name): np.asarray(array.values, dtype=np.float64)
        for array in sorted(results.arrays, key=lambda array: array.step)
        if array.name in names
    }
    members = [
        [
            [last[trial.trial_id, name] for name in names]
            for trial in results.trials
            if trial.state == "done" and trial.has(parameters) and all((trial.trial_id, name) in last for name in names)
        ]
        for parameters in groups.groups.values()
    ]
    sizes = len(members[0]), len(members[1])
    return tuple(
        ComparedGroups(method, _comparison(members, method, len(names), generator), sizes) for method in groups.methods
    )


def _comparison(
    members: list[list[list[Floats]]], method: str, num_layers: int, generator: np.random.Generator
) -> Comparison | None:
    first, second = members
    if min(len(first), len(second)) < MINIMUM_NETWORKS:
        return None
    of_layers = [distances([network[i] for network in (*first, *second)], method) for i in range(num_layers)]
    return compared(of_layers, len(first), generator)


def group_lines(groups: Groups, found: Comparison) -> Mapping[str, list[Spread]]:
    """The mean distances over the layers, within either group and between them."""
    first, second = groups.groups
    return {
        f"within {first}": [layer.within_first for layer in found.layers],
        f"within {second}": [layer.within_second for layer in found.layers],
        "between them": [layer.between for layer in found.layers],
    }


def group_findings(groups: Groups | None, found: tuple[ComparedGroups, ...]) -> Iterator[Finding]:
    """Of each method: is the first group more alike in the last layer, and does that grow with depth?"""
    if groups is None:
        return
    for each in found:
        yield _deep(groups, each)
        yield _growth(groups, each)


def _deep(groups: Groups, found: ComparedGroups) -> Finding:
    first, second = groups.groups
    claim = f"in {groups.layers[-1].label}, {first} are more alike than {second}, and than one of each"
    if found.comparison is None:
        return _unjudged(groups, claim, groups.published_deep, found)
    layer = found.comparison.layers[-1]
    differences = layer.second_less_first, layer.between_less_first
    verdict: Verdict = (
        "holds"
        if all(each.low > 0 for each in differences)
        else "does not hold"
        if any(each.high < 0 for each in differences)
        else "cannot be judged"
    )
    sentence = (
        f"Distance ({words(found.method)}) within {first} {spread_words(layer.within_first)}, within {second} "
        f"{spread_words(layer.within_second)}, between {spread_words(layer.between)}; less that within {first}: "
        f"{spread_words(differences[0])} and {spread_words(differences[1])}, {_counts(groups, found)}."
    )
    numbers = {"first": layer.within_first.value, "second": layer.within_second.value, "between": layer.between.value}
    return Finding(claim, groups.published_deep, _column(found), sentence, verdict, numbers)


def _growth(groups: Groups, found: ComparedGroups) -> Finding:
    first, _ = groups.groups
    claim = f"the lead of {first} grows from {groups.layers[0].label} to {groups.layers[-1].label}"
    if found.comparison is None:
        return _unjudged(groups, claim, groups.published_early, found)
    growth = found.comparison.growth
    verdict: Verdict = "holds" if growth.low > 0 else "does not hold" if growth.high < 0 else "cannot be judged"
    leads = ", ".join(
        f"{spread_words(layer.lead)} in {series.label}"
        for layer, series in zip(found.comparison.layers, groups.layers, strict=True)
    )
    sentence = (
        f"The lead ({words(found.method)}) is {leads}; it grows by {spread_words(growth)}, {_counts(groups, found)}."
    )
    return Finding(claim, groups.published_early, _column(found), sentence, verdict, {"growth": growth.value})


def _unjudged(groups: Groups, claim: str, published: str, found: ComparedGroups) -> Finding:
    sentence = f"There are {_counts(groups, found)}; a claim needs at least {MINIMUM_NETWORKS} in each group."
    return Finding(claim, published, _column(found), sentence, "cannot be judged", {"networks": min(found.sizes)})


def group_blocks(groups: Groups | None, found: tuple[ComparedGroups, ...]) -> Iterator[Block]:
    """A table for each method that has a comparison."""
    if groups is None:
        return
    for each in found:
        if each.comparison is not None:
            first, second = groups.groups
            yield Heading(f"{groups.label}: {words(each.method)}")
            yield Paragraph(f"Mean distances of {_counts(groups, each)}, with 95 % bootstrap intervals over networks.")
            header = ("layer", f"within {first}", f"within {second}", "between", "lead of the first")
            rows = tuple(
                (series.label, *map(spread_words, (layer.within_first, layer.within_second, layer.between, layer.lead)))
                for layer, series in zip(each.comparison.layers, groups.layers, strict=True)
            )
            yield Table(header, rows, numeric=True)


def _column(found: ComparedGroups) -> str:
    return f"all networks, {words(found.method)}"


def _counts(groups: Groups, found: ComparedGroups) -> str:
    return " and ".join(f"{size} {name}" for size, name in zip(found.sizes, groups.groups, strict=True))


def words(method: str) -> str:
    """The name of a method, as it is written."""
    names: Mapping[str, str] = {"debiased_cka": "debiased CKA", "svcca": "SVCCA"}
    return names[method]


def spread_words(spread: Spread) -> str:
    """A number and its interval, `0.12 (0.1 to 0.15)`."""
    return f"{significant(spread.value, 2)} ({significant(spread.low, 2)} to {significant(spread.high, 2)})"
