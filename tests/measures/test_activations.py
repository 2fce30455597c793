"""Layer activations: the right numbers, once per layer, and no trace left on the model."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from measures import layer_activations


def make_model() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 5), nn.ReLU(inplace=True))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_equals_the_partial_networks(batch_size: int) -> None:
    model, inputs = make_model().eval(), torch.randn(7, 1, 6, 6)
    outputs = layer_activations(model, inputs, ["1", "3", "4"], batch_size=batch_size)
    with torch.no_grad():
        torch.testing.assert_close(outputs["1"], model[:2](inputs).flatten(1))
        torch.testing.assert_close(outputs["3"], model[:4](inputs))  # not overwritten by the in-place activation
        torch.testing.assert_close(outputs["4"], model(inputs))
    assert list(outputs) == ["1", "3", "4"]
    assert not any(output.requires_grad for output in outputs.values())


def test_holds_the_outputs_once() -> None:
    """Joining a list of batches would hold them twice at the end; resource figures are of a process of its own."""
    code = """
import resource, torch
from torch import nn
from measures import layer_activations
model, inputs = nn.Sequential(nn.Conv2d(1, 64, 1), nn.ReLU()), torch.zeros(2000, 1, 32, 32)
layer_activations(model, inputs[:50], ["0", "1"], batch_size=50)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outputs = layer_activations(model, inputs, ["0", "1"], batch_size=50)
held = sum(output.numel() * 4 for output in outputs.values()) / 1024
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / held)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert float(done.stdout) < 1.15


def test_leaves_the_model_as_it_was() -> None:
    model = make_model()
    model[1].eval()
    before, modes = {k: v.clone() for k, v in model.state_dict().items()}, [m.training for m in model.modules()]
    layer_activations(model, torch.randn(4, 1, 6, 6), ["3"])
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_and_mode_survive_a_failing_forward_pass() -> None:
    model = make_model()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        layer_activations(model, torch.randn(4, 1, 9, 9), ["1", "3"])
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


class Odd(nn.Module):
    """Runs one layer twice, one never, and one that returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.never, self.recurrent = nn.Linear(2, 2), nn.Linear(2, 2), nn.GRU(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.recurrent(self.twice(self.twice(x)))[0]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("5", "unknown layer '5'; layers: twice, never, recurrent"),
        ("twice", "layer 'twice' ran 2 times in 1 passes; it must run once"),
        ("never", "layer 'never' ran 0 times"),
        ("recurrent", "layer 'recurrent' puts out a tuple, not a tensor"),
    ],
)
def test_refuses(layer: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer_activations(Odd(), torch.ones(3, 2), [layer])


def test_refuses_an_output_without_features() -> None:
    model = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))
    with pytest.raises(ValueError, match=r"layer '1' puts out shape \(3,\); examples and features are needed"):
        layer_activations(model, torch.zeros(3, 4), ["1"])


@pytest.mark.parametrize(("size", "batch_size"), [(0, 10), (3, 0)])
def test_refuses_no_examples(size: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size={batch_size} on {size} examples is not valid"):
        layer_activations(Odd(), torch.ones(size, 2), ["twice"], batch_size=batch_size)
