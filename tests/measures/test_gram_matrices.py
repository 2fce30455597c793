"""The Gram matrices that a measurement leaves for comparisons of networks: closed form, invariance, refusals."""

import numpy as np
import pytest
import torch
from torch import nn

from measures import Snapshot, Split, gram_matrices, linear_cka
from measures.activations import layer_activations
from measures.examples import chosen_examples
from orchestrator.report.group_similarity import debiased_cka


def snapshot(model: nn.Module, layers: tuple[str, ...], inputs: torch.Tensor) -> Snapshot:
    data = Split(inputs, torch.zeros(len(inputs), dtype=torch.long))
    return Snapshot(model.eval(), layers, data, data, nn.functional.cross_entropy)


def test_of_the_inputs_themselves_it_is_the_matrix_of_centred_products_over_its_trace() -> None:
    x = torch.randn(40, 7)
    found = gram_matrices(snapshot(nn.Sequential(nn.Identity()), ("0",), x))
    chosen = chosen_examples(Split(x, torch.zeros(40)), 300, seed=0).inputs  # all of them, in the order of the draws
    centred = (chosen - chosen.mean(dim=0)).double().numpy()
    expected = centred @ centred.T
    np.testing.assert_allclose(found.arrays["layer.0"], expected / expected.trace(), atol=1e-8)
    assert found.arrays["layer.0"].dtype == np.float32
    values = np.linalg.eigvalsh(expected)
    assert found.values["layer.0"].value == pytest.approx(values.sum() ** 2 / (values**2).sum())


def test_what_two_networks_leave_gives_the_alignment_of_their_activations() -> None:
    x = torch.randn(60, 6)
    nets = [nn.Sequential(nn.Linear(6, 20), nn.ReLU()) for _ in range(2)]
    grams = [np.asarray(gram_matrices(snapshot(net, ("1",), x)).arrays["layer.1"], dtype=np.float64) for net in nets]
    activations = [layer_activations(net, x, ["1"])["1"] for net in nets]
    assert debiased_cka(*grams) == pytest.approx(linear_cka(*activations, debiased=True).value, abs=1e-5)


def test_it_sees_neither_scale_nor_shift_and_takes_the_mean_over_positions_if_asked_to() -> None:
    x = torch.randn(30, 3, 4, 4)
    one = gram_matrices(snapshot(nn.Sequential(nn.Identity()), ("0",), x))
    two = gram_matrices(snapshot(nn.Sequential(nn.Identity()), ("0",), 5 * x + 2))
    np.testing.assert_allclose(one.arrays["layer.0"], two.arrays["layer.0"], atol=1e-6)
    conv = nn.Sequential(nn.Conv2d(3, 2, 1))
    means = gram_matrices(snapshot(conv, ("0",), x), positions="mean")
    assert np.linalg.matrix_rank(means.arrays["layer.0"].astype(float), tol=1e-6) == 2


def test_a_dead_layer_is_noted() -> None:
    dead = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    nn.init.constant_(dead[0].bias, -100.0)
    found = gram_matrices(snapshot(dead, ("1",), torch.randn(20, 4)))
    assert np.isnan(found.values["layer.1"].value) and not found.arrays["layer.1"].any()
    assert found.notes == ("Layer 1 is constant on these examples; its matrix is 0.",)


def test_refuses_positions_as_examples_and_no_layers() -> None:
    one = snapshot(nn.Sequential(nn.Identity()), ("0",), torch.randn(10, 3))
    with pytest.raises(ValueError, match="positions='examples' is not valid"):
        gram_matrices(one, positions="examples")
    with pytest.raises(ValueError, match="names no layers"):
        gram_matrices(snapshot(nn.Sequential(nn.Identity()), (), torch.randn(10, 3)))
