"""The measure `pac_bayes_sigma`: how much noise the weights bear before the training error rises.

Every noise level is tried with the same draws, so the error is a smooth function of the level up to the steps of single
examples, and bisection does not chase the noise. The uncertainty that remains is that of the draws.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from measures.class_margins import class_margins
from measures.examples import check_precision, chosen_examples, generator, num_not_finite
from measures.inputs import Estimate, Measurement, Snapshot, Split
from measures.operators import evaluating

Floats = NDArray[np.float64]

START, FACTOR = 0.1, 4.0
SMALLEST, LARGEST = 1e-8, 1e4
RESOLUTION = 1e-3  # relative, of the bisection
SLOPE_STEP = 1.1  # the slope is that between the level divided and multiplied by this
LEAST_DEVIATION = 1e-3  # of magnitude-aware noise, as Jiang et al. have it
BATCH_SIZE = 1000


@dataclass(frozen=True)
class Crossing:
    """The level at which the mean of a function of it reaches a target.

    The standard error is that of the mean over draws, as a level; NaN where the function does not rise there. `by_draw`
    are the function's values at the level.
    """

    value: float
    stderr: float
    num_levels: int
    by_draw: Floats


def pac_bayes_sigma(
    snapshot: Snapshot,
    *,
    target: Annotated[float, Field(gt=0, lt=1)] = 0.1,
    noise: Literal["isotropic", "magnitude_aware"] = "isotropic",
    num_draws: Annotated[int, Field(ge=2)] = 10,
    num_examples: PositiveInt = 1000,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Largest Gaussian noise on the weights at which the training error rises by no more than `target` on average.

    $\sigma$ with $E_{u \sim N(0, \sigma^2 I)}[\hat L(w + u)] - \hat L(w) = $ target, over all trained parameters, in
    evaluation mode, found by bisection; `inverse_variance` $1 / \sigma^2$ is the measure of flatness of Jiang et al.,
    Fantastic generalization measures, arXiv 1912.02178, and Dziugaite et al., arXiv 2010.11924. "magnitude_aware" noise
    has the variance $\sigma^2 w_i^2 + \epsilon^2$ for each weight, $\epsilon = 10^{-3}$. The same `num_draws` draws
    serve at every level. The standard error is that of the mean over draws, divided by the slope of the error; it does
    not include the choice of `num_examples` training examples. Costs about 17 num_draws forward passes of them.

    >>> from measures import Split
    >>> x = torch.tensor([[1.0], [-1.0]]).repeat(20, 1)
    >>> model, data = nn.Linear(1, 1, bias=False), Split(x, (x[:, 0] > 0).long())
    >>> model.weight.data = torch.ones(1, 1)  # wrong on all examples once the noise is below -1
    >>> snapshot = Snapshot(model, (), data, data, nn.functional.cross_entropy)
    >>> sigma = pac_bayes_sigma(snapshot, num_draws=100).values["sigma"]
    >>> abs(sigma.value - 0.78) < 3 * sigma.stderr  # a normal number is below -1 / 0.78 in a tenth of the draws
    True
    """
    check_precision(snapshot.model)
    examples = chosen_examples(snapshot.train, num_examples, seed)
    error = _error(snapshot.model, examples, {})

    def increase(level: float) -> Floats:
        draws = (_perturbed(snapshot.model, level, noise, seed, draw) for draw in range(num_draws))
        return np.array([_error(snapshot.model, examples, weights) - error for weights in draws])

    base = {"error": Estimate(error), "target": Estimate(target), "num_draws": Estimate(float(num_draws))}
    try:
        found = crossing(increase, target)
    except ValueError as reason:
        missing = dict.fromkeys(("sigma", "inverse_variance", "num_levels"), Estimate(math.nan))
        return Measurement(base | missing, notes=(f"There is no sigma: {reason}.",))
    values = base | {
        "sigma": Estimate(found.value, found.stderr),
        "inverse_variance": Estimate(found.value**-2, 2 * found.stderr * found.value**-3),
        "num_levels": Estimate(float(found.num_levels)),
    }
    return Measurement(values, {"increase": found.by_draw}, _notes(found))


def _notes(found: Crossing) -> tuple[str, ...]:
    return ("The error does not rise with the noise around sigma: it has no standard error.",) * math.isnan(
        found.stderr
    )


def crossing(increase: Callable[[float], Floats], target: float) -> Crossing:
    """Where the mean over draws of `increase` at a level reaches the target, by bisection on the level's logarithm.

    Of several crossings one is found. ValueError if there is none between 1e-8 and 1e4.
    """
    num_levels = 0

    def mean(level: float) -> float:
        nonlocal num_levels
        num_levels += 1
        return float(increase(level).mean())

    lower, upper = _bracket(mean, target)
    while upper / lower > 1 + RESOLUTION:
        middle = math.sqrt(lower * upper)
        lower, upper = (middle, upper) if mean(middle) <= target else (lower, middle)
    slope = (mean(lower * SLOPE_STEP) - mean(lower / SLOPE_STEP)) / (lower * (SLOPE_STEP - 1 / SLOPE_STEP))
    by_draw = increase(lower)
    spread = float(by_draw.std(ddof=1) / math.sqrt(len(by_draw)))
    return Crossing(lower, spread / slope if slope > 0 else math.nan, num_levels + 1, by_draw)


def _bracket(mean: Callable[[float], float], target: float) -> tuple[float, float]:
    """Two levels, the first at or below the target and the second above it."""
    lower, upper = START, START
    if mean(START) <= target:
        while mean(upper := upper * FACTOR) <= target:
            lower = upper
            if upper > LARGEST:
                raise ValueError(f"no noise up to {upper:g} raises the error by more than {target:g}")
        return lower, upper
    while mean(lower := lower / FACTOR) > target:
        upper = lower
        if lower < SMALLEST:
            raise ValueError(f"noise of {lower:g} already raises the error by more than {target:g}")
    return lower, upper


def _error(model: nn.Module, examples: Split, weights: dict[str, Tensor]) -> float:
    """Share of the examples whose label does not win, with `weights` in place of the network's own."""
    num_wrong = 0
    with evaluating(model), torch.no_grad():
        batches = zip(examples.inputs.split(BATCH_SIZE), examples.targets.split(BATCH_SIZE), strict=True)
        for inputs, targets in batches:
            outputs = torch.func.functional_call(model, weights, (inputs,))
            if not weights and (bad := num_not_finite(outputs)):
                raise ValueError(f"the outputs hold NaN or infinity for {bad} of {len(outputs)} examples")
            num_wrong += int((~(class_margins(outputs, targets) > 0)).sum())
    return num_wrong / len(examples)


def _perturbed(model: nn.Module, level: float, noise: str, seed: int, draw: int) -> dict[str, Tensor]:
    """All trained parameters with the noise of one draw at one level."""
    stream = generator(seed, draw + 1)  # stream 0 chose the examples
    weights: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            value = parameter.detach()
            unit = torch.randn(value.shape, generator=stream, dtype=torch.float32).to(value)
            magnitude = (level**2 * value.square() + LEAST_DEVIATION**2).sqrt()
            weights[name] = value + unit * (magnitude if noise == "magnitude_aware" else level)
    return weights
