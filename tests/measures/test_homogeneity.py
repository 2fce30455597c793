"""Homogeneity: networks whose null directions and curvature are known, brute force, standard errors, bad input."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from measures import Snapshot, Split, eigenspaces, hessian_operator, homogeneity, perturbation_curve
from measures.parameter_directions import random_directions, unit


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear_classifier(num_features: int = 30) -> Snapshot:
    """Three classes of 12 examples on features of which only 4 ever differ from 0: the other weights do nothing."""
    model = nn.Linear(num_features, 3, bias=False).double()
    model.weight.data = 3 * gaussian(3, num_features, seed=1)
    x, more = (F.pad(gaussian(12, 4, seed=seed), (0, num_features - 4)) for seed in (2, 3))
    labels = torch.arange(12) % 3
    return Snapshot(model, (), Split(x, labels), Split(more, labels), F.cross_entropy)


def regression(num_features: int = 8) -> Snapshot:
    """Least squares at its solution, so that the loss rises by half the curvature times the squared length."""
    x, y = gaussian(40, num_features), gaussian(40, 1, seed=1)
    model = nn.Linear(num_features, 1, bias=False).double()
    model.weight.data = torch.linalg.lstsq(x, y).solution.T.clone()
    return Snapshot(model, (), Split(x, y), Split(x, y), F.mse_loss)


def mlp() -> Snapshot:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3)).double()
    train, test = (Split(gaussian(n, 4, seed=n), torch.arange(n) % 3) for n in (30, 25))
    return Snapshot(model.eval(), (), train, test, F.cross_entropy)


def steps(size: int, count: int = 3) -> Tensor:
    return unit(random_directions(size, count, torch.Generator().manual_seed(5)))


def test_null_directions_change_nothing() -> None:
    """At any length, and on examples that were not trained on; 8 of the 90 weights' directions have curvature."""
    measurement = homogeneity(linear_classifier(), max_length=50.0, num_top=2, num_excluded=8)
    for split in ("train", "test"):
        loss = measurement.values[f"{split}.loss"].value
        np.testing.assert_allclose(measurement.arrays[f"bottom.{split}.loss"], loss, rtol=1e-9)
        assert measurement.values[f"bottom.{split}.labels_kept"].value == 1.0
        assert measurement.values[f"bottom.{split}.labels_kept"].stderr == 0.0
        assert (measurement.arrays[f"bottom.{split}.labels_kept"] == 1.0).all()
        assert measurement.values[f"top.{split}.labels_kept"].value < 0.9
        assert measurement.values[f"top.{split}.loss"].value > 2 * loss
    assert abs(measurement.values["bottom.curvature"].value) < 1e-12 < measurement.values["top.curvature"].value
    assert measurement.notes == ()


def test_null_directions_of_a_large_network_change_nothing() -> None:
    """2,700 weights: the excluded directions are those of the Lanczos steps."""
    measurement = homogeneity(linear_classifier(900), max_length=50.0, num_lengths=2, num_excluded=40, num_top=2)
    assert measurement.values["bottom.test.labels_kept"].value == 1.0
    assert measurement.values["bottom.train.loss"].value == pytest.approx(
        measurement.values["train.loss"].value, rel=1e-6
    )
    assert measurement.values["top.train.labels_kept"].value < 0.9
    (note,) = measurement.notes  # the Hessian has rank 8
    assert note.startswith("Lanczos steps end after ") and note.endswith(": all other eigenvalues repeat those found.")


def test_along_an_eigenvector_the_loss_rises_by_half_the_eigenvalue_times_the_square() -> None:
    snapshot = regression()
    data = [(snapshot.train.inputs, snapshot.train.targets)]
    top = eigenspaces(hessian_operator(snapshot.model, F.mse_loss, data), num_top=3, num_excluded=4, seed=0).top
    lengths = np.linspace(0, 3, 7)
    curve = perturbation_curve(snapshot.model, F.mse_loss, data, top.eigenvectors, lengths)
    expected = np.square(lengths)[:, None] * top.eigenvalues / 2
    np.testing.assert_allclose(curve.losses - curve.losses[0, 0], expected, rtol=1e-10, atol=1e-13)
    assert curve.labels_kept is None


def test_curvature_is_that_of_the_rise() -> None:
    measurement = homogeneity(regression(), num_excluded=3, max_length=2.0)
    for space in ("top", "bottom"):
        rise = measurement.values[f"{space}.train.loss"].value - measurement.values["train.loss"].value
        assert rise == pytest.approx(2 * measurement.values[f"{space}.curvature"].value, rel=1e-10)
    assert math.isnan(measurement.values["top.train.labels_kept"].value)
    assert math.isnan(measurement.values["train.kept_more"].value)
    assert "The targets are no classes: there are no labels to keep." in measurement.notes


def test_the_network_is_moved_as_a_copy_of_it_would_be() -> None:
    snapshot = mlp()
    directions = steps(sum(p.numel() for p in snapshot.model.parameters()))
    x, y = snapshot.test.inputs, snapshot.test.targets
    batches = list(zip(x.split(7), y.split(7), strict=True))
    snapshot.model.train()
    before = copy.deepcopy(snapshot.model.state_dict())
    curve = perturbation_curve(snapshot.model, F.cross_entropy, batches, directions, [0.5, 2.0])
    assert snapshot.model.training
    assert all(torch.equal(value, before[name]) for name, value in snapshot.model.state_dict().items())
    model = snapshot.model.eval()
    with torch.no_grad():
        own = model(x).argmax(dim=1)
    for i, length in enumerate((0.5, 2.0)):
        for j in range(3):
            moved = copy.deepcopy(model)
            vector_to_parameters(
                parameters_to_vector(moved.parameters()) + length * directions[:, j], moved.parameters()
            )
            with torch.no_grad():
                outputs = moved(x)
            assert curve.losses[i, j] == pytest.approx(float(F.cross_entropy(outputs, y)), rel=1e-12)
            assert curve.labels_kept is not None
            assert curve.labels_kept[i, j] == pytest.approx(float((outputs.argmax(dim=1) == own).double().mean()))


