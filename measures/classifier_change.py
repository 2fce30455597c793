"""The measure `classifier_change`: what becomes of a classifier when its weights move far in flat directions.

A long step where the loss has no curvature leaves the decision boundary where it was; a short one where it is curved
moves it. The pictures are on a plane of inputs, the counts on the training and test examples.
"""

import math
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from measures.displacement import Batch, checked_batches, has_classes, outputs_at, predicted_labels
from measures.eigenspaces import curvatures, eigenspaces, top_and_bottom
from measures.input_plane import InputPlane, input_plane
from measures.inputs import Estimate, Measurement, Snapshot, Split
from measures.operators import hessian_operator

BATCH_SIZE = 1000


def classifier_change(
    snapshot: Snapshot,
    *,
    bottom_length: PositiveFloat = 10.0,
    top_length: PositiveFloat = 0.1,
    num_top: PositiveInt = 3,
    num_excluded: PositiveInt = 1681,
    num_draws: Annotated[int, Field(ge=2)] = 10,
    resolution: Annotated[int, Field(ge=2)] = 60,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Labels and probabilities changed by a long step of low curvature, and by a short one of high curvature.

    Along `num_draws` random unit directions d of the bottom and of the top eigenspace of the training-loss Hessian, as
    for `homogeneity`: the number of predicted labels that differ between $w + s d$ and $w$, on all training and all
    test examples and as a share of a square grid of inputs, and the mean of $|\Delta p|$ over that grid, half the sum
    over classes of the changes of their probabilities; s is `bottom_length` or `top_length`. Standard errors are over
    directions. Arrays are pictures of the first direction. The grid spans inputs of two numbers; of others it lies in
    the plane of three training examples. Defaults are those of Maddox, Benton, Wilson, arXiv 2003.02139, section 5,
    for their two-spirals network of 2,181 parameters: bottom are the 500 eigenvectors of the smallest magnitudes. Costs
    2 num_draws forward passes of all examples and of resolution^2 inputs, and Hessian products as `homogeneity`.

    >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])  # the second of the two weights meets only zeros
    >>> model, data = torch.nn.Linear(2, 2, bias=False), Split(x, torch.tensor([1, 0]))
    >>> snapshot = Snapshot(model, (), data, data, torch.nn.functional.cross_entropy)
    >>> classifier_change(snapshot, num_excluded=1).values["bottom.train.labels_changed"].value
    0.0
    """
    train, test = _batches(snapshot.train), _batches(snapshot.test)
    hessian = hessian_operator(snapshot.model, snapshot.loss, checked_batches(snapshot.model, train))
    if not has_classes(train):
        raise ValueError(f"targets are {snapshot.train.targets.dtype}: what changes are the labels of a classifier")
    spaces = eigenspaces(hessian, num_top=num_top, num_excluded=num_excluded, seed=seed)
    plane = input_plane(snapshot.train, resolution, seed)
    grid = _batches(Split(plane.inputs, torch.zeros(len(plane.inputs), dtype=torch.int64)))
    before = outputs_at(snapshot.model, None, grid)
    values = {"num_parameters": Estimate(float(hessian.shape[0]))}
    arrays: dict[str, NDArray[np.generic]] = {
        "rows": plane.rows,
        "columns": plane.columns,
        "points": plane.points,
        "probabilities": _picture(plane, before),
    }
    for space, directions in top_and_bottom(spaces, num_draws, seed).items():
        steps = directions * (top_length if space == "top" else bottom_length)
        values[f"{space}.curvature"] = _mean(curvatures(hessian, directions))
        for name, data in (("train", train), ("test", test)):
            values[f"{space}.{name}.labels_changed"] = _mean(_labels_changed(snapshot, steps, data))
        moved = [outputs_at(snapshot.model, step, grid) for step in steps.T]
        changes = torch.stack([_change(each, before) for each in moved])
        others = torch.stack([predicted_labels(each) != predicted_labels(before) for each in moved])
        values[f"{space}.plane_change"] = _mean(changes.mean(dim=1).cpu().numpy())
        values[f"{space}.plane_changed"] = _mean(others.double().mean(dim=1).cpu().numpy())
        arrays |= {f"{space}.change": plane.map(changes[0]), f"{space}.probabilities": _picture(plane, moved[0])}
    values |= {f"{name}.changed_more": _changed_more(values, name) for name in ("train", "test")}
    return Measurement(values, arrays, (*_notes(values), *spaces.notes(num_top, num_excluded)))


def _changed_more(values: dict[str, Estimate], split: str) -> Estimate:
    """Labels changed by the short top step, less those by the long bottom one; their draws are independent."""
    top, bottom = (values[f"{space}.{split}.labels_changed"] for space in ("top", "bottom"))
    return Estimate(top.value - bottom.value, math.hypot(top.stderr or 0.0, bottom.stderr or 0.0))


def _batches(split: Split) -> list[Batch]:
    return list(zip(split.inputs.split(BATCH_SIZE), split.targets.split(BATCH_SIZE), strict=True))


def _labels_changed(snapshot: Snapshot, steps: Tensor, data: list[Batch]) -> NDArray[np.float64]:
    """The number of examples whose predicted label is another after each of the steps (p, k)."""
    labels = predicted_labels(outputs_at(snapshot.model, None, data))
    moved = [predicted_labels(outputs_at(snapshot.model, step, data)) for step in steps.T]
    return np.array([float((each != labels).sum()) for each in moved])


def _probabilities(outputs: list[Tensor]) -> Tensor:
    """Of every class (n, classes); of a single output, the logit of the second of two."""
    rows = torch.cat(outputs).double()
    rows = rows.reshape(len(rows), -1)
    if rows.shape[1] == 1:
        return torch.cat([torch.sigmoid(-rows), torch.sigmoid(rows)], dim=1)
    return torch.softmax(rows, dim=1)


def _change(after: list[Tensor], before: list[Tensor]) -> Tensor:
    return (_probabilities(after) - _probabilities(before)).abs().sum(dim=1) / 2


def _picture(plane: InputPlane, outputs: list[Tensor]) -> NDArray[np.float64]:
    """The probability of the second of two classes, or that of the likeliest of several."""
    probabilities = _probabilities(outputs)
    two = probabilities.shape[1] == 2
    return plane.map(probabilities[:, 1] if two else probabilities.amax(dim=1))


def _mean(by_draw: NDArray[np.float64]) -> Estimate:
    """The mean over draws and its standard error; NaN, and none, where a draw is not finite."""
    if not np.isfinite(by_draw).all():
        return Estimate(math.nan)
    return Estimate(float(by_draw.mean()), float(by_draw.std(ddof=1)) / math.sqrt(len(by_draw)))


def _notes(values: dict[str, Estimate]) -> list[str]:
    unknown = [space for space in ("top", "bottom") if math.isnan(values[f"{space}.plane_change"].value)]
    return [f"The outputs are not finite after a step in the {space} eigenspace." for space in unknown]
