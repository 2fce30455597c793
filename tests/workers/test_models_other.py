"""What every network must do, and how many parameters it has.

The networks are those of the effective-dimensionality, trajectory, activation-dimension and single-direction papers.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch

from measures.registry import Component
from tests.workers.model_cases import CASES, CIFAR, MNIST, built, example_inputs, num_parameters, representations
from workers.models import models
from workers.models.mlp import mlp
from workers.models.spirals_net import spirals_net

every_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture
def deterministic() -> Iterator[None]:
    was = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(was)


@every_case
def test_layers_are_named_in_forward_order(case: str) -> None:
    network = built(case)
    outputs = representations(network, example_inputs(case))
    assert tuple(outputs) == network.layers
    assert all(output.shape[0] == 8 for output in outputs.values())
    assert "output" not in network.layers


@every_case
@pytest.mark.usefixtures("deterministic")
def test_every_parameter_is_trained(case: str) -> None:
    network = built(case)
    outputs = network.module(example_inputs(case))
    assert outputs.shape == (8, CASES[case][2])
    (outputs * torch.randn(outputs.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    without = [name for name, p in network.module.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@every_case
def test_the_seed_decides_every_bit(case: str) -> None:
    first, again, other = (built(case, seed).module.state_dict() for seed in (0, 0, 1))
    assert list(first) == list(again)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@every_case
def test_evaluation_draws_nothing(case: str) -> None:
    network = built(case)
    network.module.eval()
    before = torch.get_rng_state()
    outputs = network.module(example_inputs(case))
    assert torch.equal(network.module(example_inputs(case)), outputs)
    assert torch.equal(torch.get_rng_state(), before)


@every_case
def test_examples_do_not_see_each_other_in_evaluation(case: str) -> None:
    network = built(case)
    network.module.eval()
    inputs = example_inputs(case)
    torch.testing.assert_close(network.module(inputs)[3:5], network.module(inputs[3:5]))


@pytest.mark.parametrize(
    ("component", "input_shape", "valid"),
    [
        (Component("binary_cnn"), (784,), "binary_cnn takes images (channels, h, w) of at least 25 x 25"),
        (Component("binary_cnn"), (1, 24, 32), "binary_cnn takes images (channels, h, w) of at least 25 x 25"),
        (Component("conv11"), (40,), "conv11 takes images (channels, h, w) of at least 1 x 1"),
        (Component("convnet"), MNIST, "convnet takes images (channels, h, w) of at least 32 x 32"),
        (Component("convnet", depth=0), (3, 23, 23), "convnet takes images (channels, h, w) of at least 24 x 24"),
        (Component("lenet"), (3, 15, 32), "lenet takes images (channels, h, w) of at least 16 x 16"),
        (Component("mnist_cnn"), (1, 3, 3), "mnist_cnn takes images (channels, h, w) of at least 4 x 4"),
        (Component("transformer"), CIFAR, "transformer takes 1 to 1024 tokens (num_tokens,)"),
        (Component("transformer"), (1025,), "transformer takes 1 to 1024 tokens (num_tokens,)"),
    ],
)
def test_other_shapes_are_refused_in_one_line(component: Component, input_shape: tuple[int, ...], valid: str) -> None:
    with pytest.raises(ValueError) as refusal:
        models.call(component, input_shape, 10)
    assert str(refusal.value) == f"input shape {input_shape} is not valid: {valid}"


@pytest.mark.parametrize(
    ("component", "input_shape"),
    [
        (Component("binary_cnn"), (1, 25, 25)),
        (Component("conv11", width=1), (1, 1, 9)),
        (Component("convnet", width=1), CIFAR),
        (Component("convnet", width=1, depth=0), (3, 24, 24)),
        (Component("convnet", width=1, depth=1), (1, 64, 33)),
        (Component("convnet", width=1, depth=2), (1, 64, 33)),
        (Component("lenet"), (3, 16, 16)),
        (Component("lenet"), MNIST),
        (Component("mnist_cnn"), (3, 4, 7)),
    ],
)
def test_the_smallest_and_other_images_are_taken(component: Component, input_shape: tuple[int, ...]) -> None:
    module = models.call(component, input_shape, 7).module.eval()
    assert module(torch.zeros(2, *input_shape)).shape == (2, 7)


@pytest.mark.parametrize(
    ("component", "input_shape", "num_outputs", "expected"),
    [
        (Component("lenet"), CIFAR, 10, 62_006),
        (Component("transformer"), (4,), 97, 553_088),
        (Component("sinusoid_net"), (10,), 1, 2_507),
        (Component("sinusoid_net", depth=1), (10,), 1, 10 + 11 * 32 + 33),
        (Component("binary_cnn"), CIFAR, 1, 1_080_577),
        (Component("binary_cnn"), MNIST, 1, 1_073_489),
        (Component("binary_mlp"), MNIST, 1, 403_217),
        (Component("spirals_net"), (2,), 1, 2_181),
        (Component("mnist_cnn"), MNIST, 10, 10 * 32 + (9 * 32 + 1) * 64 + (49 * 64 + 1) * 128 + 129 * 10),
        (Component("linear"), (1, 20, 10), 1, 200),
        (Component("linear", bias=True), (200,), 3, 603),
    ],
)
def test_parameter_counts(component: Component, input_shape: tuple[int, ...], num_outputs: int, expected: int) -> None:
    assert num_parameters(component, input_shape, num_outputs) == expected


@pytest.mark.parametrize(
    ("width", "depth", "expected"),
    [
        (4, 0, 620),
        (16, 3, 110_820),
        (32, 3, 415_076),
        (64, 0, 8_420),
        (64, 1, 88_932),
        (64, 2, 397_412),
        (64, 3, 1_604_196),
        (32, 5, 461_444),
        (64, 5, 1_789_092),
        (64, 8, 2_564_580),
    ],
)
def test_published_parameter_counts_of_the_convnet(width: int, depth: int, expected: int) -> None:
    assert num_parameters(Component("convnet", width=width, depth=depth), CIFAR, 100) == expected


def test_all_144_convnets_have_the_count_of_the_closed_formula() -> None:
    """With u(w) = 9 w^2 + 3 w: 30 c before the stages, (n + 1) u(w) in one of n blocks that starts from w channels."""
    for width in range(4, 65, 4):
        for depth in range(9):
            blocks = [math.ceil((depth - stage) / 3) for stage in range(min(depth, 3))]
            starts = [width * 2**stage for stage in range(3)]
            stages = sum((n + 1) * (9 * w**2 + 3 * w) for n, w in zip(blocks, starts, strict=False))
            expected = 30 * width + stages + 100 * (width * 2 ** min(depth, 3) + 1)
            assert num_parameters(Component("convnet", width=width, depth=depth), CIFAR, 100) == expected


@pytest.mark.parametrize("depth", range(1, 15))
def test_two_spirals_counts_by_depth(depth: int) -> None:
    assert spirals_net((2,), 1, depth=depth).num_parameters == 501 + 420 * (depth - 1)


@pytest.mark.parametrize("width", range(1, 30))
def test_two_spirals_counts_by_width(width: int) -> None:
    assert spirals_net((2,), 1, width=width, depth=3).num_parameters == 3 * width**2 + 7 * width + 1
    assert spirals_net((2,), 1, width=width, depth=5).num_parameters == 5 * width**2 + 9 * width + 1


@pytest.mark.parametrize("width", [128, 512, 2048])
def test_single_direction_mlps_are_the_mlp(width: int) -> None:
    with torch.device("meta"):
        network = mlp(MNIST, 10, width=width, depth=2)
    assert network.num_parameters == width**2 + (784 + 1 + 1 + 10) * width + 10
    assert len(network.layers) == 2


@pytest.mark.parametrize("batch_norm", [True, False])
def test_conv11_has_the_channels_of_the_paper(batch_norm: bool) -> None:
    channels = [3, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512, 512]
    convolutions = sum(9 * before * after for before, after in pairwise(channels))
    each_map = (2 if batch_norm else 1) * sum(channels[1:])
    component = Component("conv11", batch_norm=batch_norm)
    assert num_parameters(component, CIFAR, 10) == convolutions + each_map + 513 * 10
