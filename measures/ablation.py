"""The measure `ablation`: how the accuracy falls when more and more units are held at a constant.

A network that has memorised its training set leans on more of its units, and falls sooner.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from measures.examples import check_precision, chosen_examples, generator
from measures.inputs import Estimate, Measurement, Snapshot, Split
from measures.tails import Tail
from measures.units import Loss, accuracy_and_loss, check_outputs, clamped, unit_moments

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AblationCurve:
    """Accuracy over the share of units ablated: `value` is the area under it, with its standard error over orders.

    `accuracy` and `loss` (orders, points) belong to the shares `fractions` (points,) of `num_units` units, from none to
    all. The standard error is NaN for a single order.
    """

    value: float
    stderr: float
    fractions: Floats
    accuracy: Floats
    loss: Floats
    num_units: int


def ablation(
    snapshot: Snapshot,
    *,
    layers: tuple[str, ...] = (),
    each: bool = False,
    clamp_to: Literal["zero", "train_mean"] = "zero",
    split: Literal["train", "test"] = "train",
    num_examples: PositiveInt = 1000,
    num_orders: Annotated[int, Field(ge=2)] = 10,
    num_fractions: Annotated[int, Field(ge=2)] = 21,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Accuracy and loss while a growing share of the units is clamped, in random orders; area under the curve.

    $A(u)$ is the accuracy with the first $u K$ of $K$ units clamped to a constant at every example and position, in a
    random order of the units of all `layers` (none named: all of the snapshot's), or of `each` layer by itself; `auc`
    is $\int_0^1 A(u) du$ by the trapezoidal rule, averaged over `num_orders` orders (Morcos, Barrett, Rabinowitz,
    Botvinick, On the importance of single directions for generalization, arXiv 1803.06959, section 2). A unit is a
    feature of a dense layer or a whole feature map, clamped to 0 or to its mean over training examples. Standard
    errors are over orders; they do not include the choice of examples. Costs num_orders (num_fractions - 2) forward
    passes of the examples through what follows the first of the layers.

    >>> from torch import randn
    >>> from measures import Split
    >>> model, x = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)), randn(50, 5)
    >>> data = Split(x, model(x).argmax(dim=1))
    >>> measurement = ablation(Snapshot(model, ("1",), data, data, nn.functional.cross_entropy))
    >>> measurement.values["start_accuracy"].value, measurement.arrays["accuracy"].shape
    (1.0, (10, 9))
    """
    chosen = layers or snapshot.layers
    examples = chosen_examples(snapshot.train if split == "train" else snapshot.test, num_examples, seed)
    means = _train_means(snapshot, chosen, num_examples, seed) if clamp_to == "train_mean" else None
    groups = {f"layer.{layer}.": (layer,) for layer in chosen} if each else {"": chosen}
    values: dict[str, Estimate] = {}
    arrays: dict[str, NDArray[np.generic]] = {}
    for prefix, group in groups.items():
        curve = ablation_curve(
            snapshot.model,
            examples,
            snapshot.loss,
            group,
            clamp_to=means,
            num_orders=num_orders,
            num_fractions=num_fractions,
            seed=seed,
        )
        values |= {f"{prefix}{name}": estimate for name, estimate in _fields(curve).items()}
        arrays |= {f"{prefix}{name}": getattr(curve, name) for name in ("fractions", "accuracy", "loss")}
    nothing_right = "No example is right without ablation: no area is relative to that."
    return Measurement(values, arrays, (nothing_right,) * any(math.isnan(field.value) for field in values.values()))


