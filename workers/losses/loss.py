"""Loss: what is minimised, and what counts as an error."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """Of outputs (n, num_outputs) and targets (n,).

    `mean` is the mean over the examples; `predict` gives the class of every row of outputs, and is None in regression,
    where there is no error. `slope` is the absolute derivative (n,) of every example's loss with respect to the
    network's function: its output, or the sigmoid of that where the loss takes the sigmoid; it is None where the
    function has more than one component. It takes further dimensions in front.

    `stacked` is the same loss for many networks at once, and its derivative: of outputs (networks, n, at least
    num_outputs), of which those that are too many are ignored, and targets (networks, n) it gives the means (networks,)
    and, in the shape of the outputs, the derivative of each. It is None for a loss that is not computed so.
    """

    num_outputs: int
    mean: Callable[[Tensor, Tensor], Tensor]
    predict: Callable[[Tensor], Tensor] | None = None
    slope: Callable[[Tensor, Tensor], Tensor] | None = None
    stacked: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
