"""A network cut at some of its layers, so that what comes before the first of them runs only once.

A chain of modules (`nn.Sequential`, also nested) is cut behind its layers. Any other network runs as a whole with hooks
on them: the same numbers, for the time of whole forward passes.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from measures.activations import layer_activations
from measures.operators import evaluating

Change = Callable[[Tensor], Tensor]


class Tail:
    """The network on fixed inputs from the first of some layers on, to be run again and again.

    Holds that layer's output for all inputs. `layers` are in forward order for a chain, otherwise as given; `axes` says
    which axis of a layer's output counts its units (features, channels), `num_units` how many there are.
    """

    def __init__(self, model: nn.Module, inputs: Tensor, layers: Sequence[str], *, batch_size: int = 500):
        if not layers:
            raise ValueError("no layer is named; at least one is needed")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} is not valid: at least 1")
        layer_activations(model, inputs[:1], layers)  # ValueError where one is unknown, or does not run just once
        self._model = model
        self._batches = inputs.split(batch_size)
        cuts = _cuts(model, layers)
        self.layers = tuple(dict.fromkeys(layers) if cuts is None else sorted(set(layers), key=cuts.__getitem__))
        self._parts = None if cuts is None else _parts([module for _, module in _steps(model)], self.layers, cuts)
        self._starts: list[Tensor] = []
        if self._parts is not None:
            with evaluating(model), torch.no_grad():
                self._starts = [_run(self._parts[0], batch) for batch in self._batches]
        modules, shapes = dict(model.named_modules(remove_duplicate=False)), self._shapes()
        self.axes = {layer: unit_axis(modules[layer], len(shapes[layer])) for layer in self.layers}
        self.num_units = {layer: shapes[layer][self.axes[layer]] for layer in self.layers}

    def outputs(self, changes: Mapping[str, Change]) -> Tensor:
        """The network's outputs for all inputs, with the output of each layer replaced by what its change makes of it.

        Batches come in order, and in each batch the layers in forward order.
        """
        with evaluating(self._model), torch.no_grad():
            if self._parts is not None:
                return torch.cat([self._continued(start, changes) for start in self._starts])
            with _hooked(self._model, changes):
                return torch.cat([self._model(batch) for batch in self._batches])

    def _continued(self, start: Tensor, changes: Mapping[str, Change]) -> Tensor:
        assert self._parts is not None
        current = start
        for layer, part in zip(self.layers, self._parts[1:], strict=True):
            if layer in changes:
                current = changes[layer](current)
            # A module that works in place must not overwrite what is held.
            current = _run(part, current.clone() if current is start else current)
        return current

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        seen: list[tuple[str, Tensor, int]] = []

        def noting(layer: str) -> Change:
            def note(x: Tensor) -> Tensor:
                shapes[layer] = tuple(x.shape)
                # A module that works in place puts out the tensor it was given, in another version.
                _require_different(
                    *(other for other, output, version in seen if output is x and version == x._version), layer
                )
                seen.append((layer, x, x._version))
                return x

            return note

        changes = {layer: noting(layer) for layer in self.layers}
        with evaluating(self._model), torch.no_grad():
            if self._parts is not None:
                self._continued(self._starts[0][:1], changes)
            else:
                with _hooked(self._model, changes):
                    self._model(self._batches[0][:1])
        return shapes


def _steps(module: nn.Module, name: str = "") -> list[tuple[str, nn.Module]]:
    """The modules of a chain in the order in which they run; the module itself where it is none."""
    if type(module).forward is not nn.Sequential.forward:
        return [(name, module)]
    named = module.named_modules(remove_duplicate=False)
    children = [(f"{name}.{key}" if name else key, child) for key, child in named if key and "." not in key]
    return [step for key, child in children for step in _steps(child, key)]


def _cuts(model: nn.Module, layers: Sequence[str]) -> dict[str, int] | None:
    """For each layer the number of steps up to its end; None if one of them is not a stretch of the chain."""
    names = [name for name, _ in _steps(model)]
    ends = {
        layer: [i + 1 for i, name in enumerate(names) if name == layer or name.startswith(f"{layer}.")]
        for layer in layers
    }
    if not all(ends.values()):
        return None
    cuts = {layer: found[-1] for layer, found in ends.items()}
    for cut in set(cuts.values()):
        _require_different(*(layer for layer in cuts if cuts[layer] == cut))
    return cuts


def _require_different(*layers: str) -> None:
    """ValueError where two layers have one output: its units would count twice."""
    if len(layers) > 1:
        raise ValueError(f"layers {layers[0]!r} and {layers[1]!r} have the same output; name one of them")


def _parts(modules: list[nn.Module], layers: Sequence[str], cuts: Mapping[str, int]) -> list[list[nn.Module]]:
    """The steps before the end of the first layer, between those of the others, and after the last."""
    bounds = [0, *(cuts[layer] for layer in layers), len(modules)]
    return [modules[start:end] for start, end in pairwise(bounds)]


def _run(modules: list[nn.Module], x: Tensor) -> Tensor:
    for module in modules:
        x = module(x)
    return x


@contextmanager
def _hooked(model: nn.Module, changes: Mapping[str, Change]) -> Generator[None, None, None]:
    """The changes made by hooks within the block."""

    def hook(change: Change) -> Callable[[nn.Module, tuple[object, ...], Tensor], Tensor]:
        return lambda _module, _inputs, output: change(output)

    modules = dict(model.named_modules())
    handles = [modules[layer].register_forward_hook(hook(change)) for layer, change in changes.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def unit_axis(layer: nn.Module, num_axes: int) -> int:
    """Axis of a layer's units: channels of images and one-dimensional convolutions; else features, also of tokens."""
    is_sequence = num_axes == 3 and not any(isinstance(module, nn.Conv1d) for module in layer.modules())
    return 2 if is_sequence else 1
