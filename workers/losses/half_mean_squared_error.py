"""Half the mean squared error, as Loukas, Poiitis & Jegelka (arXiv 2106.04186) scale it."""

from torch import Tensor
from torch.nn import functional

from workers.losses.loss import Loss


def half_mean_squared_error(num_classes: int | None) -> Loss:
    """Half the squared difference of a single output and its target, for regression."""
    if num_classes is not None:
        raise ValueError(f"loss half_mean_squared_error is not valid for {num_classes} classes: it is for regression")
    return Loss(1, _mean, slope=_slope, stacked=_stacked)


def _mean(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[:, 0] - targets).square().mean() / 2


def _slope(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[..., 0] - targets).abs()


def _stacked(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    beyond = outputs[..., 0] - targets
    slope = (beyond / targets.shape[1]).unsqueeze(-1)
    return beyond.square().mean(dim=1) / 2, functional.pad(slope, (0, outputs.shape[-1] - 1))
