"""The curvature operators against those of curvlinops, on the same network and batches."""

import importlib
from types import ModuleType

import pytest
import torch
from torch import nn

from measures import fisher_operator, ggn_operator, hessian_operator

# What it imports, and torch's own forward mode that it uses, still call it.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")

NUM_OUTPUTS = 3


@pytest.fixture
def curvlinops() -> ModuleType:
    return importlib.import_module("curvlinops")  # here, where the filter holds


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (hessian_operator, "HessianLinearOperator"),
        (ggn_operator, "GGNLinearOperator"),
        (fisher_operator, "EFLinearOperator"),
    ],
)
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss()], ids=["cross-entropy", "squared error"])
def test_equals_the_peer(curvlinops: ModuleType, make, name: str, loss: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, NUM_OUTPUTS)).double().eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    inputs = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    is_mse = isinstance(loss, nn.MSELoss)
    targets = torch.randn(9, NUM_OUTPUTS, generator=generator).double() if is_mse else torch.arange(9) % NUM_OUTPUTS
    data = [(inputs[:6], targets[:6]), (inputs[6:], targets[6:])]  # batches of different size
    unit = torch.eye(sum(p.numel() for p in model.parameters()), dtype=torch.float64)
    expected = getattr(curvlinops, name)(model, loss, list(model.parameters()), data) @ unit
    if (
        is_mse and make is fisher_operator
    ):  # the peer divides the squares once by the number of outputs, not each factor
        expected = expected / NUM_OUTPUTS
    torch.testing.assert_close(make(model, loss, data) @ unit, expected, rtol=1e-11, atol=1e-13)
