"""The measure hessian_spectrum: exact path against autograd, sampled path against the exact one, notes, arrays."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from measures import Snapshot, Spectrum, Split, hessian_operator, hessian_spectrum


def make_snapshot(width: int = 6, seed: int = 0, num_examples: int = 60) -> Snapshot:
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, width), nn.Tanh(), nn.Linear(width, 3)).double()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    inputs = torch.randn(num_examples, 5, generator=generator, dtype=torch.float64)
    data = Split(inputs, torch.randint(3, (num_examples,), generator=generator))
    unused = Split(torch.full_like(inputs, torch.nan), data.targets)
    return Snapshot(model.eval(), ("1",), data, unused, F.cross_entropy)


def eigenvalues_of(snapshot: Snapshot, **options: str) -> np.ndarray:
    data = [(snapshot.train.inputs, snapshot.train.targets)]
    hessian = hessian_operator(snapshot.model, snapshot.loss, data, **options)
    return np.linalg.eigvalsh((hessian @ torch.eye(hessian.shape[0], dtype=hessian.dtype)).numpy())


def test_small_networks_are_measured_exactly() -> None:
    snapshot = make_snapshot()
    eigenvalues = eigenvalues_of(snapshot)
    values = hessian_spectrum(snapshot, z=(0.01, 2.5)).values
    positive = np.maximum(eigenvalues, 0)
    assert values["exact"].value == 1.0
    assert values["num_parameters"].value == len(eigenvalues) == 57
    for z in (0.01, 2.5):
        assert values[f"effective_dimensionality_z{z:g}"].value == pytest.approx((positive / (positive + z)).sum())
        assert values[f"effective_dimensionality_z{z:g}"].stderr == 0.0
        unclipped = (eigenvalues / (eigenvalues + z)).sum()
        assert values[f"unclipped_effective_dimensionality_z{z:g}"].value == pytest.approx(unclipped, rel=1e-6)
        top = positive[-10:]
        assert values[f"top_effective_dimensionality_z{z:g}"].value == pytest.approx((top / (top + z)).sum())
    for i in range(1, 11):
        assert values[f"eigenvalue_{i}"].value == pytest.approx(eigenvalues[-i], rel=1e-9)
        assert 0 <= values[f"residual_{i}"].value < 1e-10
    assert values["trace"].value == pytest.approx(eigenvalues.sum())
    assert values["negative_mass"].value == pytest.approx(np.maximum(-eigenvalues, 0).sum() / np.abs(eigenvalues).sum())
    assert values["truncation"].value == 0.0


def test_an_eigenvalue_near_minus_z_makes_the_unclipped_sum_anything() -> None:
    lowest = -eigenvalues_of(make_snapshot())[0]
    assert lowest > 0.01
    values = hessian_spectrum(make_snapshot(), z=(float(f"{lowest:.5g}"),)).values
    (unclipped,) = (estimate.value for name, estimate in values.items() if name.startswith("unclipped"))
    (clipped,) = (estimate.value for name, estimate in values.items() if name.startswith("effective"))
    assert abs(unclipped) > 1000 > 57 > clipped > 0


def test_loss_and_gradient_norm() -> None:
    snapshot = make_snapshot()
    loss = snapshot.loss(snapshot.model(snapshot.train.inputs), snapshot.train.targets)
    gradients = torch.autograd.grad(loss, list(snapshot.model.parameters()))
    values = hessian_spectrum(snapshot).values
    assert values["loss"].value == pytest.approx(float(loss.detach()))
    assert values["gradient_norm"].value == pytest.approx(math.hypot(*(float(g.norm()) for g in gradients)))


def test_sampled_spectrum_agrees_with_the_exact_one() -> None:
    snapshot = make_snapshot(width=80)
    exact = hessian_spectrum(snapshot, num_steps=100, num_probes=10).values
    sampled = [hessian_spectrum(snapshot, num_steps=60, num_probes=4, seed=seed).values for seed in range(6)]
    assert exact["exact"].value == 1.0 and sampled[0]["exact"].value == 0.0
    for name in ("effective_dimensionality_z0.01", "effective_dimensionality_z1", "trace", "negative_mass"):
        mean = np.mean([values[name].value for values in sampled])
        stderr = math.sqrt(np.mean([values[name].stderr ** 2 for values in sampled]) / 6)
        assert abs(mean - exact[name].value) < 4 * stderr + 1e-3 * exact[name].value
    for i in range(1, 11):
        assert sampled[0][f"eigenvalue_{i}"].value == pytest.approx(exact[f"eigenvalue_{i}"].value, rel=1e-3)
        assert sampled[0][f"residual_{i}"].value < 1e-3 * exact["eigenvalue_1"].value


def test_published_recipe_sums_over_batches_and_counts_positive_ritz_values() -> None:
    snapshot = make_snapshot()  # 48 weights: 100 Lanczos steps see the whole spectrum
    ritz_values = eigenvalues_of(snapshot, parameters="matrices") * 8
    positive = ritz_values[ritz_values > 1e-9]
    value = hessian_spectrum(snapshot, recipe_batch_size=8).values["published_effective_dimensionality"].value
    assert value == pytest.approx((positive / (positive + 1)).sum(), rel=1e-6)  # 60 examples make 8 batches of 8


def test_published_recipe_does_not_estimate_the_full_sum() -> None:
    snapshot = make_snapshot(width=80, num_examples=300)
    values = hessian_spectrum(snapshot, z=(1 / 300,), recipe_batch_size=1).values  # the same z in both scales
    published = values["published_effective_dimensionality"]
    assert published.value < 100 < values["effective_dimensionality_z0.00333333"].value
    assert published.stderr is None


def test_published_recipe_without_matrices_is_not_a_number() -> None:
    data = Split(torch.randn(9, 3, generator=torch.Generator().manual_seed(0)), torch.arange(9) % 3)
    measurement = hessian_spectrum(Snapshot(nn.LayerNorm(3), (), data, data, F.cross_entropy))
    assert math.isnan(measurement.values["published_effective_dimensionality"].value)
    assert any("no parameter has more than one dimension" in note for note in measurement.notes)


def test_permuting_neurons_changes_nothing() -> None:
    snapshot = make_snapshot()
    before = hessian_spectrum(snapshot).values
    order, (first, _, last) = torch.randperm(6), snapshot.model
    first.weight.data, first.bias.data = first.weight.data[order], first.bias.data[order]
    last.weight.data = last.weight.data[:, order]
    after = hessian_spectrum(snapshot).values
    for name in ("effective_dimensionality_z1", "eigenvalue_1", "trace", "loss"):
        assert after[name].value == pytest.approx(before[name].value, rel=1e-10)


def test_rescaling_layers_changes_it_though_not_the_function() -> None:
    """As the docstring says: not invariant under reparametrisation."""
    data = make_snapshot().train
    model = nn.Sequential(nn.Linear(5, 6, bias=False), nn.ReLU(), nn.Linear(6, 3, bias=False)).double()
    snapshot = Snapshot(model.eval(), ("1",), data, data, F.cross_entropy)
    before = hessian_spectrum(snapshot).values
    model[0].weight.data *= 10
    model[2].weight.data /= 10
    after = hessian_spectrum(snapshot).values
    assert after["loss"].value == pytest.approx(before["loss"].value)
    assert after["eigenvalue_1"].value > 10 * before["eigenvalue_1"].value


def test_arrays_hold_the_spectrum_for_any_other_z() -> None:
    snapshot = make_snapshot(width=80)
    measurement = hessian_spectrum(snapshot, num_steps=30, num_probes=3)
    arrays, size = measurement.arrays, int(measurement.values["num_parameters"].value)
    spectrum = Spectrum(size, arrays["exact_eigenvalues"], arrays["diagonals"], arrays["off_diagonals"])
    expected = hessian_spectrum(snapshot, z=(0.37,), num_steps=30, num_probes=3).values
    assert spectrum.effective_dimensionality(0.37) == expected["effective_dimensionality_z0.37"]
    np.testing.assert_array_equal(spectrum.nodes, arrays["nodes"])
    np.testing.assert_array_equal(spectrum.weights, arrays["weights"])


def test_says_that_too_few_steps_were_taken() -> None:
    notes = hessian_spectrum(make_snapshot(width=80), z=(1e-4,), num_steps=4, num_probes=30).notes
    assert any(note.startswith("At z=0.0001 the last quarter of the Lanczos steps changed") for note in notes)


def test_says_how_much_curvature_is_negative() -> None:
    measurement = hessian_spectrum(make_snapshot())
    share = measurement.values["negative_mass"].value
    assert share > 0.01
    assert any(note.startswith(f"Negative curvature makes up {share:.1%}") for note in measurement.notes)


def test_says_which_eigenvalues_have_not_converged() -> None:
    """Linear regression whose Hessian has 1500 evenly spaced eigenvalues between 1 and 2."""
    eigenvalues = torch.linspace(1, 2, 1500)
    data = Split(torch.diag((1500 / 2 * eigenvalues).sqrt()), torch.zeros(1500, 1))
    snapshot = Snapshot(nn.Linear(1500, 1, bias=False), (), data, data, F.mse_loss)
    measurement = hessian_spectrum(snapshot, num_eigenvalues=60, num_steps=2, num_probes=2)
    values = measurement.values
    limit = 1e-3 * values["eigenvalue_1"].value
    late = [str(i) for i in range(1, 61) if values[f"residual_{i}"].value > limit]
    assert late
    assert f"Eigenvalues {', '.join(late)} have not converged; their residuals bound their errors." in measurement.notes


def test_network_with_fewer_parameters_than_eigenvalues_asked_for() -> None:
    data = Split(torch.randn(9, 1, generator=torch.Generator().manual_seed(0)), torch.arange(9) % 2)
    measurement = hessian_spectrum(Snapshot(nn.Linear(1, 2), (), data, data, F.cross_entropy))
    assert not math.isnan(measurement.values["eigenvalue_4"].value)
    assert math.isnan(measurement.values["eigenvalue_5"].value) and math.isnan(measurement.values["residual_10"].value)
    assert "Only 4 eigenvalues exist; the others asked for are NaN." in measurement.notes
