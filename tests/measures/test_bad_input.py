"""What every measure of the table says to networks and data it cannot measure: what is wrong, and never a number."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from measures import Component, Measurement, Snapshot, Split, measures
from tests.measures.test_measure_conformance import given, make_snapshot


def in_half_precision(snapshot: Snapshot) -> Snapshot:
    train, test = (Split(split.inputs.half(), split.targets) for split in (snapshot.train, snapshot.test))
    return replace(snapshot, model=copy.deepcopy(snapshot.model).half(), train=train, test=test)


def with_inputs_that_are_nan(snapshot: Snapshot) -> Snapshot:
    train, test = (Split(split.inputs * torch.nan, split.targets) for split in (snapshot.train, snapshot.test))
    return replace(snapshot, train=train, test=test)


def with_a_weight_that_is_nan(snapshot: Snapshot) -> Snapshot:
    model = copy.deepcopy(snapshot.model)
    next(model.parameters()).data[0, 0] = torch.nan
    return replace(snapshot, model=model)


def without_examples(snapshot: Snapshot) -> Snapshot:
    train, test = (Split(split.inputs[:0], split.targets[:0]) for split in (snapshot.train, snapshot.test))
    return replace(snapshot, train=train, test=test)


def with_equal_examples(snapshot: Snapshot) -> Snapshot:
    train, test = (Split(torch.ones_like(s.inputs), s.targets) for s in (snapshot.train, snapshot.test))
    return replace(snapshot, train=train, test=test)


def outcome(name: str, snapshot: Snapshot) -> Measurement | str:
    """The measurement, or the one line that refuses it."""
    try:
        return measures.call(Component(name), given(Component(name), snapshot))
    except ValueError as error:
        return str(error)


def is_flagged(found: Measurement) -> bool:
    return bool(found.notes) and all(estimate.value != estimate.value for estimate in found.values.values())


@pytest.mark.parametrize("name", measures.entries)
@pytest.mark.parametrize(
    ("spoiled", "problem"),
    [
        (with_inputs_that_are_nan, "NaN"),
        (with_a_weight_that_is_nan, "NaN"),
        (without_examples, "examples"),
    ],
)
def test_what_cannot_be_measured_gives_no_number(
    name: str, spoiled: Callable[[Snapshot], Snapshot], problem: str
) -> None:
    found = outcome(name, spoiled(make_snapshot()))
    if name == "norms" and spoiled is with_inputs_that_are_nan:  # of the weights alone
        assert found == outcome(name, make_snapshot())
        return
    if isinstance(found, str):
        assert "\n" not in found
        assert problem in found or "nan" in found  # the loss (nan)
    else:
        assert is_flagged(found) and problem in found.notes[0]


@pytest.mark.parametrize("name", measures.entries)
def test_half_precision_is_refused_or_said(name: str) -> None:
    found = outcome(name, in_half_precision(make_snapshot()))
    if isinstance(found, str):
        assert "float16" in found
    else:
        assert any("float16" in note for note in found.notes)


@pytest.mark.parametrize("name", measures.entries)
def test_equal_examples_give_a_reason_or_numbers_that_can_be_stored(name: str) -> None:
    """Curvature, norms and the like of one example repeated are well defined; distances between examples are not."""
    found = outcome(name, with_equal_examples(make_snapshot()))
    if name in ("intrinsic_dimension", "representation_similarity"):
        assert isinstance(found, Measurement) and is_flagged(found)
    elif isinstance(found, Measurement):
        assert all(estimate.value == estimate.value for estimate in found.values.values()) or found.notes
