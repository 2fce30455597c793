"""The measure `loss_surface`: the training loss on a plane through the trained weights.

The centre of the grid is the network itself. It is evaluated like every other point and compared with what the network
gives as it is, and with the loss recorded in training, as published surfaces have been those of untrained networks.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from measures.displacement import (
    Batch,
    Loss,
    check_directions,
    checked_batches,
    has_classes,
    mean_error,
    mean_loss,
    outputs_at,
)
from measures.eigenspaces import Eigenspaces, eigenspaces
from measures.examples import chosen_examples, generator
from measures.inputs import Estimate, Measurement, Snapshot
from measures.operators import CurvatureOperator, hessian_operator
from measures.parameter_directions import check_orthonormal, orthonormal, random_directions

Floats = NDArray[np.float64]
Plane = Literal["top", "bottom", "random"]

REPRODUCED = 1e-6  # relative, between the network as it is and the centre
RECORDED = 1e-3  # relative, between the centre and the recorded loss: other batches, perhaps another precision
BATCH_SIZE = 1000


def _different(planes: tuple[Plane, ...]) -> tuple[Plane, ...]:
    if not planes or len(set(planes)) < len(planes):
        raise ValueError("name at least one plane, each once")
    return planes


@dataclass(frozen=True)
class LossSurface:
    """Mean losses (n, n) at each pair of coordinates (n,): rows along the first direction, columns along the second.

    `errors` are the shares of wrong labels; None where the targets are no classes.
    """

    coordinates: Floats
    losses: Floats
    errors: Floats | None

    @property
    def centre(self) -> float:
        """The loss of the network itself."""
        middle = len(self.coordinates) // 2
        return float(self.losses[middle, middle])


def loss_surface(
    snapshot: Snapshot,
    *,
    planes: Annotated[tuple[Plane, ...], AfterValidator(_different)] = ("top", "bottom", "random"),
    half_width: PositiveFloat = 5.0,
    steps_each_way: PositiveInt = 12,
    num_top: Annotated[int, Field(ge=2)] = 10,
    num_excluded: Annotated[int, Field(ge=2)] = 200,
    num_examples: PositiveInt | None = None,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    r"""Training loss and error on squares around the trained weights, in planes of high, low and any curvature.

    Each plane is spanned by two Gaussian directions, orthonormalised: of the eigenvectors of the `num_top` Hessian
    eigenvalues of largest magnitude ("top"), of the orthogonal complement of the `num_excluded` directions that hold
    the large curvature ("bottom"), or of all parameters ("random"). Those directions are the eigenvectors of largest
    magnitude up to 2,500 parameters, beyond that all that so many Lanczos steps find. Defaults are those of Maddox,
    Benton, Wilson, arXiv 2003.02139, figure A.1; the paper's two spirals have `num_top` 3, `num_excluded` 181 and
    half_width 0.5. `top.curvature_1` is $d_1^T H d_1$ and `top.slope_1` is $d_1^T g$ of the top plane: near the centre
    the loss is $\ell + s\,\mathrm{slope}_1 + s^2\,\mathrm{curvature}_1 / 2$ along the first axis. Evaluation mode,
    labels trained on, no weight decay; of `num_examples` examples, or all. Costs (2 steps_each_way + 1)^2 forward
    passes a plane and, for "top" and "bottom" together, num_excluded + num_top Hessian products, or as many as there
    are parameters, up to 2,500.

    >>> from measures import Split
    >>> model, data = nn.Linear(3, 2), Split(torch.eye(3), torch.arange(3) % 2)
    >>> snapshot = Snapshot(model, (), data, data, nn.functional.cross_entropy)
    >>> measurement = loss_surface(snapshot, planes=("top",), steps_each_way=2)
    >>> losses = measurement.arrays["top.losses"]
    >>> losses.shape, bool(losses[2, 2] == measurement.values["loss"].value)
    ((5, 5), True)
    """
    examples = snapshot.train if num_examples is None else chosen_examples(snapshot.train, num_examples, seed)
    batches = list(zip(examples.inputs.split(BATCH_SIZE), examples.targets.split(BATCH_SIZE), strict=True))
    hessian = hessian_operator(snapshot.model, snapshot.loss, checked_batches(snapshot.model, batches))
    curved = set(planes) != {"random"}
    spaces = eigenspaces(hessian, num_top=num_top, num_excluded=num_excluded, seed=seed) if curved else None
    values = {
        "num_parameters": Estimate(float(hessian.shape[0])),
        "num_excluded": Estimate(float(spaces.excluded.shape[1] if spaces else 0)),
    }
    arrays: dict[str, NDArray[np.generic]] = {}
    notes = spaces.notes(num_top, num_excluded) if spaces else []
    for plane in planes:
        directions = _directions(hessian, spaces, plane, seed)
        surface = loss_on_plane(
            snapshot.model, snapshot.loss, batches, directions, half_width=half_width, steps_each_way=steps_each_way
        )
        fields = _surface_fields(surface) | _axis_fields(hessian, directions)
        values |= _centre_fields(surface) | {f"{plane}.{name}": field for name, field in fields.items()}
        arrays |= {"coordinates": surface.coordinates, f"{plane}.losses": surface.losses}
        arrays |= {} if surface.errors is None else {f"{plane}.errors": surface.errors}
        notes += _rim_notes(plane, surface)
    recorded = snapshot.recorded_loss if len(examples) == len(snapshot.train) else None
    values |= _recorded_fields(values["loss"].value, recorded) | _contrast(values)
    notes += _centre_notes(values["loss"].value, recorded, has_classes(batches))
    return Measurement(values, arrays, tuple(notes))


def loss_on_plane(
    model: nn.Module,
    loss: Loss,
    data: Iterable[Batch],
    directions: Tensor,
    *,
    half_width: float = 1.0,
    steps_each_way: int = 12,
    recorded_loss: float | None = None,
) -> LossSurface:
    r"""The mean loss at $w + s d_1 + t d_2$ on a square grid of $(s, t)$ around the network's own parameters w.

    The columns $d_1, d_2$ of `directions` (p, 2) run over the parameters that require a gradient, in the order of
    `model.parameters()`, and must be orthonormal to 1e-6. s and t go from -half_width to half_width, with
    `steps_each_way` steps on either side of 0, so the network itself is always on the grid. ValueError where the centre
    is not the loss that the network has as it is, or not the `recorded_loss`. Costs (2 steps_each_way + 1)^2 forward
    passes.

    >>> model, data = nn.Linear(2, 1, bias=False), [(torch.eye(2), torch.zeros(2, 1))]
    >>> model.weight.data.zero_()
    tensor([[0., 0.]])
    >>> loss_on_plane(model, nn.functional.mse_loss, data, torch.eye(2), steps_each_way=1).losses.tolist()
    [[1.0, 0.5, 1.0], [0.5, 0.0, 0.5], [1.0, 0.5, 1.0]]
    """
    batches = checked_batches(model, data)
    check_directions(model, directions)
    if directions.shape[1] != 2:
        raise ValueError(f"{directions.shape[1]} directions span no plane: 2 are needed")
    check_orthonormal(directions)
    if not (0 < half_width < math.inf) or steps_each_way < 1:
        raise ValueError(f"half_width={half_width}, steps_each_way={steps_each_way} are not valid: both above 0")
    own = mean_loss(loss, outputs_at(model, None, batches), batches)
    if not math.isfinite(own):
        raise ValueError(f"the loss of the network itself is {own}: there is no surface around it")
    coordinates = half_width * np.arange(-steps_each_way, steps_each_way + 1) / steps_each_way
    losses, errors = np.empty((2, len(coordinates), len(coordinates)))
    classes = has_classes(batches)
    for i, s in enumerate(coordinates):
        for j, t in enumerate(coordinates):
            outputs = outputs_at(model, s * directions[:, 0] + t * directions[:, 1], batches)
            losses[i, j] = mean_loss(loss, outputs, batches)
            errors[i, j] = mean_error(outputs, batches) if classes else math.nan
    surface = LossSurface(coordinates, losses, errors if classes else None)
    _check_centre(surface.centre, own, recorded_loss)
    return surface


def _check_centre(centre: float, own: float, recorded: float | None) -> None:
    if not abs(centre - own) <= REPRODUCED * max(abs(own), REPRODUCED):
        raise ValueError(f"the loss at the centre is {centre:.6g}, then {own:.6g}: the network gives other outputs")
    if recorded is not None and not is_recorded(centre, recorded):
        raise ValueError(f"the loss at the centre is {centre:.6g}, but {recorded:.6g} was recorded: another network?")


def is_recorded(loss: float, recorded: float) -> bool:
    """Whether a loss is that recorded in training, but for the rounding of other batches and precisions."""
    return abs(loss - recorded) <= RECORDED * max(abs(recorded), RECORDED)


def _directions(hessian: CurvatureOperator, spaces: Eigenspaces | None, plane: Plane, seed: int) -> Tensor:
    draws = generator(seed, 2)
    if plane == "random" or spaces is None:
        return orthonormal(random_directions(hessian.shape[0], 2, draws)).to(hessian.device)
    return orthonormal(spaces.top_directions(2, draws) if plane == "top" else spaces.bottom_directions(2, draws))


def _centre_fields(surface: LossSurface) -> dict[str, Estimate]:
    middle = len(surface.coordinates) // 2
    error = math.nan if surface.errors is None else float(surface.errors[middle, middle])
    return {"loss": Estimate(surface.centre), "error": Estimate(error)}


def _recorded_fields(centre: float, recorded: float | None) -> dict[str, Estimate]:
    if recorded is None:
        return {}
    apart = abs(centre - recorded) / max(abs(recorded), RECORDED)
    digits = -math.log10(max(apart, float(np.finfo(np.float64).eps)))
    return {"recorded_loss": Estimate(recorded), "recorded_digits": Estimate(digits)}


def _contrast(values: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """How many decades the mean rise on the top plane is above that on the bottom one, where both were measured."""
    rises = [values[name].value for name in ("top.mean_rise", "bottom.mean_rise") if name in values]
    if len(rises) < 2:
        return {}
    # The loss falls on a plane if the centre is no minimum; and below what is reproduced nothing rises.
    least = REPRODUCED * max(abs(values["loss"].value), REPRODUCED)
    top, bottom = (math.log10(max(abs(rise), least)) for rise in rises)
    return {"contrast": Estimate(top - bottom)}


def _surface_fields(surface: LossSurface) -> dict[str, Estimate]:
    finite = surface.losses[np.isfinite(surface.losses)]
    return {
        "lowest_loss": Estimate(float(finite.min())),
        "highest_loss": Estimate(float(finite.max())),
        "mean_rise": Estimate(float(finite.mean()) - surface.centre),
    }


def _axis_fields(hessian: CurvatureOperator, directions: Tensor) -> dict[str, Estimate]:
    images = (hessian @ directions.to(hessian.dtype)).to(directions)
    curvatures = (directions * images).sum(dim=0)
    slopes = directions.T @ hessian.gradient.to(directions)
    return {
        f"{name}_{i}": Estimate(float(number))
        for name, numbers in (("curvature", curvatures), ("slope", slopes))
        for i, number in enumerate(numbers, start=1)
    }


def _centre_notes(centre: float, recorded: float | None, classes: bool) -> list[str]:
    notes: list[str] = []
    if recorded is not None and not is_recorded(centre, recorded):
        notes.append(
            f"The loss at the centre is {centre:.6g}, but {recorded:.6g} was recorded in training: another "
            "network, other data or another precision."
        )
    return notes if classes else [*notes, "The targets are no classes: there is no error."]


def _rim_notes(plane: Plane, surface: LossSurface) -> list[str]:
    unknown = int((~np.isfinite(surface.losses)).sum())
    if not unknown:
        return []
    return [f"The loss is not finite at {unknown} of {surface.losses.size} points ({plane}), which are left out."]
