"""The measure `homogeneity`: how far the weights can move in flat and in steep directions before the function changes.

Directions of low curvature at a minimum change hardly anything, at any length, on examples that were not trained on
either: the function is homogeneous along them. Directions of high curvature change it at once.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from measures.displacement import (
    Batch,
    Loss,
    check_directions,
    checked_batches,
    has_classes,
    mean_loss,
    outputs_at,
    predicted_labels,
)
from measures.eigenspaces import curvatures, eigenspaces, top_and_bottom
from measures.examples import chosen_examples
from measures.inputs import Estimate, Measurement, Snapshot, Split
from measures.operators import hessian_operator

Floats = NDArray[np.float64]

UNIT = 1e-6
FLAT = 0.01  # share of the top curvature above which a note says that the bottom is not flat
BATCH_SIZE = 1000


@dataclass(frozen=True)
class PerturbationCurve:
    """Mean losses (lengths, directions) after steps along each direction, and the shares of labels that they keep.

    `labels_kept` is None where the targets are no classes.
    """

    lengths: Floats
    losses: Floats
    labels_kept: Floats | None


def homogeneity(
    snapshot: Snapshot,
    *,
    max_length: PositiveFloat = 1.0,
    num_lengths: Annotated[int, Field(ge=2)] = 20,
    num_draws: Annotated[int, Field(ge=2)] = 10,
    num_top: PositiveInt = 10,
    num_excluded: PositiveInt = 200,
    num_examples: PositiveInt = 1000,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Loss and predicted labels kept as the weights move in the top and in the bottom eigenspace of the Hessian.

    Along `num_draws` random unit directions d of each space, the loss and the predictions at $w + s d$ for
    `num_lengths` lengths s from 0 to `max_length`, on up to `num_examples` training and test examples each. "top" is
    the span of the eigenvectors of the `num_top` eigenvalues of largest magnitude, "bottom" the complement of the
    `num_excluded` directions that hold the large curvature, as for `loss_surface`; the Hessian is that of all training
    examples. Fields are at the largest length, the curves are arrays; standard errors are over directions.
    Maddox, Benton, Wilson, arXiv 2003.02139, section 5 and figure A.2, whose top are all eigenvectors that 200 Lanczos
    steps find. Costs 2 num_lengths num_draws forward passes of the examples, and num_excluded + num_top + 2 num_draws
    Hessian products, up to 2,500 parameters as many as there are.

    >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])  # the second of the two weights meets only zeros
    >>> model, data = nn.Linear(2, 1, bias=False), Split(x, torch.tensor([1, 0]))
    >>> def loss(outputs, targets):
    ...     return nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], targets.float())
    >>> homogeneity(Snapshot(model, (), data, data, loss), num_excluded=1).values["bottom.test.labels_kept"]
    Estimate(value=1.0, stderr=0.0)
    """
    train = list(zip(snapshot.train.inputs.split(BATCH_SIZE), snapshot.train.targets.split(BATCH_SIZE), strict=True))
    hessian = hessian_operator(snapshot.model, snapshot.loss, checked_batches(snapshot.model, train))
    spaces = eigenspaces(hessian, num_top=num_top, num_excluded=num_excluded, seed=seed)
    lengths = np.linspace(0, max_length, num_lengths)
    values: dict[str, Estimate] = {"num_parameters": Estimate(float(hessian.shape[0]))}
    arrays: dict[str, NDArray[np.generic]] = {"lengths": lengths}
    for space, directions in top_and_bottom(spaces, num_draws, seed).items():
        values[f"{space}.curvature"] = _mean(curvatures(hessian, directions))
        for name, split in (("train", snapshot.train), ("test", snapshot.test)):
            examples = [_batch(chosen_examples(split, num_examples, seed))]
            curve = perturbation_curve(snapshot.model, snapshot.loss, examples, directions, lengths)
            values |= {f"{name}.loss": Estimate(float(curve.losses[0, 0]))} | _fields(f"{space}.{name}", curve)
            arrays |= _arrays(f"{space}.{name}", curve)
    values |= {f"{name}.kept_more": _kept_more(values, name) for name in ("train", "test")}
    return Measurement(values, arrays, (*_notes(values), *spaces.notes(num_top, num_excluded)))


