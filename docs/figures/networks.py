"""Small networks trained for the figures, on data drawn here: the same at every call, whatever was drawn before."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measures import Snapshot, Split

LEARNING_RATE = 0.1
MOMENTUM = 0.9
NUM_CLASSES, NUM_FEATURES, NUM_EXAMPLES = 5, 20, 300
WIDTHS = (NUM_FEATURES, 40, 40, NUM_CLASSES)


def generator(seed: int) -> torch.Generator:
    """A stream of its own."""
    return torch.Generator().manual_seed(seed)


def perceptron(widths: Sequence[int], seed: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Dense layers of these widths, from inputs to outputs, an activation between two; He's initial weights."""
    stream, layers = generator(seed), list[nn.Module]()
    for before, after in pairwise(widths):
        layer = nn.Linear(before, after)
        nn.init.normal_(layer.weight, std=(2 / before) ** 0.5, generator=stream)
        nn.init.zeros_(layer.bias)
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1]).eval()


def clusters(num_examples: int, seed: int) -> Split:
    """Five Gaussian classes in 20 features, with the same means for every seed; neighbours overlap a little."""
    means = torch.randn(NUM_CLASSES, NUM_FEATURES, generator=generator(0))
    targets = torch.arange(num_examples) % NUM_CLASSES
    return Split(means[targets] + torch.randn(num_examples, NUM_FEATURES, generator=generator(seed)), targets)


def shuffled(data: Split) -> Split:
    """The same examples with their labels in random order: nothing to learn, all to memorise."""
    return Split(data.inputs, data.targets[torch.randperm(len(data), generator=generator(1))])


def training(
    model: nn.Module, data: Split, num_steps: int, loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy
) -> Iterator[int]:
    """Train by full batches with momentum, in place; yields the number of steps made, from 0 to `num_steps`."""
    parameters = list(model.parameters())
    velocities = [torch.zeros_like(parameter) for parameter in parameters]
    yield 0
    for step in range(1, num_steps + 1):
        gradients = torch.autograd.grad(loss(model(data.inputs), data.targets), parameters)
        with torch.no_grad():
            for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
                velocity.mul_(MOMENTUM).add_(gradient)
                parameter -= LEARNING_RATE * velocity
        yield step


def snapshot(model: nn.Sequential, train: Split, test: Split) -> Snapshot:
    """The network with its data; its hidden representations are the outputs of the activations."""
    layers = tuple(name for name, layer in model.named_children() if not isinstance(layer, nn.Linear))
    return Snapshot(model, layers, train, test, F.cross_entropy)


@cache
def fitted(labels: str) -> Snapshot:
    """A perceptron of two hidden layers that fits 300 examples, with "true" or "shuffled" labels."""
    data = clusters(NUM_EXAMPLES, seed=1)
    train = data if labels == "true" else shuffled(data)
    model = perceptron(WIDTHS, seed=0)
    *_, _ = training(model, train, num_steps=600)
    return snapshot(model, train, clusters(NUM_EXAMPLES, seed=2))
