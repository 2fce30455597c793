"""Small networks of every kind, inputs for them, and what their layers put out: shared by the tests of models."""

from functools import partial

import torch
from torch import Tensor, nn

from measures.registry import Component
from workers.models import models
from workers.models.network import Network

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


def network_of(component: Component, input_shape: tuple[int, ...], num_outputs: int, seed: int = 0) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return models.call(component, input_shape, num_outputs)


def built(case: str, seed: int = 0) -> Network:
    return network_of(*CASES[case], seed)


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
