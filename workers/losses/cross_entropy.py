"""Cross-entropy, with label smoothing if asked for (Szegedy et al., arXiv 1512.00567, section 7)."""

from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from workers.losses.loss import Loss


def cross_entropy(num_classes: int | None, *, label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> Loss:
    """Cross-entropy in nats of the softmax of one output per class."""
    if num_classes is None:
        raise ValueError("loss cross_entropy is not valid for a data set without classes: use half_mean_squared_error")
    return Loss(num_classes, partial(functional.cross_entropy, label_smoothing=label_smoothing), _most_likely)


def _most_likely(outputs: Tensor) -> Tensor:
    return outputs.argmax(dim=1)
