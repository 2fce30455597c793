"""The measure `activation_noise`: how the accuracy falls when noise is added to all hidden units at once."""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from measures.examples import check_precision, chosen_examples, generator
from measures.inputs import Estimate, Measurement, Snapshot
from measures.tails import Change, Tail
from measures.units import accuracy_and_loss, along, check_outputs, unit_moments


def activation_noise(
    snapshot: Snapshot,
    *,
    layers: tuple[str, ...] = (),
    split: Literal["train", "test"] = "train",
    smallest: PositiveFloat = 10**-1.5,
    largest: PositiveFloat = 10.0,
    num_levels: Annotated[int, Field(ge=2)] = 11,
    num_draws: Annotated[int, Field(ge=2)] = 10,
    num_examples: PositiveInt = 1000,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Accuracy and loss with Gaussian noise on all hidden units at once, over the noise's size.

    To every unit is added $N(0, s^2 \sigma^2)$, with $\sigma$ its own standard deviation over training examples and
    positions, independently at every example and position; $s$ runs from `smallest` to `largest` in equal steps of its
    logarithm. `auc` is the mean accuracy over $\log s$ (trapezoidal rule), averaged over draws of the noise, the same
    ones at every level (Morcos, Barrett, Rabinowitz, Botvinick, arXiv 1803.06959, section 3.1 and figure 3). Standard
    errors are over draws. Costs num_levels num_draws forward passes of the examples through what follows the first of
    the layers (none named: all of the snapshot's).

    >>> from torch import nn, randn
    >>> from measures import Split
    >>> model, x = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)), randn(50, 5)
    >>> data = Split(x, model(x).argmax(dim=1))
    >>> accuracy = activation_noise(Snapshot(model, ("1",), data, data, nn.functional.cross_entropy)).arrays["accuracy"]
    >>> accuracy.shape, bool(accuracy[:, 0].mean() > accuracy[:, -1].mean())
    ((10, 11), True)
    """
    if smallest >= largest:
        raise ValueError(f"smallest={smallest} is not valid: below largest={largest}")
    check_precision(snapshot.model)
    chosen = layers or snapshot.layers
    train, test = (chosen_examples(part, num_examples, seed) for part in (snapshot.train, snapshot.test))
    deviations = {
        layer: deviation for layer, (_, deviation) in unit_moments(Tail(snapshot.model, train.inputs, chosen)).items()
    }
    examples = train if split == "train" else test
    tail = Tail(snapshot.model, examples.inputs, chosen)
    outputs = tail.outputs({})
    check_outputs(outputs, examples)
    start = accuracy_and_loss(outputs, examples, snapshot.loss)
    levels = np.geomspace(smallest, largest, num_levels)

    def scores(draw: int) -> list[tuple[float, float]]:
        noisy = (noisy_outputs(tail, deviations, level, generator(seed, draw + 1)) for level in levels)
        return [accuracy_and_loss(outputs, examples, snapshot.loss) for outputs in noisy]

    found = np.array([scores(draw) for draw in range(num_draws)])
    areas = np.trapezoid(found[..., 0], np.log(levels), axis=1) / math.log(largest / smallest)
    values = {
        "auc": Estimate(float(areas.mean()), float(areas.std(ddof=1)) / math.sqrt(num_draws)),
        "start_accuracy": Estimate(start[0]),
        "start_loss": Estimate(start[1]),
        "num_units": Estimate(float(sum(tail.num_units.values()))),
    }
    return Measurement(values, {"levels": levels, "accuracy": found[..., 0], "loss": found[..., 1]})


def noisy_outputs(tail: Tail, deviations: dict[str, Tensor], level: float, draws: torch.Generator) -> Tensor:
    """Outputs with noise of the level times each unit's deviation added to the units of every layer."""

    def noisy(layer: str) -> Change:
        def change(x: Tensor) -> Tensor:
            noise = torch.randn(x.shape, generator=draws).to(x)
            return x + level * along(deviations[layer].to(x), x, tail.axes[layer]) * noise

        return change

    return tail.outputs({layer: noisy(layer) for layer in tail.layers})
