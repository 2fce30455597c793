"""Networks of the effective-dimensionality, trajectory, activation-dimension and single-direction experiments."""

import math
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from measures.registry import Component
from workers.models import models
from workers.models.conv11 import conv11
from workers.models.convnet import convnet
from workers.models.linear import linear
from workers.models.mlp import mlp
from workers.models.network import Network
from workers.models.sinusoid_net import sinusoid_net
from workers.models.spirals_net import spirals_net
from workers.models.transformer import transformer

CIFAR, MNIST = (3, 32, 32), (1, 28, 28)

# Small enough for a test: component, input shape, outputs.
CASES = {
    "binary_cnn": (Component("binary_cnn"), MNIST, 1),
    "binary_mlp": (Component("binary_mlp"), MNIST, 1),
    "conv11": (Component("conv11", width=4), CIFAR, 10),
    "conv11_plain": (Component("conv11", width=4, batch_norm=False), CIFAR, 10),
    "convnet_0": (Component("convnet", width=4, depth=0), CIFAR, 10),
    "convnet_4": (Component("convnet", width=4, depth=4), CIFAR, 10),
    "lenet": (Component("lenet"), CIFAR, 10),
    "linear": (Component("linear", bias=True), (5, 2), 3),
    "mnist_cnn": (Component("mnist_cnn", width=4), MNIST, 10),
    "sinusoid_net": (Component("sinusoid_net"), (10,), 1),
    "spirals_net": (Component("spirals_net"), (2,), 1),
    "transformer": (Component("transformer"), (4,), 97),
}
every_case = pytest.mark.parametrize("case", CASES)


def built(case: str, seed: int = 0) -> Network:
    component, input_shape, num_outputs = CASES[case]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return models.call(component, input_shape, num_outputs)


def example_inputs(case: str, num_examples: int = 8) -> Tensor:
    shape = (num_examples, *CASES[case][1])
    generator = torch.Generator().manual_seed(1)
    if case == "transformer":
        return torch.randint(0, 99, shape, generator=generator)
    return torch.randn(shape, generator=generator)


