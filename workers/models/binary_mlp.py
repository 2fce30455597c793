"""The MNIST MLP of Loukas, Poiitis & Jegelka (arXiv 2106.04186): digits 3 and 6."""

from typing import Annotated

from pydantic import Field

from workers.models.input_bias import biased_input_mlp
from workers.models.network import Network


def binary_mlp(
    input_shape: tuple[int, ...] = (1, 28, 28),
    num_outputs: int = 1,
    *,
    width: Annotated[int, Field(ge=1)] = 512,
    depth: Annotated[int, Field(ge=1)] = 1,
) -> Network:
    """Two-class MLP behind an identity layer of which only the bias is trained.

    Puts out logits: the sigmoid belongs to the loss `half_binary_cross_entropy`.
    """
    return biased_input_mlp(input_shape, num_outputs, width, depth)