def test_without_a_step_everything_is_as_it_was() -> None:
    measurement = homogeneity(mlp(), num_excluded=20)
    for space in ("top", "bottom"):
        for split in ("train", "test"):
            loss = measurement.values[f"{split}.loss"].value
            np.testing.assert_allclose(measurement.arrays[f"{space}.{split}.loss"][:, 0], loss, rtol=1e-12)
            assert (measurement.arrays[f"{space}.{split}.labels_kept"][:, 0] == 1.0).all()


def test_fields_are_means_over_draws_with_their_standard_errors() -> None:
    measurement = homogeneity(mlp(), num_draws=7, num_lengths=4, num_excluded=20)
    assert np.allclose(measurement.arrays["lengths"], [0, 1 / 3, 2 / 3, 1])
    for prefix in ("top.train", "bottom.test"):
        losses, kept = (measurement.arrays[f"{prefix}.{name}"] for name in ("loss", "labels_kept"))
        assert losses.shape == kept.shape == (7, 4)
        for name, by_draw in (
            ("loss", losses[:, -1]),
            ("labels_kept", kept[:, -1]),
            ("mean_labels_kept", kept.mean(axis=1)),
        ):
            estimate = measurement.values[f"{prefix}.{name}"]
            assert estimate.value == pytest.approx(by_draw.mean())
            assert estimate.stderr == pytest.approx(by_draw.std(ddof=1) / math.sqrt(7))
    names = ("test.kept_more", "bottom.test.labels_kept", "top.test.labels_kept")
    more, bottom, top = (measurement.values[name] for name in names)
    assert more.value == bottom.value - top.value and more.stderr == math.hypot(bottom.stderr, top.stderr)


def test_standard_errors_cover_other_draws() -> None:
    found = [homogeneity(mlp(), num_draws=8, num_lengths=2, num_excluded=20, seed=seed) for seed in range(12)]
    for name in ("top.train.loss", "bottom.test.loss"):
        spread = np.std([each.values[name].value for each in found], ddof=1)
        assert 0.5 < spread / np.mean([each.values[name].stderr for each in found]) < 2.0


def test_more_draws_narrow_the_error() -> None:
    few, many = (homogeneity(mlp(), num_draws=n, num_lengths=2, num_excluded=20).values for n in (5, 80))
    assert many["top.train.loss"].stderr < few["top.train.loss"].stderr / 2


def test_part_of_the_examples() -> None:
    whole, part = (homogeneity(mlp(), num_excluded=20, num_lengths=2, num_examples=n).values for n in (30, 10))
    assert whole["train.loss"].value != part["train.loss"].value
    assert whole["top.curvature"] == part["top.curvature"]  # directions are those of all examples


def test_a_bottom_that_is_not_flat_is_said() -> None:
    notes = homogeneity(regression(), num_excluded=3, num_top=2).notes
    assert any(note.startswith("The bottom eigenspace is not flat: its mean curvature is ") for note in notes)


def test_what_is_not_a_number_is_no_label_that_was_kept() -> None:
    snapshot = linear_classifier()
    broken = Split(snapshot.test.inputs * math.nan, snapshot.test.targets)
    measurement = homogeneity(dataclasses.replace(snapshot, test=broken), num_top=2, num_excluded=8, num_lengths=2)
    assert measurement.values["bottom.test.labels_kept"].value == 0.0
    assert math.isnan(measurement.values["test.loss"].value)
    expected = "The loss is not finite along some direction: test.loss, top.test.loss, bottom.test.loss."
    assert measurement.notes == (expected,)


def test_a_single_output_is_a_label_by_its_sign() -> None:
    model, x = nn.Linear(1, 1, bias=False), torch.tensor([[1.0], [-1.0], [2.0]])
    model.weight.data.fill_(1.0)
    data = [(x, torch.tensor([1, 0, 0]))]
    curve = perturbation_curve(
        model, lambda outputs, y: F.soft_margin_loss(outputs[:, 0], 2.0 * y - 1), data, torch.ones(1, 1), [-0.5, -1.5]
    )
    assert curve.labels_kept is not None and curve.labels_kept.tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"directions": torch.ones(3, 1)}, r"directions of norm \[1.732.*\] are not unit"),
        ({"directions": torch.eye(4)}, r"directions of shape \(4, 4\) are not valid: \(3, k\)"),
        ({"directions": torch.zeros(3, 0)}, r"directions of shape \(3, 0\) are not valid"),
        ({"lengths": []}, r"lengths=\[\] are not valid"),
        ({"lengths": [math.nan]}, r"lengths=\[nan\] are not valid"),
        ({"data": []}, "the data hold no examples"),
        ({"model": nn.Linear(2, 1).half()}, "parameter 'weight' is torch.float16"),
    ],
)
def test_refuses(changes: dict, message: str) -> None:
    arguments = {"model": nn.Linear(2, 1), "loss": F.mse_loss, "data": [(torch.eye(2), torch.zeros(2, 1))]}
    arguments |= {"directions": torch.eye(3), "lengths": [1.0]} | changes
    with pytest.raises(ValueError, match=message):
        perturbation_curve(**arguments)
