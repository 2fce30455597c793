"""Which bias the measures of one look at."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from measures import first_bias
from workers.models.mlp import mlp
from workers.models.network import Network
from workers.models.preact_resnet18 import preact_resnet18


class Shift(nn.Module):
    """A bias of the shape of an input."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(3, 4, 4))


def test_it_is_that_of_the_first_layer_that_has_a_trainable_one() -> None:
    network = mlp((5,), 1, width=4)
    parameter = network.module.get_parameter
    assert first_bias(network.module)[1] is parameter("hidden1.0.bias")
    assert first_bias(network.module, "output")[1] is parameter("output.bias")
    parameter("hidden1.0.bias").requires_grad_(False)
    assert first_bias(network.module)[1] is parameter("hidden2.0.bias")


def test_a_convolution_without_a_bias_is_passed_over() -> None:
    network = preact_resnet18((3, 8, 8), 1, width=2)
    assert first_bias(network.module)[1] is network.module.get_parameter("stage1.0.norm1.bias")


def test_input_bias_comes_first_wherever_it_stands_and_whatever_its_shape() -> None:
    shift = Shift()
    inner = nn.Sequential(OrderedDict(input_bias=shift))
    network = Network(nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(3), first=inner)), ())
    assert first_bias(network.module)[1] is shift.bias
    shift.bias.requires_grad_(False)
    assert first_bias(network.module)[1] is network.module.get_parameter("norm.bias")


@pytest.mark.parametrize("layer", ["hidden1", "hidden1.1", "nowhere"])
def test_a_layer_without_one_is_refused(layer: str) -> None:
    with pytest.raises(ValueError, match=f"layer '{layer}' .*; layers with one: hidden1.0, hidden2.0, output$"):
        first_bias(mlp((5,), 1).module, layer)


def test_a_network_without_one_is_refused() -> None:
    with pytest.raises(ValueError, match="the network has no trainable bias vector"):
        first_bias(nn.Linear(2, 1, bias=False))
