"""Which trials train together in one process. Pure.

One step of a small network is mostly the calls that make it, and a pack makes them once for all its members. On the
other hand a pack holds one device, and the others should not wait for it at the end; and what it computes on should
stay in a core's cache.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence

from workers.cost import CPU_CORE, Rate
from workers.fits.pack import PackKind
from workers.rehearsal import Rehearsal
from workers.spec import TrialSpec

Pack = tuple[TrialSpec, ...]

MOST_MEMBERS = 64  # more gain nothing, and lose more when a process dies
MOST_BYTES = 8 * 2**20  # of what its members compute on: more would not stay in a core's cache
MEMBER_SECONDS = 6e-5  # of a step, beside the arithmetic: copies, sums, the loss (docs/performance.md)
SHORT = 0.4  # of what each device has to do: packs that are all as short as this leave little idle at the end


def packs(
    trials: Iterable[TrialSpec], rehearsals: Mapping[str, Rehearsal], slots: int, rate: Rate = CPU_CORE
) -> tuple[Pack, ...]:
    """The trials in packs, the longest first, so that all are done soonest.

    `rehearsals` by trial id; `slots` packs train at once. Begins with packs as large as may be, and halves the longest
    again and again, which fills the devices better and costs more calls; of all that it comes by it takes the best.
    """
    kinds: dict[object, list[TrialSpec]] = {}
    found: list[Pack] = []
    for trial in longest_first(trials, rehearsals, rate):
        kind = rehearsals[trial.trial_id].pack
        if kind is None:
            found.append((trial,))
        else:
            kinds.setdefault(kind, []).append(trial)
    found += [pack for kind, members in kinds.items() for pack in _cut(members, _most_members(kind))]
    seconds = {pack: _seconds(pack, rehearsals, rate) for pack in found}
    best, soonest = found, _until_done(seconds.values(), slots)
    while (
        longest := max((pack for pack in seconds if len(pack) > 1), key=seconds.__getitem__, default=None)
    ) is not None:
        if len(seconds) >= slots and seconds[longest] <= SHORT * sum(seconds.values()) / slots:
            break
        del seconds[longest]
        seconds |= {half: _seconds(half, rehearsals, rate) for half in _cut(longest, (len(longest) + 1) // 2)}
        if (done := _until_done(seconds.values(), slots)) < soonest:
            best, soonest = list(seconds), done
    return tuple(sorted(best, key=lambda pack: -_seconds(pack, rehearsals, rate)))


def longest_first(
    trials: Iterable[TrialSpec], rehearsals: Mapping[str, Rehearsal], rate: Rate = CPU_CORE
) -> tuple[TrialSpec, ...]:
    """The trials in the order that leaves the least idle at the end."""
    return tuple(sorted(trials, key=lambda trial: -rehearsals[trial.trial_id].cost.seconds(rate)))


def _most_members(kind: object) -> int:
    pack_kind = kind[0] if isinstance(kind, tuple) else None
    assert isinstance(pack_kind, PackKind), "what a rehearsal gives"
    return max(1, min(MOST_MEMBERS, MOST_BYTES // pack_kind.bytes_per_member))


def _cut(members: Sequence[TrialSpec], size: int) -> list[Pack]:
    """Neighbours together: they take about equally long."""
    return [tuple(members[start : start + size]) for start in range(0, len(members), size)]


def _seconds(pack: Pack, rehearsals: Mapping[str, Rehearsal], rate: Rate) -> float:
    """Arithmetic adds up, calls are shared."""
    costs = [rehearsals[trial.trial_id].cost for trial in pack]
    calls = max(cost.steps for cost in costs) * rate.seconds_per_step
    return calls + sum(cost.steps * MEMBER_SECONDS + cost.flops / rate.flops_per_second for cost in costs)


def _until_done(seconds: Iterable[float], slots: int) -> float:
    """When the last device is free, if each takes the longest pack that is left."""
    busy = [0.0] * slots
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(busy, busy[0] + each)
    return max(busy)
