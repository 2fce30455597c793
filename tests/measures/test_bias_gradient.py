"""Slope of the function in its first bias: against the input gradient, autograd, and the bounds of the theory."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Snapshot, Split, bias_gradient, local_lipschitz
from measures.bias_gradient import gradient_norms
from workers.models.input_bias import biased_input_mlp
from workers.models.lenet import lenet
from workers.models.network import Network
from workers.models.resnet18 import resnet18


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def snapshot(model: nn.Module, inputs: Tensor) -> Snapshot:
    data = Split(inputs, torch.zeros(len(inputs), dtype=torch.long))
    return Snapshot(model, (), data, data, F.cross_entropy)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_behind_an_identity_it_is_the_local_lipschitz_constant(sigmoid: bool) -> None:
    model, x = biased_input_mlp((5,), 1, width=8, depth=2).module.double(), gaussian(30, 5)
    found = bias_gradient(snapshot(model, x), sigmoid=sigmoid)
    expected = local_lipschitz(model, x, sigmoid=sigmoid)
    np.testing.assert_allclose(np.sort(found.arrays["per_example"]), np.sort(expected.per_point), rtol=1e-12)
    for name in ("mean", "lipschitz_lower", "lipschitz_upper"):
        assert found.values[name].value == pytest.approx(expected.value, rel=1e-12)
        assert found.values[name].stderr == pytest.approx(expected.stderr, rel=1e-12)
    assert found.values["largest"].value == pytest.approx(expected.largest, rel=1e-12)
    assert found.notes == ()


@pytest.mark.parametrize(("width", "num_outputs"), [(4, 1), (12, 1), (4, 3)])
def test_the_lipschitz_constant_lies_between_its_bounds(width: int, num_outputs: int) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, width), nn.Tanh(), nn.Linear(width, num_outputs)).double()
    x = gaussian(40, 2, 3)
    values = bias_gradient(snapshot(model, x)).values
    lower, upper = values["lipschitz_lower"].value, values["lipschitz_upper"].value
    assert lower <= local_lipschitz(model, x).value <= upper
    assert (lower == 0) == (width > 6)  # more units than inputs: directions of the bias that no input has


@pytest.mark.parametrize("network", [lenet((3, 16, 16), 3), resnet18((3, 16, 16), 3, width=2)], ids=["conv", "norm"])
def test_equals_autograd_example_by_example_and_class_by_class(network: Network) -> None:
    """Also of convolutions and of the bias of a batch norm, which all positions share."""
    model, x = network.module.double().eval(), gaussian(4, 3, 16, 16)
    found = bias_gradient(snapshot(model, x))
    name, bias = next((n, p) for n, p in model.named_parameters() if n.endswith("bias"))
    expected = []
    for example in x:
        rows = [torch.autograd.grad(output, bias, retain_graph=True)[0].flatten() for output in model(example[None])[0]]
        expected.append(float(torch.linalg.matrix_norm(torch.stack(rows), 2)))
    np.testing.assert_allclose(gradient_norms(model, name.removesuffix(".bias"), x), expected, rtol=1e-10)
    assert found.values["largest"].value == pytest.approx(max(expected), rel=1e-10)
    assert math.isnan(found.values["lipschitz_upper"].value)
    assert found.notes[0].endswith(
        "is not a linear map of the inputs: its bias gives no bounds of the Lipschitz constant."
    )


def test_of_another_layer_there_are_no_bounds() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    found = bias_gradient(snapshot(model, gaussian(5, 3)), layer="2")
    assert found.values["mean"].value == 1 and math.isnan(found.values["lipschitz_lower"].value)


@pytest.mark.parametrize(
    ("model", "inputs", "settings", "message"),
    [
        (nn.Linear(2, 1, bias=False), torch.zeros(3, 2), {}, "no trainable bias vector"),
        (nn.Linear(2, 2), torch.zeros(3, 2), {"sigmoid": True}, "sigmoid=True is not valid for 2 outputs"),
        (nn.Linear(2, 1), torch.full((3, 2), torch.nan), {}, "3 of 3 inputs hold NaN or infinity"),
        (nn.Linear(2, 1).half(), torch.zeros(3, 2), {}, "is torch.float16; this measure needs"),
        (
            nn.Linear(2, 1),
            torch.zeros(3, 2),
            {"layer": "x"},
            "layer 'x' has no trainable bias vector; layers with one: ",
        ),
    ],
)
def test_refuses(model: nn.Module, inputs: Tensor, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bias_gradient(snapshot(model, inputs), **settings)
