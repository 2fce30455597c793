"""Packs: every trial once, only with its kind, no pack so long that other devices wait for it."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.registry import Component
from orchestrator.packing import MOST_BYTES, MOST_MEMBERS, longest_first, packs
from workers.cost import CPU_CORE, Cost
from workers.fits.dense_pack import Layer
from workers.fits.pack import PackKind
from workers.rehearsal import Rehearsal
from workers.spec import TrialSpec


def trial(seed: int) -> TrialSpec:
    return TrialSpec(
        dataset=Component("mnist1d"),
        model=Component("mlp"),
        optimizer=Component("sgd"),
        fit=Component("sgd"),
        init_seed=seed,
    )


TRIALS = [trial(seed) for seed in range(200)]


def kind(width: int) -> object:
    layers = (Layer("linear", (width, 48), width), Layer("relu"), Layer("linear", (16, width), 16))
    return PackKind(layers, ("SGD", False, True), 40, 10, 100, (), "float32"), Component("cross_entropy"), 4000


def rehearsals(given: Sequence[tuple[int | None, int, float]]) -> dict[str, Rehearsal]:
    """Of as many trials, by the width that decides on their kind, steps and operations."""
    return {
        each.trial_id: Rehearsal(Cost(steps, 10, flops, 0), None if width is None else kind(width))
        for each, (width, steps, flops) in zip(TRIALS, given, strict=False)
    }


CASES = st.lists(
    st.tuples(st.sampled_from([None, 16, 64, 1024]), st.integers(1, 10**5), st.floats(0, 1e15)),
    min_size=1,
    max_size=200,
)


@given(CASES, st.integers(1, 40))
def test_every_trial_is_in_one_pack_of_its_kind(cases: list[tuple[int | None, int, float]], slots: int) -> None:
    known = rehearsals(cases)
    trials = TRIALS[: len(cases)]
    found = packs(trials, known, slots)
    assert sorted(each.trial_id for pack in found for each in pack) == sorted(each.trial_id for each in trials)
    for pack in found:
        kinds = {known[each.trial_id].pack for each in pack}
        assert len(kinds) == 1 and len(pack) <= MOST_MEMBERS
        if len(pack) > 1:
            (only,) = kinds
            assert isinstance(only, tuple) and len(pack) * only[0].bytes_per_member <= MOST_BYTES


def test_equal_trials_fill_all_devices() -> None:
    """Few calls and much arithmetic, or the other way round: on two devices five of ten each, and none waits."""
    for flops in (1e3, 1e12):
        assert [len(pack) for pack in packs(TRIALS[:10], rehearsals([(16, 1000, flops)] * 10), 2)] == [5, 5]
    assert [len(pack) for pack in packs(TRIALS[:3], rehearsals([(16, 1000, 1e9)] * 3), 8)] == [1, 1, 1]


def test_one_long_trial_leaves_the_other_device_to_all_others() -> None:
    known = rehearsals([(None, 10**5, 1e9), *[(16, 1000, 1e3)] * 20])
    assert [len(pack) for pack in packs(TRIALS[:21], known, 2)] == [1, 20]


def test_a_pack_is_halved_where_devices_would_wait_for_it() -> None:
    """Arithmetic alone: thirty equal trials of one kind beside one of another that takes as long as ten of them."""
    known = rehearsals([(None, 1, 1e13), *[(16, 1, 1e12)] * 30])
    found = packs(TRIALS[:31], known, 2)
    seconds = [sum(known[each.trial_id].cost.flops for each in pack) / CPU_CORE.flops_per_second for pack in found]
    assert max(seconds) <= 20 * 1e12 / CPU_CORE.flops_per_second * 1.01


def test_the_longest_come_first() -> None:
    cases: list[tuple[int | None, int, float]] = [(None, 10, 1e9), (64, 1000, 1e9), (16, 10, 1e14), (None, 10, 1e13)]
    known = rehearsals(cases)
    assert packs(TRIALS[:4], known, 1) == tuple((TRIALS[place],) for place in (2, 3, 1, 0))
    shuffled = random.Random(0).sample(TRIALS[:4], 4)
    assert longest_first(shuffled, known) == tuple(TRIALS[place] for place in (2, 3, 1, 0))
    assert longest_first(TRIALS[4:6], rehearsals([(16, 1, 1.0)] * 6)) == tuple(TRIALS[4:6]), "equal ones as declared"


def test_neighbours_in_a_pack_take_about_equally_long() -> None:
    known = rehearsals([(1024, 1000 * (1 + place % 2), 1e9) for place in range(20)])
    for pack in packs(TRIALS[:20], known, 1):
        assert pack == longest_first(pack, known)


@pytest.mark.parametrize("slots", [1, 2, 64])
def test_what_no_pack_holds_trains_alone(slots: int) -> None:
    known = rehearsals([(None, 100, 1e9)] * 5)
    assert packs(TRIALS[:5], known, slots) == tuple((each,) for each in TRIALS[:5])
