"""The classification networks against published parameter counts, the tables of their shapes, and other code."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from workers.models import models
from workers.models.alexnet import alexnet
from workers.models.inception import inception
from workers.models.mlp import mlp
from workers.models.network import Network
from workers.models.resnet18 import resnet18
from workers.models.wide_resnet import wide_resnet

CROPPED, IMAGE = (3, 28, 28), (3, 32, 32)

# Every path through the code at a small size.
SMALL: dict[str, Callable[[tuple[int, ...]], Network]] = {
    "alexnet": lambda shape: alexnet(shape, 7),
    "alexnet seed": lambda shape: alexnet(shape, 7, form="seed"),
    "inception": lambda shape: inception(shape, 7, width=1),
    "inception without batch norm": lambda shape: inception(shape, 7, width=1, batch_norm=False),
    "inception seed": lambda shape: inception(shape, 7, width=1, form="seed"),
    "inception seed without batch norm": lambda shape: inception(shape, 7, width=1, form="seed", batch_norm=False),
    "mlp": lambda shape: mlp(shape, 7, width=5),
    "resnet18": lambda shape: resnet18(shape, 7, width=2, dropout=0.5),
    "wide_resnet": lambda shape: wide_resnet(shape, 7, width=2),
}
every_small = pytest.mark.parametrize("build", SMALL.values(), ids=SMALL.keys())

# What torch.use_deterministic_algorithms lists as raising in the backward pass on CUDA, by the names of the operators.
NOT_DETERMINISTIC = (
    "adaptive_avg_pool",
    "adaptive_max_pool",
    "avg_pool3d",
    "fractional_max_pool",
    "max_unpool",
    "reflection_pad",
    "upsample",
)


@pytest.fixture(autouse=True)
def fixed_weights() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True)
    yield
    torch.use_deterministic_algorithms(mode=before)


class Operators(TorchDispatchMode):
    """The names of all operators that run, those of the backward pass included."""

    def __init__(self):
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(str(func))
        return func(*args, **(kwargs or {}))

    @property
    def not_deterministic(self) -> set[str]:
        return {name for name in self.names if any(part in name for part in NOT_DETERMINISTIC)}


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def recorded(network: Network, x: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Inputs and outputs of the named layers and of the classifier, in the order in which they ran."""
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: nn.Module, entering: tuple[Tensor, ...], output: Tensor) -> None:
            inputs[name], outputs[name] = entering[0].detach(), output.detach()

        return hook

    for name in (*reversed(network.layers), "output"):
        network.module.get_submodule(name).register_forward_hook(note(name))
    network.module(x)
    return inputs, outputs


def same_weights(*networks: Network) -> None:
    for network in networks[1:]:
        network.module.load_state_dict(networks[0].module.state_dict())


# Zhang et al., Table 1, and the README of the public reimplementation; Brown et al.'s released code for resnet18.
@pytest.mark.parametrize(
    ("name", "settings", "shape", "num_outputs", "expected"),
    [
        ("mlp", {"width": 512, "depth": 1}, CROPPED, 10, 1_209_866),
        ("mlp", {"width": 512, "depth": 3}, CROPPED, 10, 1_735_178),
        ("alexnet", {}, CROPPED, 10, 1_387_786),
        ("alexnet", {"form": "seed"}, CROPPED, 10, 1_375_690),
        ("inception", {}, CROPPED, 10, 1_649_402),
        ("inception", {"batch_norm": False}, CROPPED, 10, 1_649_402),
        ("inception", {"form": "seed"}, CROPPED, 10, 1_651_114),
        ("inception", {"form": "seed", "batch_norm": False}, CROPPED, 10, 1_647_690),
        ("wide_resnet", {}, CROPPED, 10, 1_549_850),
        ("resnet18", {}, IMAGE, 10, 11_173_962),
        ("resnet18", {"dropout": 0.5}, IMAGE, 100, 11_220_132),
    ],
)
def test_parameter_counts_are_the_published_ones(
    name: str, settings: Mapping[str, Any], shape: tuple[int, ...], num_outputs: int, expected: int
):
    assert models[name].function(shape, num_outputs, **settings).num_parameters == expected