def ablation_curve(
    model: nn.Module,
    data: Split,
    loss: Loss,
    layers: Sequence[str],
    *,
    clamp_to: Mapping[str, Tensor] | None = None,
    num_orders: int = 10,
    num_fractions: int = 21,
    seed: int = 0,
    batch_size: int = 500,
) -> AblationCurve:
    """Accuracy and loss while units of the layers are clamped one after another, in evaluation mode.

    Units of all layers share one random order, the same for every network of this size; `clamp_to` holds the values of
    each layer's units, and is 0 unless given. What precedes the first layer runs once.

    >>> model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    >>> _ = [nn.init.eye_(model[i].weight) for i in (0, 2)]
    >>> data = Split(torch.tensor([[0.0, 1.0]] * 4), torch.tensor([1] * 4))  # unit 1 is all that matters
    >>> curve = ablation_curve(model, data, nn.functional.cross_entropy, ["1"], num_orders=100)
    >>> curve.fractions.tolist(), abs(curve.value - 0.5) < 3 * curve.stderr
    ([0.0, 0.5, 1.0], True)
    """
    for name, value, least in (("num_orders", num_orders, 1), ("num_fractions", num_fractions, 2)):
        if value < least:
            raise ValueError(f"{name}={value} is not valid: at least {least}")
    check_precision(model)
    tail = Tail(model, data.inputs, layers, batch_size=batch_size)
    check_outputs(tail.outputs({}), data)
    size = sum(tail.num_units.values())
    counts = np.unique(np.rint(np.linspace(0, 1, num_fractions) * size).astype(np.int64))
    orders = [torch.randperm(size, generator=generator(seed, order + 1)) for order in range(num_orders)]
    found = _scores(tail, data, loss, orders, counts, clamp_to)
    fractions = counts / size
    areas = np.trapezoid(found[..., 0], fractions, axis=1)
    stderr = float(areas.std(ddof=1)) / math.sqrt(num_orders) if num_orders > 1 else math.nan
    return AblationCurve(float(areas.mean()), stderr, fractions, found[..., 0], found[..., 1], size)


def _scores(
    tail: Tail,
    data: Split,
    loss: Loss,
    orders: Sequence[Tensor],
    counts: NDArray[np.int64],
    clamp_to: Mapping[str, Tensor] | None,
) -> Floats:
    """Accuracy and loss (orders, counts, 2); what all orders share, no unit and all units, is computed once."""
    known: dict[bytes, tuple[float, float]] = {}

    def score(order: Tensor, count: int) -> tuple[float, float]:
        is_ablated = torch.zeros(len(order), dtype=torch.bool)
        is_ablated[order[:count]] = True
        key = is_ablated.numpy().tobytes()
        if key not in known:
            known[key] = accuracy_and_loss(_ablated_outputs(tail, is_ablated, clamp_to), data, loss)
        return known[key]

    return np.array([[score(order, int(count)) for count in counts] for order in orders])


def _ablated_outputs(tail: Tail, is_ablated: Tensor, clamp_to: Mapping[str, Tensor] | None) -> Tensor:
    sizes = [tail.num_units[layer] for layer in tail.layers]
    changes = {
        layer: clamped(units, torch.zeros(len(units)) if clamp_to is None else clamp_to[layer], tail.axes[layer])
        for layer, units in zip(tail.layers, is_ablated.split(sizes), strict=True)
    }
    return tail.outputs(changes)


def _train_means(snapshot: Snapshot, layers: Sequence[str], num_examples: int, seed: int) -> dict[str, Tensor]:
    examples = chosen_examples(snapshot.train, num_examples, seed)
    return {layer: mean for layer, (mean, _) in unit_moments(Tail(snapshot.model, examples.inputs, layers)).items()}


def _fields(curve: AblationCurve) -> dict[str, Estimate]:
    start, end = float(curve.accuracy[0, 0]), float(curve.accuracy[0, -1])
    over_start = Estimate(curve.value / start, curve.stderr / start) if start > 0 else Estimate(math.nan)
    return {
        "auc": Estimate(curve.value, curve.stderr),
        "auc_over_start": over_start,
        "start_accuracy": Estimate(start),
        "end_accuracy": Estimate(end),
        "start_loss": Estimate(float(curve.loss[0, 0])),
        "end_loss": Estimate(float(curve.loss[0, -1])),
        "num_units": Estimate(float(curve.num_units)),
    }
