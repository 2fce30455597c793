"""The bias vector b1 that the theory of Loukas, Poiitis & Jegelka (arXiv 2106.04186) looks at."""

from torch import nn

INPUT_BIAS = "input_bias"


def first_bias(model: nn.Module, layer: str | None = None) -> tuple[str, nn.Parameter]:
    """The trainable bias of `layer` and that layer's name; by default of `input_bias`, else of the first module.

    First in the order in which the modules are registered, which for our models is the forward order. A bias is a
    vector, except that an `input_bias` may have the shape of an input. ValueError if there is none, or none of that
    name.

    >>> first_bias(nn.Sequential(nn.Linear(3, 2, bias=False), nn.Linear(2, 1)))[0]
    '1'
    """
    biases = {
        name: bias
        for name, module in model.named_modules()
        if isinstance(bias := getattr(module, "bias", None), nn.Parameter)
        and bias.requires_grad
        and (bias.ndim == 1 or _is_input_bias(name))
    }
    if not biases:
        raise ValueError("the network has no trainable bias vector; measures of one need another model")
    if layer is None:
        layer = next(filter(_is_input_bias, biases), next(iter(biases)))
    if layer not in biases:
        raise ValueError(f"layer {layer!r} has no trainable bias vector; layers with one: {', '.join(biases)}")
    return layer, biases[layer]


def _is_input_bias(name: str) -> bool:
    return name.split(".")[-1] == INPUT_BIAS
