"""The bias vector b1 that the theory of Loukas, Poiitis & Jegelka (arXiv 2106.04186) looks at."""

from torch import Tensor, nn

from workers.models.network import Network

INPUT_BIAS = "input_bias"


def first_bias(network: Network, layer: str | None) -> nn.Parameter:
    """The trainable bias of `layer`; by default of the module `input_bias`, else of the first module that has one.

    First in the order in which the modules are registered, which for our models is the forward order. A bias is a
    vector, except that an `input_bias` may have the shape of an input. ValueError if there is none, or none of that
    name.
    """
    biases = {
        name: bias
        for name, module in network.module.named_modules()
        if isinstance(bias := getattr(module, "bias", None), nn.Parameter)
        and bias.requires_grad
        and (bias.ndim == 1 or _is_input_bias(name))
    }
    if not biases:
        raise ValueError("the network has no trainable bias vector: an online measure of one takes another model")
    if layer is None:
        return biases[next(filter(_is_input_bias, biases), next(iter(biases)))]
    if layer not in biases:
        raise ValueError(f"layer {layer!r} has no trainable bias vector; layers with one: {', '.join(biases)}")
    return biases[layer]


def gradient_of(bias: nn.Parameter) -> Tensor:
    """The gradient that the last step used."""
    if bias.grad is None:
        raise ValueError("the bias has no gradient: its layer takes no part in the loss; name another `layer`")
    return bias.grad


def _is_input_bias(name: str) -> bool:
    return name.split(".")[-1] == INPUT_BIAS
