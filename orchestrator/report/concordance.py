"""Concordance: of networks that are about equal in one quantity, does a second one order a third?

Maddox, Benton & Wilson (arXiv 2003.02139, figure 2) draw lines of equal parameter count across a map of width and
depth, and read off them that test loss follows effective dimensionality where the count cannot tell the networks
apart. This is a number for it: of all pairs of networks on about one such line, the share that the two quantities order
alike. Chance gives 1/2. The count still differs a little along a line, so its own share on the same pairs is what the
other one has to beat.

Pairs share networks and are not independent: the bootstrap draws networks, and a pair counts as often as both of its
networks were drawn together.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.report.claim_kinds import Concordance
from orchestrator.report.curves import Column
from orchestrator.report.judgement import Judgement
from orchestrator.report.numerals import significant
from orchestrator.report.peaks import Verdict

MINIMUM_PAIRS = 10
RESAMPLES = 2000
PAIRS_AT_ONCE = 2**20
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """A share of pairs, and the ends of its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Concordances:
    """Shares of the pairs that are ordered as the other quantity orders them: by the quantity, and by the given one."""

    quantity: Share
    given: Share
    difference: Share
    networks: int
    pairs: int


def concordance(claim: Concordance, columns: tuple[Column, ...], generator: np.random.Generator) -> Judgement:
    """Whether the quantity orders the other one better than the given one does."""
    networks = _networks(claim, columns)
    alike = pairs_alike(networks[:, 2], claim.factor)
    if len(alike[0]) < MINIMUM_PAIRS:
        text = (
            f"{len(alike[0])} pairs among {len(networks)} networks differ by at most a factor of {claim.factor:g} in "
            f"{claim.given_label}; a claim needs at least {MINIMUM_PAIRS}"
        )
        return Judgement("cannot be judged", text, {"pairs": len(alike[0]), "networks": len(networks)})
    found = concordances(networks, alike, generator)
    text = (
        f"{claim.label} orders {_words(found.quantity)} of {found.pairs} pairs as {claim.other_label} does, "
        f"{claim.given_label} {_words(found.given)}; the difference is {_words(found.difference)} ({found.networks} "
        f"networks, pairs within a factor of {claim.factor:g}, 95 % intervals)"
    )
    shares = {"quantity": found.quantity, "given": found.given, "difference": found.difference}
    numbers = {f"{name}{end}": getattr(share, key) for name, share in shares.items() for end, key in ENDS}
    return Judgement(_verdict(found), text, {**numbers, "pairs": found.pairs, "networks": found.networks})


ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def _networks(claim: Concordance, columns: tuple[Column, ...]) -> Floats:
    """The three quantities of each network that has them all and is among those asked for, (network, 3)."""
    names = (claim.quantity, claim.other, claim.given)
    rows: list[list[float]] = []
    for column in columns:
        known = [{point.x: point.mean for point in column.curves[name].points} for name in names]
        limit = known[0] if claim.among is None else _at_most(column, claim.among.quantity, claim.among.level)
        rows += [[each[x] for each in known] for x in column.xs if all(x in each for each in (*known, limit))]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _at_most(column: Column, quantity: str, level: float) -> dict[float, float]:
    return {point.x: point.mean for point in column.curves[quantity].points if point.mean <= level}


def pairs_alike(given: Floats, factor: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All pairs of positive numbers that differ by at most a factor."""
    first, second = np.triu_indices(len(given), 1)
    alike = np.abs(np.log(given[first]) - np.log(given[second])) <= math.log(factor)
    return first[alike], second[alike]


def concordances(
    networks: Floats, pairs: tuple[NDArray[np.intp], NDArray[np.intp]], generator: np.random.Generator
) -> Concordances:
    """Of networks (quantity, other, given) and some of their pairs, the shares, with intervals over networks."""
    first, second = pairs
    order = np.sign(networks[first] - networks[second])
    agreement = (1 + order[:, [0, 2]] * order[:, [1]]) / 2  # 1, 1/2 for a tie, 0; of the quantity, of the given one
    at_once = max(1, PAIRS_AT_ONCE // len(first))
    sizes = [min(at_once, RESAMPLES - start) for start in range(0, RESAMPLES, at_once)]
    drawn = np.concatenate([_resampled(agreement, pairs, len(networks), size, generator) for size in sizes])
    point = _shares(agreement, np.ones((1, len(first))))[0]
    quantity, given, difference = (_share(point[i], drawn[:, i]) for i in range(3))
    return Concordances(quantity, given, difference, len(networks), len(first))


def _resampled(
    agreement: Floats,
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    networks: int,
    size: int,
    generator: np.random.Generator,
) -> Floats:
    times = generator.multinomial(networks, np.full(networks, 1 / networks), size=size).astype(np.float64)
    weights = times[:, pairs[0]] * times[:, pairs[1]]
    return _shares(agreement, weights[weights.sum(axis=1) > 0])


def _shares(agreement: Floats, weights: Floats) -> Floats:
    """Of each sample of pairs: the share of the quantity, that of the given one, and their difference."""
    quantity, given = (weights @ agreement / weights.sum(axis=1, keepdims=True)).T
    given = np.maximum(given, 1 - given)
    return np.column_stack([quantity, given, quantity - given])


def _share(value: float, drawn: Floats) -> Share:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Share(float(value), float(low), float(high))


def _verdict(found: Concordances) -> Verdict:
    if found.quantity.low > 0.5 and found.difference.low > 0:
        return "holds"
    return "does not hold" if found.quantity.high < 0.5 or found.difference.high < 0 else "cannot be judged"


def _words(share: Share) -> str:
    return f"{significant(share.value, 2)} ({significant(share.low, 2)} to {significant(share.high, 2)})"