INCEPTION = {
    "stem": (96, 28, 28),
    "inception1": (64, 28, 28),
    "inception2": (80, 28, 28),
    "down1": (160, 14, 14),
    "inception3": (160, 14, 14),
    "inception4": (160, 14, 14),
    "inception5": (160, 14, 14),
    "inception6": (144, 14, 14),
    "down2": (240, 7, 7),
    "inception7": (336, 7, 7),
    "inception8": (336, 7, 7),
    "pool": (336,),
}


@pytest.mark.parametrize(
    ("name", "settings", "shape", "expected"),
    [
        (
            "alexnet",
            {},
            CROPPED,
            {"conv1": (64, 14, 14), "conv2": (64, 7, 7), "hidden1": (384,), "hidden2": (192,)},
        ),
        (
            "alexnet",
            {"form": "seed"},
            CROPPED,
            {"conv1": (64, 12, 12), "conv2": (256, 4, 4), "hidden1": (384,), "hidden2": (192,)},
        ),
        ("inception", {}, CROPPED, INCEPTION),
        ("inception", {"form": "seed", "batch_norm": False}, CROPPED, INCEPTION),
        (
            "wide_resnet",
            {},
            CROPPED,
            {"stem": (16, 28, 28), "stage1": (48, 14, 14), "stage2": (96, 7, 7), "stage3": (192, 4, 4), "pool": (192,)},
        ),
        (
            "resnet18",
            {},
            IMAGE,
            {
                "conv1": (64, 32, 32),
                "conv2_x": (64, 32, 32),
                "conv3_x": (128, 16, 16),
                "conv4_x": (256, 8, 8),
                "conv5_x": (512, 4, 4),
                "avg_pool": (512,),
            },
        ),
    ],
)
def test_layers_have_the_shapes_of_the_tables(
    name: str, settings: Mapping[str, Any], shape: tuple[int, ...], expected: dict[str, tuple[int, ...]]
):
    network: Network = models[name].function(shape, 10, **settings)
    network.module.eval()
    _, outputs = recorded(network, torch.zeros(1, *shape))
    shapes = {layer: tuple(output.shape[1:]) for layer, output in outputs.items()}
    assert shapes == {**expected, "output": (10,)}
    assert network.layers == tuple(expected)


@every_small
def test_layers_are_in_forward_order_and_the_classifier_takes_the_last(build: Callable[..., Network]):
    network = build(CROPPED)
    network.module.eval()
    inputs, outputs = recorded(network, random(2, *CROPPED))
    assert (*network.layers, "output") == tuple(outputs)
    assert torch.equal(inputs["output"], outputs[network.layers[-1]])


@every_small
def test_one_step_is_deterministic_on_a_gpu_too(build: Callable[..., Network], deterministic: None):
    module = build(CROPPED).module
    with Operators() as operators:
        functional.cross_entropy(module(random(3, *CROPPED)), torch.arange(3)).backward()
    assert "aten.addmm.default" in operators.names
    assert any("backward" in name for name in operators.names), "the backward pass is seen"
    assert operators.not_deterministic == set()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("module", [nn.LocalResponseNorm(3), nn.AdaptiveAvgPool2d(3)])
def test_the_operators_that_have_no_deterministic_gradient_are_recognised(module: nn.Module):
    with Operators() as operators:
        module(random(1, 2, 4, 4).requires_grad_()).sum().backward()
    assert operators.not_deterministic


