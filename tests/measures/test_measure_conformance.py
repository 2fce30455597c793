"""What every measure of the table must do, with its defaults, on any network."""

import json
import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from measures import Component, Measurement, Snapshot, SnapshotPair, Split, compares_pairs, measures


def make_snapshot(seed: int = 0) -> Snapshot:
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    train, test = (
        Split(torch.randn(n, 6, generator=generator), torch.randint(3, (n,), generator=generator)) for n in (40, 50)
    )
    return Snapshot(model.eval(), ("0", "2"), train, test, F.cross_entropy)


def given(component: Component, snapshot: Snapshot) -> Snapshot | SnapshotPair:
    """What the measure takes; a pair is of the network and another one."""
    return SnapshotPair(snapshot, make_snapshot(seed=1)) if compares_pairs(component) else snapshot


@pytest.fixture(params=measures.entries)
def component(request: pytest.FixtureRequest) -> Component:
    return Component(request.param)


def test_leaves_the_network_and_the_global_generators_untouched(component: Component) -> None:
    snapshot = make_snapshot()
    what_it_takes = given(component, snapshot)
    snapshot.model.train()  # the worst case: nothing protects buffers and random numbers but the measure itself
    for parameter in snapshot.model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    before = {name: value.clone() for name, value in snapshot.model.state_dict().items()}
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    measures.call(component, what_it_takes)
    assert all(torch.equal(before[name], value) for name, value in snapshot.model.state_dict().items())
    assert all(module.training for module in snapshot.model.modules())
    assert all(torch.equal(p.grad, torch.full_like(p, 2.0)) and p.requires_grad for p in snapshot.model.parameters())
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def as_bytes(measurement: Measurement) -> bytes:
    numbers = json.dumps({name: [e.value, e.stderr] for name, e in measurement.values.items()})
    return numbers.encode() + b"".join(array.tobytes() for array in measurement.arrays.values())


def test_same_inputs_same_bits(component: Component) -> None:
    one = measures.call(component, given(component, make_snapshot()))
    torch.manual_seed(123)
    two = measures.call(component, given(component, make_snapshot()))
    assert as_bytes(one) == as_bytes(two) and one.notes == two.notes


def test_result_can_be_stored(component: Component) -> None:
    measurement = measures.call(component, given(component, make_snapshot()))
    for name, estimate in measurement.values.items():
        assert re.fullmatch(r"[\w.-]+", name)
        assert type(estimate.value) is float and type(estimate.stderr) in (float, type(None))
        assert estimate.stderr is None or estimate.stderr >= 0
    assert any(not math.isnan(estimate.value) for estimate in measurement.values.values())
    assert all(isinstance(array, np.ndarray) and array.dtype.kind in "fi" for array in measurement.arrays.values())
    assert all(isinstance(note, str) and note.endswith(".") for note in measurement.notes)


def test_settings_have_a_canonical_form(component: Component) -> None:
    assert measures.canonical(component) == [component.name, {}]
    assert json.loads(json.dumps(measures.canonical(measures.resolve(component)))) == [component.name, {}]


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (Component("hessian_spectrum", z=(0.0,)), "z.0=0.0 is not valid"),
        (Component("hessian_spectrum", z=()), r"z=\(\) is not valid"),
        (Component("hessian_spectrum", num_probes=1), "num_probes=1 is not valid"),
        (Component("intrinsic_dimension", discard_fraction=1.0), "discard_fraction=1.0 is not valid"),
        (Component("activation_regions", through="line"), "through='line' is not valid"),
        (Component("activation_regions", resolution=1), "resolution=1 is not valid"),
        (Component("dropout_bound", beta=0.5), "beta=0.5 is not valid"),
        (Component("far_lipschitz_bound", num_points=1), "num_points=1 is not valid"),
        (Component("homogeneity", num_draws=1), "num_draws=1 is not valid"),
        (Component("homogeneity", max_length=0.0), "max_length=0.0 is not valid"),
        (Component("lipschitz", num_examples=1), "num_examples=1 is not valid"),
        (Component("loss_surface", planes=("any",)), "planes.0='any' is not valid"),
        (Component("loss_surface", num_excluded=1), "num_excluded=1 is not valid"),
        (Component("margins", seed=-1), "seed=-1 is not valid"),
        (Component("pac_bayes_sigma", target=1.0), "target=1.0 is not valid"),
        (Component("pac_bayes_sigma", noise="uniform"), "noise='uniform' is not valid"),
        (Component("pac_bayes_sigma", num_draws=1), "num_draws=1 is not valid"),
        (Component("intrinsic_dimension", method="pca"), "method='pca' is not valid"),
    ],
)
def test_refuses_settings(component: Component, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measures.resolve(component)
