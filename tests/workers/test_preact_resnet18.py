"""The network against the parameter counts of the published one, and its shapes."""

import pytest
import torch
from torch import Tensor, nn

from workers.models import models
from workers.models.preact_resnet18 import preact_resnet18

IMAGE = (3, 32, 32)


# Counts for 100 classes, computed from the released code: in total, and of the tensors that enter its Hessian.
@pytest.mark.parametrize(
    ("width", "total", "matrices"),
    [
        (1, 3_757, 3_551),
        (2, 12_862, 12_550),
        (4, 47_416, 46_892),
        (8, 181_900, 180_952),
        (10, 281_830, 280_670),
        (16, 712_372, 710_576),
        (19, 1_001_191, 999_077),
        (32, 2_819_332, 2_815_840),
        (48, 6_320_980, 6_315_792),
        (64, 11_217_316, 11_210_432),
    ],
)
def test_parameter_counts_are_the_published_ones(width: int, total: int, matrices: int):
    network = preact_resnet18(IMAGE, 100, width=width)
    assert network.num_parameters == total
    assert sum(p.numel() for p in network.module.parameters() if p.dim() > 1) == matrices


def test_layers_are_in_forward_order_and_have_the_shapes_of_the_paper():
    network = preact_resnet18(IMAGE, 100, width=3)
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> None:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            shapes[name] = tuple(output.shape)

        network.module.get_submodule(name).register_forward_hook(hook)

    for name in network.layers:
        note(name)
    assert network.module(torch.zeros(2, *IMAGE)).shape == (2, 100)
    assert list(shapes.items()) == [
        ("stem", (2, 3, 32, 32)),
        ("stage1", (2, 3, 32, 32)),
        ("stage2", (2, 6, 16, 16)),
        ("stage3", (2, 12, 8, 8)),
        ("stage4", (2, 24, 4, 4)),
        ("pool", (2, 24)),
    ]
    assert tuple(shapes) == network.layers


def test_nothing_stands_between_the_last_block_and_the_average():
    network = preact_resnet18(IMAGE, 10, width=2)
    network.module.eval()
    x = torch.randn(4, *IMAGE, generator=torch.Generator().manual_seed(0))
    last_map = network.module[:5](x)  # pyright: ignore[reportIndexIssue]  # it is a Sequential
    assert (last_map < 0).any(), "a ReLU would have left nothing negative"
    output = network.module.get_submodule("output")
    torch.testing.assert_close(network.module(x), output(last_map.mean(dim=(2, 3))))


def test_the_shortcut_starts_from_the_activation_only_where_it_projects():
    network = preact_resnet18(IMAGE, 10, width=2)
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    same = network.module.get_submodule("stage1.0")
    torch.nn.init.zeros_(same.get_parameter("conv2.weight"))
    torch.testing.assert_close(same(x), x, rtol=0, atol=0)
    halved = network.module.get_submodule("stage2.0")
    torch.nn.init.zeros_(halved.get_parameter("conv2.weight"))
    activated = halved.get_submodule("norm1")(x).relu()
    torch.testing.assert_close(halved(x), halved.get_submodule("shortcut")(activated))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 24)])
def test_other_image_sizes_are_averaged_whole(shape: tuple[int, ...]):
    assert preact_resnet18(shape, 7, width=1).module(torch.zeros(2, *shape)).shape == (2, 7)


def test_signals_are_refused():
    with pytest.raises(ValueError, match=r"input shape \(40,\) is not valid: preact_resnet18 takes images"):
        preact_resnet18((40,), 10)


def test_it_is_in_the_table():
    assert models["preact_resnet18"].function is preact_resnet18
