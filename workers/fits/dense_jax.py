"""A dense network of torch as a function for jax, in which samplers of posteriors are written."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

Arrays = Mapping[str, Any]  # jax's arrays, whose package is an optional one
ACTIVATIONS: Mapping[type[nn.Module], str] = {nn.ELU: "elu", nn.ReLU: "relu", nn.Tanh: "tanh"}


def dense_layers(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Name and module of each layer in turn; ValueError unless it is a chain of linear layers and activations."""
    layers = [(name, each) for name, each in module.named_modules() if type(each) is not nn.Sequential]
    strange = [each for _, each in layers if not isinstance(each, (nn.Linear, nn.Flatten, *ACTIVATIONS))]
    if strange:
        raise ValueError(
            f"fit nuts is not valid for a network with {strange[0]}: it takes a chain of linear layers and "
            f"{', '.join(each.__name__ for each in ACTIVATIONS)}"
        )
    return layers


def dense_function(module: nn.Module, jax: Any) -> Callable[[Arrays, Any], Any]:
    """`f(weights, inputs)`, with weights by their names in the module, that computes what the module does."""
    layers = dense_layers(module)

    def outputs(weights: Arrays, inputs: Any) -> Any:
        values = inputs.reshape(len(inputs), -1)
        for name, layer in layers:
            if isinstance(layer, nn.Linear):
                values = values @ weights[f"{name}.weight"].T
                values = values + weights.get(f"{name}.bias", 0.0)
            elif type(layer) in ACTIVATIONS:
                values = getattr(jax.nn, ACTIVATIONS[type(layer)])(values)
        return values

    return outputs