@every_small
@pytest.mark.parametrize("shape", [(1, 32, 32), (4, 13, 19), (2, 24, 17)])
def test_other_image_sizes_are_taken(build: Callable[..., Network], shape: tuple[int, ...]):
    assert build(shape).module(random(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("name", ["alexnet", "inception", "resnet18", "wide_resnet"])
@pytest.mark.parametrize(("shape", "written"), [((40,), r"\(40,\)"), ((1, 3, 8, 8), r"\(1, 3, 8, 8\)")])
def test_what_is_no_image_is_refused(name: str, shape: tuple[int, ...], written: str):
    with pytest.raises(
        ValueError, match=rf"^input shape {written} is not valid: {name} takes images \(channels, h, w\)$"
    ):
        models[name].function(shape, 10)


def test_alexnet_seed_refuses_images_of_which_no_pixel_would_be_left():
    with pytest.raises(ValueError, match=r"^input shape \(3, 28, 12\) is not valid: .* at least 13 x 13$"):
        alexnet((3, 28, 12), 10, form="seed")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("alexnet", {"form": "ours"}, "form='ours' is not valid"),
        ("inception", {"form": "ours"}, "form='ours' is not valid"),
        ("inception", {"width": 0}, "width=0 is not valid"),
        ("wide_resnet", {"width": 0}, "width=0 is not valid"),
        ("resnet18", {"width": 0}, "width=0 is not valid"),
        ("resnet18", {"dropout": 1.0}, "dropout=1.0 is not valid"),
        ("resnet18", {"dropout": -0.1}, "dropout=-0.1 is not valid"),
    ],
)
def test_settings_have_bounds(name: str, settings: Mapping[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        models[name].validate(settings)


def same_padding(x: Tensor) -> Tensor:
    """TensorFlow's padding of a 3x3 window of stride 2: the smaller half of what is missing comes first."""
    missing = [max((-(-side // 2) - 1) * 2 + 3 - side, 0) for side in x.shape[-2:]]
    (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in missing)
    return functional.pad(x, (left, right, top, bottom), value=-torch.inf)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (7, 10)])
def test_alexnet_of_the_paper_pads_and_normalises_as_tensorflow_does(height: int, width: int):
    network = alexnet((3, height, width), 10)
    x = random(2, 3, height, width)
    conv = network.module.get_submodule("conv1.0")
    maps = functional.conv2d(functional.pad(x, (2, 2, 2, 2)), conv.weight, conv.bias).relu()
    pooled = functional.max_pool2d(same_padding(maps), 3, 2)
    sums = torch.stack([(pooled[:, max(c - 4, 0) : c + 5] ** 2).sum(dim=1) for c in range(64)], dim=1)
    expected = pooled / (1 + 0.001 / 9 * sums) ** 0.75
    torch.testing.assert_close(network.module.get_submodule("conv1")(x), expected)


def test_alexnet_seed_is_the_sequence_of_torch_modules():
    network = alexnet((3, 32, 27), 10, form="seed")
    conv1, conv2 = (network.module.get_submodule(f"{name}.0") for name in ("conv1", "conv2"))
    hidden1, hidden2 = (network.module.get_submodule(f"{name}.0") for name in ("hidden1", "hidden2"))
    norm, pool = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2), nn.MaxPool2d(3, 2)
    other = nn.Sequential(
        *(conv1, nn.ReLU(), pool, norm),
        *(conv2, nn.ReLU(), pool, norm),
        *(nn.AdaptiveAvgPool2d(3), nn.Flatten()),
        *(hidden1, nn.ReLU(), hidden2, nn.ReLU(), network.module.get_submodule("output")),
    )
    x = 10 * random(2, 3, 32, 27)
    torch.testing.assert_close(network.module(x), other(x))


@pytest.mark.parametrize(("height", "width"), [(4, 4), (1, 2), (5, 3), (8, 11)])
def test_alexnet_seed_averages_like_adaptive_pooling(height: int, width: int):
    # Each convolution takes two pixels from a side and each pooling leaves (side - 1) / 2: of 4 n + 9 pixels remain n.
    average = alexnet((1, 4 * height + 9, 4 * width + 9), 2, form="seed").module.get_submodule("average")
    x = random(2, 3, height, width)
    torch.testing.assert_close(average(x), nn.AdaptiveAvgPool2d(3)(x))


def is_norm(module: nn.Module) -> bool:
    return "Norm" in type(module).__name__


@pytest.mark.parametrize("form", ["paper", "seed"])
def test_inception_without_batch_norm_has_no_norm(form: str):
    module = inception(CROPPED, 10, width=1, batch_norm=False, form=form).module
    assert not any(is_norm(part) for part in module.modules())
    assert list(module.buffers()) == []
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == 1 + 8 * 2 + 2
    assert all((conv.bias is not None) == (form == "paper") for conv in convolutions)


@pytest.mark.parametrize("form", ["paper", "seed"])
def test_inception_with_batch_norm_has_one_after_every_convolution(form: str):
    module = inception(CROPPED, 10, width=1, form=form).module
    parts = list(module.modules())
    assert all(is_norm(after) for part, after in pairwise(parts) if isinstance(part, nn.Conv2d))
    trained = ["bias"] if form == "paper" else ["weight", "bias"]
    for norm in filter(is_norm, parts):
        assert [name for name, _ in norm.named_parameters()] == trained
        assert [name for name in norm.state_dict() if name in ("weight", "bias")] == trained


@pytest.mark.parametrize("training", [True, False])
def test_inception_of_the_paper_normalises_and_shifts(training: bool):
    stem = inception(CROPPED, 10, width=1).module.get_submodule("stem")
    conv, norm = stem.get_submodule("0"), stem.get_submodule("1")
    nn.init.normal_(norm.bias)
    x = random(4, 3, 8, 8)
    maps = conv(x)
    mean, variance = maps.mean(dim=(0, 2, 3)), maps.var(dim=(0, 2, 3), correction=0)
    if not training:
        mean, variance = torch.zeros(6), torch.ones(6)  # nothing was averaged yet
    normal = (maps - mean.view(-1, 1, 1)) / (variance.view(-1, 1, 1) + 1e-3).sqrt()
    stem.train(training)
    torch.testing.assert_close(stem(x), (normal + norm.bias.view(-1, 1, 1)).relu())


def test_inception_modules_concatenate_their_branches():
    module = inception(CROPPED, 10, batch_norm=False, width=2).module
    x = random(2, 12, 9, 9).abs()
    first = module.get_submodule("inception1")(x)
    one, three = (module.get_submodule(f"inception1.branches.{i}.0") for i in range(2))
    assert (one.weight.shape[2:], three.weight.shape[2:]) == ((1, 1), (3, 3))
    torch.testing.assert_close(first, torch.cat([one(x), three(x)], dim=1).relu())
    x = random(2, 10, 9, 9).abs()
    halved = module.get_submodule("down1")(x)
    conv = module.get_submodule("down1.branches.0.0")
    expected = functional.conv2d(x, conv.weight, conv.bias, stride=2, padding=1).relu()
    torch.testing.assert_close(halved[:, :10], expected)
    torch.testing.assert_close(halved[:, 10:], functional.max_pool2d(functional.pad(x, (1, 1, 1, 1)), 3, 2))


@every_small
def test_the_state_is_all_there_is(build: Callable[..., Network]):
    first, second = build(CROPPED), build(CROPPED)
    x = random(3, *CROPPED)
    first.module(x)  # moves the averages of the batch norms
    same_weights(first, second)
    first.module.eval()
    second.module.eval()
    assert torch.equal(first.module(x), second.module(x))


def test_wide_resnet_projects_from_a_norm_of_its_own_and_only_where_the_block_changes_the_shape():
    module = wide_resnet(CROPPED, 10, width=3).module.eval()
    x = random(2, 16, 9, 9)
    first, second = module.get_submodule("stage1.0"), module.get_submodule("stage1.1")
    for block in (first, second):
        nn.init.zeros_(block.get_parameter("residual.5.weight"))
    norm, conv = first.get_submodule("shortcut.0"), first.get_submodule("shortcut.2")
    nn.init.normal_(norm.weight)
    activated = (norm.weight.view(-1, 1, 1) * x / (1 + norm.eps) ** 0.5).relu()
    torch.testing.assert_close(first(x), functional.conv2d(activated, conv.weight, stride=2))
    same = random(2, 3, 5, 5)
    assert torch.equal(second(same), same)


def test_wide_resnet_averages_normalised_activations():
    network = wide_resnet(CROPPED, 10, width=2)
    network.module.eval()
    _, outputs = recorded(network, random(2, *CROPPED))
    assert (outputs["stage3"] < 0).any(), "the sum has no activation"
    activated = (outputs["stage3"] / (1 + 1e-5) ** 0.5).relu()
    torch.testing.assert_close(outputs["pool"], activated.mean(dim=(2, 3)))


@pytest.mark.parametrize("training", [True, False])
def test_resnet18_is_that_of_torchvision_but_for_the_stem(training: bool):
    network = resnet18((3, 16, 16), 10)
    peer = torchvision.models.resnet18(num_classes=10)
    peer.conv1, peer.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    state = peer.state_dict()
    values = list(network.module.state_dict().values())
    assert [value.shape for value in values] == [value.shape for value in state.values()]
    peer.load_state_dict(dict(zip(state, values, strict=True)))
    x = random(2, 3, 16, 16)
    for module in (network.module, peer):
        module.train(training)
    torch.testing.assert_close(network.module(x), peer(x), rtol=1e-4, atol=1e-4)


def test_dropout_falls_after_every_layer_and_its_representation_is_the_one_before():
    fraction, x = 0.4, random(8, *IMAGE)
    network = resnet18(IMAGE, 10, width=8, dropout=fraction)
    inputs, outputs = recorded(network, x)
    for layer, following in zip(network.layers, (*network.layers[1:], "output"), strict=True):
        before, after = outputs[layer], inputs[following]
        kept, active = after != 0, before != 0
        torch.testing.assert_close(after[kept], before[kept] / (1 - fraction))
        share = kept[active].double().mean().item()
        assert abs(share - (1 - fraction)) < 5 * (fraction * (1 - fraction) / active.sum().item()) ** 0.5, layer
    # Single outputs are dropped, not whole channels.
    assert not ((inputs["conv2_x"] == 0).all(dim=(2, 3))).any()


def test_dropout_acts_in_training_only():
    plain, dropped = resnet18(IMAGE, 10, width=2), resnet18(IMAGE, 10, width=2, dropout=0.5)
    same_weights(plain, dropped)
    x = random(2, *IMAGE)
    torch.testing.assert_close(recorded(dropped, x)[1]["conv1"], recorded(plain, x)[1]["conv1"])
    assert not torch.allclose(dropped.module(x), plain.module(x))
    same_weights(plain, dropped)
    plain.module.eval()
    dropped.module.eval()
    assert torch.equal(dropped.module(x), plain.module(x))


def test_without_dropout_training_draws_no_random_number():
    module = resnet18(IMAGE, 10, width=1).module
    state = torch.get_rng_state()
    module(random(2, *IMAGE))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("function", [alexnet, inception, mlp, resnet18, wide_resnet])
def test_it_is_in_the_table(function: Callable[..., Network]):
    assert models[function.__name__].function is function


def test_drawn_as_he_et_al_do_a_deep_network_without_batch_norm_keeps_the_size_of_what_it_sees() -> None:
    """After eight modules torch's own draws leave a hundredth of what differs between images."""
    spread = {}
    for initialisation in ("torch", "he"):
        torch.manual_seed(0)
        network = inception((3, 16, 16), width=4, batch_norm=False, initialisation=initialisation)  # type: ignore[arg-type] # a Literal's values
        hidden = torch.nn.Sequential(*list(network.module.children())[:-1])
        with torch.no_grad():
            spread[initialisation] = float(hidden(torch.randn(20, 3, 16, 16)).std(dim=0).mean())
    assert spread["he"] > 0.05 > 10 * spread["torch"]
