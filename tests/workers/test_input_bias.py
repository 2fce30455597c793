"""The layer of which only the bias is trained."""

import math

import pytest
import torch
from torch import nn

from measures.registry import Component
from tests.workers.model_cases import built, example_inputs, network_of, representations


def test_the_first_layer_is_a_linear_one_with_the_identity_as_weights() -> None:
    network = built("sinusoid_net")
    first = nn.Linear(10, 10)
    first.weight.data = torch.eye(10)
    first.bias.data = network.module.get_parameter("input_bias.bias").data
    x = example_inputs("sinusoid_net")
    outputs = representations(network, x)
    torch.testing.assert_close(outputs["input_relu"], first(x).relu(), rtol=0, atol=0)


@pytest.mark.parametrize("case", ["binary_cnn", "binary_mlp", "sinusoid_net"])
def test_the_gradient_in_the_bias_is_the_gradient_in_the_input(case: str) -> None:
    """The identity on which Theorem 1 of Loukas et al. rests."""
    network = built(case)
    x = example_inputs(case, num_examples=1).requires_grad_()
    bias = network.module.get_parameter("input_bias.bias")
    in_bias, in_input = torch.autograd.grad(network.module(x).squeeze(), [bias, x])
    assert in_bias.any()
    assert torch.equal(in_bias, in_input.flatten())


def test_the_input_bias_starts_as_that_of_a_linear_layer() -> None:
    bias = network_of(Component("sinusoid_net"), (10_000,), 1).module.get_parameter("input_bias.bias").detach()
    assert bias.abs().max() <= 0.01
    # Uniform within 0.01: deviation 0.01 / sqrt(3), known to about 0.5 % of it from 10,000 numbers.
    assert bias.std().item() == pytest.approx(0.01 / math.sqrt(3), rel=0.03)
    assert bias.mean().item() == pytest.approx(0, abs=5 * 0.01 / math.sqrt(3 * 10_000))


def test_binary_networks_put_out_logits() -> None:
    network = built("binary_mlp")
    network.module.get_parameter("output.bias").data += 5
    assert (network.module(example_inputs("binary_mlp")) > 1).all()
