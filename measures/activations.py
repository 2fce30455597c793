"""What the layers of a network put out on given inputs, from one forward pass."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from measures.operators import evaluating


def layer_activations(
    model: nn.Module, inputs: Tensor, layers: Sequence[str], *, batch_size: int = 1000
) -> dict[str, Tensor]:
    """Outputs of the named submodules, flattened to (examples, features), in evaluation mode.

    One forward pass for all layers; memory for all of their outputs.

    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    >>> layer_activations(model, torch.zeros(5, 4), ["1"])["1"].shape
    torch.Size([5, 3])
    """
    modules = dict(model.named_modules())
    for layer in layers:
        if layer not in modules:
            raise ValueError(f"unknown layer {layer!r}; layers: {', '.join(name for name in modules if name)}")
    if batch_size < 1 or len(inputs) < 1:
        raise ValueError(f"batch_size={batch_size} on {len(inputs)} examples is not valid: both must be at least 1")
    outputs: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    handles = [modules[layer].register_forward_hook(_recorder(layer, outputs[layer])) for layer in outputs]
    try:
        with evaluating(model), torch.no_grad():
            batches = inputs.split(batch_size)
            for batch in batches:
                model(batch)
    finally:
        for handle in handles:
            handle.remove()
    for layer, parts in outputs.items():
        if len(parts) != len(batches):
            raise ValueError(f"layer {layer!r} ran {len(parts)} times in {len(batches)} passes; it must run once")
    return {layer: torch.cat(parts) for layer, parts in outputs.items()}


def _recorder(layer: str, parts: list[Tensor]) -> Callable[[nn.Module, tuple[object, ...], object], None]:
    def record(_module: nn.Module, _inputs: tuple[object, ...], output: object) -> None:
        if not isinstance(output, Tensor):
            raise ValueError(f"layer {layer!r} puts out a {type(output).__name__}, not a tensor")
        if output.ndim < 2:
            raise ValueError(f"layer {layer!r} puts out shape {tuple(output.shape)}; examples and features are needed")
        # A copy: an in-place activation that follows would overwrite the output.
        parts.append(output.detach().flatten(start_dim=1).clone())

    return record