def perturbation_curve(
    model: nn.Module, loss: Loss, data: Iterable[Batch], directions: Tensor, lengths: Sequence[float] | Floats
) -> PerturbationCurve:
    """Mean loss, and share of predicted labels that stay, at each length along each unit direction (p, k).

    Directions run over the parameters that require a gradient, in the order of `model.parameters()`, and have length 1
    to 1e-6. Predictions are the largest output, or the sign of a single one. With a grid of points as data, the share
    of labels kept is the share of the plane that stays on its side of the decision boundary. Costs a forward pass for
    each length and direction.

    >>> model, data = nn.Linear(1, 1, bias=False), [(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1))]
    >>> model.weight.data.zero_()
    tensor([[0.]])
    >>> perturbation_curve(model, nn.functional.mse_loss, data, torch.ones(1, 1), [0.0, 2.0]).losses.tolist()
    [[0.0], [10.0]]
    """
    batches = checked_batches(model, data)
    check_directions(model, directions)
    if not float((torch.linalg.vector_norm(directions, dim=0) - 1).abs().max()) <= UNIT:
        raise ValueError(f"directions of norm {torch.linalg.vector_norm(directions, dim=0).tolist()} are not unit")
    steps = np.asarray(lengths, dtype=np.float64)
    if steps.ndim != 1 or len(steps) == 0 or not np.isfinite(steps).all():
        raise ValueError(f"lengths={lengths} are not valid: finite numbers, at least one")
    labels = predicted_labels(outputs_at(model, None, batches))
    losses, kept = np.empty((2, len(steps), directions.shape[1]))
    for i, length in enumerate(steps):
        for j, direction in enumerate(directions.T):
            outputs = outputs_at(model, length * direction, batches)
            losses[i, j] = mean_loss(loss, outputs, batches)
            kept[i, j] = float(((predicted_labels(outputs) == labels) & (labels >= 0)).double().mean())
    return PerturbationCurve(steps, losses, kept if has_classes(batches) else None)


def _batch(examples: Split) -> Batch:
    return examples.inputs, examples.targets


def _fields(prefix: str, curve: PerturbationCurve) -> dict[str, Estimate]:
    kept = np.full_like(curve.losses, math.nan) if curve.labels_kept is None else curve.labels_kept
    return {
        f"{prefix}.loss": _mean(curve.losses[-1]),
        f"{prefix}.labels_kept": _mean(kept[-1]),
        f"{prefix}.mean_labels_kept": _mean(kept.mean(axis=0)),
    }


def _arrays(prefix: str, curve: PerturbationCurve) -> dict[str, NDArray[np.generic]]:
    """Draws in rows, as of all arrays whose rows a report averages."""
    kept = {} if curve.labels_kept is None else {f"{prefix}.labels_kept": curve.labels_kept.T}
    return {f"{prefix}.loss": curve.losses.T, **kept}


def _kept_more(values: dict[str, Estimate], split: str) -> Estimate:
    """The share of labels that bottom directions keep, less that of the top; their draws are independent."""
    bottom, top = (values[f"{space}.{split}.labels_kept"] for space in ("bottom", "top"))
    if bottom.stderr is None or top.stderr is None:
        return Estimate(math.nan)
    return Estimate(bottom.value - top.value, math.hypot(bottom.stderr, top.stderr))


def _mean(by_draw: Floats) -> Estimate:
    """The mean over draws and its standard error; NaN, and none, where a draw is not finite."""
    if not np.isfinite(by_draw).all():
        return Estimate(math.nan)
    return Estimate(float(by_draw.mean()), float(by_draw.std(ddof=1)) / math.sqrt(len(by_draw)))


def _notes(values: dict[str, Estimate]) -> list[str]:
    notes: list[str] = []
    if all(math.isnan(values[f"{space}.train.labels_kept"].value) for space in ("top", "bottom")):
        notes.append("The targets are no classes: there are no labels to keep.")
    if unknown := [name for name, estimate in values.items() if "loss" in name and math.isnan(estimate.value)]:
        notes.append(f"The loss is not finite along some direction: {', '.join(unknown)}.")
    top, bottom = (abs(values[f"{space}.curvature"].value) for space in ("top", "bottom"))
    if bottom > FLAT * top:
        notes.append(
            f"The bottom eigenspace is not flat: its mean curvature is {bottom:.2g}, that of the top {top:.2g}; "
            "exclude more directions."
        )
    return notes