def representations(network: Network, inputs: Tensor) -> dict[str, Tensor]:
    """Outputs of the layers, in the order in which they came."""
    outputs: dict[str, Tensor] = {}

    def note(name: str, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs[name] = output

    for name in network.layers:
        network.module.get_submodule(name).register_forward_hook(partial(note, name))
    network.module.eval()
    network.module(inputs)
    return outputs


def num_parameters(component: Component, input_shape: tuple[int, ...], num_outputs: int) -> int:
    with torch.device("meta"):
        return models.call(component, input_shape, num_outputs).num_parameters


@pytest.fixture(autouse=True)
def same_draws() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def deterministic() -> Iterator[None]:
    was = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(was)


# What every one of them must do


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


# Parameter counts, of the references where they give one


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


# Shapes and values


def test_conv11_has_the_strides_of_the_paper() -> None:
    outputs = representations(conv11(CIFAR, 10, width=2), torch.randn(2, *CIFAR))
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
    outputs = list(representations(convnet(CIFAR, 100, width=16, depth=depth), torch.randn(2, *CIFAR)).values())
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


# The layer of which only the bias is trained


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
    bias = sinusoid_net((10_000,), 1).module.get_parameter("input_bias.bias").detach()
    assert bias.abs().max() <= 0.01
    # Uniform within 0.01: deviation 0.01 / sqrt(3), known to about 0.5 % of it from 10,000 numbers.
    assert bias.std().item() == pytest.approx(0.01 / math.sqrt(3), rel=0.03)
    assert bias.mean().item() == pytest.approx(0, abs=5 * 0.01 / math.sqrt(3 * 10_000))


def test_binary_networks_put_out_logits() -> None:
    network = built("binary_mlp")
    network.module.get_parameter("output.bias").data += 5
    assert (network.module(example_inputs("binary_mlp")) > 1).all()


# Transformer


def library_block(network: Network, block: int, width: int = 128) -> nn.TransformerEncoderLayer:
    """torch's own block with our weights."""
    layer = nn.TransformerEncoderLayer(
        width,
        4,
        4 * width,
        dropout=0,
        activation=partial(functional.gelu, approximate="tanh"),
        batch_first=True,
        norm_first=True,
    )
    attention, feed_forward = f"block{block}_attention", f"block{block}_mlp"
    ours = {
        "norm1": f"{attention}.0",
        "self_attn.in_proj": f"{attention}.1.query_key_value",
        "self_attn.out_proj": f"{attention}.1.projection",
        "norm2": f"{feed_forward}.0",
        "linear1": f"{feed_forward}.1.expansion",
        "linear2": f"{feed_forward}.1.projection",
    }
    state = network.module.state_dict()
    weights: dict[str, Tensor] = {}
    for theirs, name in ours.items():
        joint = "_" if theirs.endswith("in_proj") else "."
        weights |= {f"{theirs}{joint}{part}": state[f"{name}.{part}"] for part in ("weight", "bias")}
    layer.load_state_dict(weights)
    return layer


def test_the_transformer_agrees_with_the_blocks_of_torch() -> None:
    network = built("transformer")
    with torch.no_grad():
        for parameter in network.module.parameters():  # far from where attention is uniform and biases are zero
            parameter += 0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    network.module.eval()
    tokens = example_inputs("transformer")
    parts = network.module
    stream = (
        parts.get_parameter("embedding.token.weight")[tokens] + parts.get_parameter("embedding.position.weight")[:4]
    )
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    for block in (1, 2):
        stream = library_block(network, block)(stream, src_mask=mask, is_causal=True)
    expected = parts.get_submodule("output")(parts.get_submodule("norm")(stream)[:, 3])
    torch.testing.assert_close(network.module(tokens), expected, rtol=1e-4, atol=1e-4)


def test_layers_of_the_transformer_come_before_the_residual_stream() -> None:
    network = built("transformer")
    tokens = example_inputs("transformer")
    outputs = representations(network, tokens)
    assert tuple(outputs) == ("block1_attention", "block1_mlp", "block2_attention", "block2_mlp")
    stream = network.module.get_submodule("embedding")(tokens) + sum(outputs.values())
    logits = network.module.get_submodule("output")(network.module.get_submodule("norm")(stream[:, -1]))
    torch.testing.assert_close(network.module(tokens), logits)


def test_a_token_sees_none_that_follow() -> None:
    tokens = example_inputs("transformer")
    changed = tokens.clone()
    changed[:, 2] = (changed[:, 2] + 1) % 99
    for before, after in zip(
        representations(built("transformer"), tokens).values(),
        representations(built("transformer"), changed).values(),
        strict=True,
    ):
        assert torch.equal(before[:, :2], after[:, :2])
        assert not torch.equal(before[:, 3], after[:, 3])


def test_the_transformer_starts_as_gpt2_does() -> None:
    network = transformer((4,), 97, depth=8)
    for name, parameter in network.module.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif parameter.dim() == 1:
            assert (parameter == 1).all(), name
        else:
            expected = 0.02 / math.sqrt(16) if "projection" in name else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name


def test_dropout_stands_behind_the_embedding_the_attention_and_every_sublayer() -> None:
    tokens = example_inputs("transformer")
    module = built("transformer").module.eval()
    expected = module(tokens)
    dropouts = [part for part in module.modules() if isinstance(part, nn.Dropout)]
    assert len(dropouts) == 1 + 2 * 3
    for dropout in dropouts:
        assert dropout.p == 0.1
        dropout.train()
        assert not torch.equal(module(tokens), expected)
        dropout.eval()


def test_dropout_can_be_left_out() -> None:
    tokens = example_inputs("transformer")
    module = transformer((4,), 97, dropout=0).module
    assert torch.equal(module(tokens), module(tokens))


def test_the_transformer_has_second_derivatives() -> None:
    module = built("transformer").module.double().eval()
    tokens, targets = example_inputs("transformer"), torch.arange(8)
    parameters = list(module.parameters())
    directions = [torch.randn_like(p) for p in parameters]

    def gradients(create_graph: bool = False) -> tuple[Tensor, ...]:
        loss = functional.cross_entropy(module(tokens), targets)
        return torch.autograd.grad(loss, parameters, create_graph=create_graph)

    dots = sum((g * d).sum() for g, d in zip(gradients(create_graph=True), directions, strict=True))
    products = torch.autograd.grad(dots, parameters)
    sides: list[tuple[Tensor, ...]] = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for p, d in zip(parameters, directions, strict=True):
                p += step * d
        sides.append(gradients())
    for product, above, below in zip(products, *sides, strict=True):
        torch.testing.assert_close(product, (above - below) / 2e-6, rtol=1e-4, atol=1e-6)


def test_what_is_no_token_is_refused() -> None:
    with pytest.raises(ValueError, match=r"inputs of torch\.float32 are not valid: transformer takes tokens"):
        built("transformer").module(torch.zeros(2, 4))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="num_heads=5 is not valid: it must divide width=128"):
        models.call(Component("transformer", num_heads=5), (4,), 97)
