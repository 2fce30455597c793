"""The regression network of Loukas, Poiitis & Jegelka (arXiv 2106.04186), task 1; with depth 1, their MLP2."""

from typing import Annotated

from pydantic import Field

from workers.models.input_bias import biased_input_mlp
from workers.models.network import Network


def sinusoid_net(
    input_shape: tuple[int, ...] = (10,),
    num_outputs: int = 1,
    *,
    width: Annotated[int, Field(ge=1)] = 32,
    depth: Annotated[int, Field(ge=1)] = 3,
) -> Network:
    """Identity layer of which only the bias is trained, then `depth` hidden ReLU layers of `width` units."""
    return biased_input_mlp(input_shape, num_outputs, width, depth)
