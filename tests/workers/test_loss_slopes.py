"""The derivative that a loss of one output tells."""

import math

import pytest
import torch

from measures.registry import Component
from workers.losses import losses
from workers.losses.loss import Loss

MSE: Loss = losses.call(Component("half_mean_squared_error"), None)
BCE: Loss = losses.call(Component("half_binary_cross_entropy"), 2)
WHOLE_BCE: Loss = losses.call(Component("binary_cross_entropy"), 2)


@pytest.mark.parametrize("loss", [MSE, BCE, WHOLE_BCE], ids=["MSE/2", "BCE/2", "BCE"])
def test_slope_is_the_derivative_of_the_loss(loss: Loss) -> None:
    """By automatic differentiation of the loss as a function of f, written out here."""
    outputs = torch.linspace(-6, 6, 12, dtype=torch.float64)[:, None]
    targets = torch.arange(12) % 2
    f = (outputs if loss is MSE else outputs.sigmoid())[:, 0].requires_grad_(True)
    y = targets.double()
    each = (f - y).square() if loss is MSE else -(y * f.log() + (1 - y) * (1 - f).log())
    each = each if loss is WHOLE_BCE else each / 2
    assert each.mean().item() == pytest.approx(loss.mean(outputs, targets).item(), rel=1e-12)
    (expected,) = torch.autograd.grad(each.sum(), f)
    assert loss.slope is not None
    torch.testing.assert_close(loss.slope(outputs, targets), expected.abs(), rtol=1e-12, atol=0)


def test_slope_of_cross_entropy_is_right_where_the_sigmoid_is_one() -> None:
    """At output 40 the sigmoid is 1 in float64, and 1 - f would be 0; for label 0 the true value is exp(40) / 2."""
    assert BCE.slope is not None
    slopes = BCE.slope(torch.full((2, 1), 40.0, dtype=torch.float64), torch.tensor([0, 1]))
    assert slopes.tolist() == pytest.approx([math.exp(40) / 2, 0.5], rel=1e-12)
