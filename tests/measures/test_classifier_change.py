"""Changes of a classifier: null directions, a brute-force copy of the network, the plane of inputs, bad input."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from measures import Component, Snapshot, Split, classifier_change, eigenspaces, hessian_operator, measures
from measures.eigenspaces import top_and_bottom
from measures.input_plane import input_plane


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def logit_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype))


def net(num_outputs: int = 1) -> Snapshot:
    """On inputs of two numbers; classes are the sides of a line, learned a little."""
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, num_outputs)).double()
    train, test = (Split(x, (x[:, 0] + x[:, 1] > 0).long()) for x in (gaussian(40, 2), gaussian(25, 2, seed=1)))
    return Snapshot(model.eval(), (), train, test, logit_loss if num_outputs == 1 else F.cross_entropy)


def no_second_input() -> Snapshot:
    """A linear classifier whose second input is always 0: half of its weights do nothing."""
    model, x = nn.Linear(2, 2, bias=False).double(), gaussian(30, 2)
    model.weight.data = gaussian(2, 2, seed=1)
    x[:, 1] = 0
    data = Split(x, (x[:, 0] > 0).long())
    return Snapshot(model, (), data, data, F.cross_entropy)


def test_null_directions_change_no_label_of_what_was_trained_on_but_of_other_inputs() -> None:
    """The grid has no second number either, since it spans the examples."""
    values = classifier_change(no_second_input(), num_excluded=1, bottom_length=100.0, top_length=5.0).values
    assert values["bottom.train.labels_changed"].value == values["bottom.test.labels_changed"].value == 0
    assert values["bottom.plane_changed"].value == 0 and values["bottom.plane_change"].value < 1e-12
    assert values["top.train.labels_changed"].value > 0 and values["top.plane_change"].value > 0.1
    assert abs(values["bottom.curvature"].value) < 1e-12 < values["top.curvature"].value


@pytest.mark.parametrize("num_outputs", [1, 2, 3])
def test_it_is_what_a_copy_with_moved_weights_answers(num_outputs: int) -> None:
    snapshot = net(num_outputs)
    settings = {"num_top": 2, "num_excluded": 8, "num_draws": 3, "resolution": 7}
    found = classifier_change(snapshot, bottom_length=3.0, top_length=2.0, **settings)
    hessian = hessian_operator(snapshot.model, snapshot.loss, [(snapshot.train.inputs, snapshot.train.targets)])
    spaces = eigenspaces(hessian, num_top=2, num_excluded=8, seed=0)
    plane = input_plane(snapshot.train, 7, 0)
    for space, length in (("top", 2.0), ("bottom", 3.0)):
        counts, changes = [], []
        for direction in top_and_bottom(spaces, 3, 0)[space].T:
            moved = copy.deepcopy(snapshot.model)
            vector_to_parameters(parameters_to_vector(moved.parameters()) + length * direction, moved.parameters())
            before, after = (probabilities(each, plane.inputs) for each in (snapshot.model, moved))
            changes.append((after - before).abs().sum(dim=1) / 2)
            ours, theirs = (probabilities(each, snapshot.test.inputs) for each in (snapshot.model, moved))
            counts.append(float((ours.argmax(dim=1) != theirs.argmax(dim=1)).sum()))
        estimate = found.values[f"{space}.test.labels_changed"]
        assert estimate.value == pytest.approx(np.mean(counts))
        assert estimate.stderr == pytest.approx(np.std(counts, ddof=1) / math.sqrt(3))
        whole = torch.stack(changes)
        assert found.values[f"{space}.plane_change"].value == pytest.approx(float(whole.mean()), rel=1e-12)
        np.testing.assert_allclose(found.arrays[f"{space}.change"].ravel(), whole[0], rtol=1e-10, atol=1e-14)
    assert found.values["top.plane_change"].value > 0
    names = ("test.changed_more", "top.test.labels_changed", "bottom.test.labels_changed")
    more, top, bottom = (found.values[name] for name in names)
    assert more.value == top.value - bottom.value and more.stderr == math.hypot(top.stderr, bottom.stderr)


def probabilities(model: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        outputs = model(inputs)
    if outputs.shape[1] > 1:
        return outputs.softmax(dim=1)
    return torch.stack([1 - outputs[:, 0].sigmoid(), outputs[:, 0].sigmoid()], dim=1)


def test_a_picture_has_its_first_input_to_the_right_and_its_second_upwards() -> None:
    model = nn.Linear(2, 1).double()
    model.weight.data, model.bias.data = torch.tensor([[1.0, 0.0]]).double(), torch.zeros(1).double()
    x = torch.tensor([[-1.0, 5.0], [3.0, 7.0]]).double()
    data = Split(x, torch.tensor([0, 1]))
    arrays = classifier_change(Snapshot(model, (), data, data, logit_loss), num_excluded=1, resolution=4).arrays
    np.testing.assert_allclose(arrays["columns"], np.linspace(-1.2, 3.2, 4))
    np.testing.assert_allclose(arrays["rows"], np.linspace(4.9, 7.1, 4))
    np.testing.assert_allclose(arrays["probabilities"], np.tile(1 / (1 + np.exp(-arrays["columns"])), (4, 1)))
    assert arrays["points"].tolist() == [[-1, 5, 0], [3, 7, 1]]


def test_inputs_of_more_numbers_are_seen_on_the_plane_of_three_examples() -> None:
    data = Split(gaussian(10, 2, 3), torch.arange(10) % 2)
    plane = input_plane(data, 3, seed=0)
    assert plane.inputs.shape == (9, 2, 3) and plane.rows.tolist() == plane.columns.tolist() == [0, 0.5, 1]
    corners = [plane.inputs[i] for i in (0, 2, 6)]  # a, then b along the columns and c along the rows
    rows = [next(i for i, x in enumerate(data.inputs) if torch.allclose(x, corner)) for corner in corners]
    assert plane.points.tolist() == [[0, 0, rows[0] % 2], [1, 0, rows[1] % 2], [0, 1, rows[2] % 2]]
    assert torch.allclose(plane.inputs[8], corners[1] + corners[2] - corners[0])


def test_what_is_not_a_number_is_said() -> None:
    snapshot = net()
    broken = dataclasses.replace(snapshot, model=Overflowing(snapshot.model).eval())
    found = classifier_change(broken, num_excluded=8, bottom_length=1e6)
    assert math.isnan(found.values["bottom.plane_change"].value)
    assert "The outputs are not finite after a step in the bottom eigenspace." in found.notes


class Overflowing(nn.Module):
    """Answers nothing where its weights are huge."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: Tensor) -> Tensor:
        huge = sum(parameter.detach().abs().sum() for parameter in self.inner.parameters()) > 1e4
        return self.inner(inputs) * (math.nan if huge else 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": Split(gaussian(5, 2), gaussian(5))}, r"targets are torch\.float64: what changes are the labels"),
        ({"train": Split(gaussian(5, 2) * math.nan, torch.arange(5) % 2)}, "not finite"),
        ({"train": Split(gaussian(0, 2), torch.arange(0))}, "the data hold no examples"),
    ],
)
def test_refuses(changes: dict, message: str) -> None:
    snapshot = dataclasses.replace(net(), loss=lambda outputs, y: (outputs[:, 0] - y).square().mean(), **changes)
    with pytest.raises(ValueError, match=message):
        classifier_change(snapshot)


def test_two_examples_span_no_plane_of_many_numbers() -> None:
    with pytest.raises(ValueError, match="2 examples do not span a plane of inputs: 3 are needed"):
        input_plane(Split(gaussian(2, 3), torch.arange(2)), 5, seed=0)


@pytest.mark.parametrize("settings", [{"resolution": 1}, {"num_draws": 1}, {"top_length": 0.0}, {"num_top": 0}])
def test_settings_out_of_range(settings: dict) -> None:
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{name}={value} is not valid"):
        measures.resolve(Component("classifier_change", **settings))
