"""Shapes and values of what the layers of the networks put out."""

import math

import pytest
import torch
from torch.nn import functional

from measures.registry import Component
from tests.workers.model_cases import CIFAR, built, example_inputs, network_of, representations
from workers.models.linear import linear


def test_conv11_has_the_strides_of_the_paper() -> None:
    outputs = representations(network_of(Component("conv11", width=2), CIFAR, 10), example_inputs("conv11", 2))
    assert [tuple(output.shape[1:]) for output in outputs.values()] == [
        *2 * [(2, 32, 32)],
        *3 * [(4, 16, 16)],
        *3 * [(8, 8, 8)],
        *3 * [(16, 4, 4)],
    ]
    assert all((output >= 0).all() for output in outputs.values())


def test_conv11_reads_out_the_average_of_every_map() -> None:
    network = built("conv11")
    inputs = example_inputs("conv11")
    maps = representations(network, inputs)["conv11"]
    expected = network.module.get_submodule("output")(maps.mean(dim=(2, 3)))
    torch.testing.assert_close(network.module(inputs), expected)


def test_convnet_reads_out_the_maximum_of_every_map() -> None:
    outputs = representations(built("convnet_4"), example_inputs("convnet_4"))
    torch.testing.assert_close(outputs["pool"], outputs["block5"].amax(dim=(2, 3)), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("depth", "channels", "sides"),
    [
        (0, [16, 16], [32]),
        (1, [16, 32, 32], [32, 16]),
        (2, [16, 32, 64, 64], [32, 16, 8]),
        (3, [16, 32, 64, 128, 128], [32, 16, 8, 4]),
        (5, [16, 16, 32, 32, 64, 128, 128], [32, 32, 16, 16, 8, 4]),
        (8, [16, 16, 16, 32, 32, 32, 64, 64, 128, 128], [32, 32, 32, 16, 16, 16, 8, 8, 4]),
    ],
)
def test_convnet_has_the_maps_of_the_paper(depth: int, channels: list[int], sides: list[int]) -> None:
    network = network_of(Component("convnet", width=16, depth=depth), CIFAR, 100)
    outputs = list(representations(network, example_inputs("convnet_0", 2)).values())
    assert [output.shape[1] for output in outputs] == channels
    assert [tuple(output.shape[2:]) for output in outputs] == [*((side, side) for side in sides), ()]


def test_the_convnet_of_depth_0_ignores_the_last_rows_and_columns() -> None:
    network = built("convnet_0")
    network.module.eval()
    inputs = example_inputs("convnet_0")
    outputs = network.module(inputs)
    # The map's row 23 still sees row 24 of the image.
    inputs[:, :, 25:], inputs[:, :, :, 25:] = 9.0, 9.0
    assert torch.equal(network.module(inputs), outputs)
    inputs[:, :, 24] = 9.0
    assert not torch.equal(network.module(inputs), outputs)


@pytest.mark.parametrize(
    ("case", "maps"),
    [
        ("lenet", [(6, 14, 14), (16, 5, 5), (120,), (84,)]),
        ("binary_cnn", [(784,), (96, 8, 8), (384, 1, 1), (384,)]),
        ("mnist_cnn", [(4, 14, 14), (8, 7, 7), (128,)]),
        ("sinusoid_net", [(10,), (32,), (32,), (32,)]),
        ("spirals_net", [(20,)] * 6),
        ("transformer", [(4, 128)] * 4),
        ("linear", []),
    ],
)
def test_representations_have_the_shapes_of_the_papers(case: str, maps: list[tuple[int, ...]]) -> None:
    outputs = representations(built(case), example_inputs(case))
    assert [tuple(output.shape[1:]) for output in outputs.values()] == maps


@pytest.mark.parametrize(
    ("case", "padding", "window"), [("lenet", 0, 2), ("binary_cnn", 0, 3), ("mnist_cnn", 1, 2), ("convnet_4", 1, 2)]
)
def test_convolutions_are_rectified_and_then_max_pooled(case: str, padding: int, window: int) -> None:
    network = built(case)
    first, second = ("block2", "block3") if case == "convnet_4" else ("conv1", "conv2")
    outputs = representations(network, example_inputs(case))
    convolution = network.module.get_submodule(f"{second}.0")
    weight, bias = convolution.get_parameter("weight"), convolution.get_parameter("bias")
    maps = functional.conv2d(outputs[first], weight, bias, padding=padding)
    if case == "convnet_4":  # batch norm has seen nothing yet: mean 0, variance 1
        maps = maps / math.sqrt(1 + 1e-5)
    windows = maps.clamp(min=0).unfold(2, window, window).unfold(3, window, window)
    torch.testing.assert_close(outputs[second], windows.amax(dim=(4, 5)))


@pytest.mark.parametrize(
    ("case", "first", "second", "linear_name"),
    [
        ("lenet", "conv2", "hidden1", "hidden1.1"),
        ("lenet", "hidden1", "hidden2", "hidden2.0"),
        ("binary_cnn", "conv2", "hidden1", "hidden1.1"),
        ("mnist_cnn", "conv2", "hidden1", "hidden1.1"),
        ("sinusoid_net", "input_relu", "hidden1", "hidden1.0"),
        ("binary_mlp", "input_relu", "hidden1", "hidden1.0"),
    ],
)
def test_hidden_units_are_rectified(case: str, first: str, second: str, linear_name: str) -> None:
    network = built(case)
    outputs = representations(network, example_inputs(case))
    layer = network.module.get_submodule(linear_name)
    expected = outputs[first].flatten(1) @ layer.get_parameter("weight").T + layer.get_parameter("bias")
    torch.testing.assert_close(outputs[second], expected.clamp(min=0))


def test_the_spirals_network_has_elus() -> None:
    network = built("spirals_net")
    x = example_inputs("spirals_net")
    layers = [(network.module.get_parameter(f"hidden{i}.0.weight"), f"hidden{i}.0.bias") for i in range(1, 7)]
    expected = x
    for weight, bias in layers:
        z = expected @ weight.T + network.module.get_parameter(bias)
        expected = torch.where(z > 0, z, z.exp() - 1)
    output = network.module.get_submodule("output")
    torch.testing.assert_close(network.module(x), output(expected))


def test_the_linear_model_is_a_matrix_product() -> None:
    network = linear((2, 3), 4)
    x = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network.module(x), x.reshape(5, 6) @ network.module.get_parameter("output.weight").T)
