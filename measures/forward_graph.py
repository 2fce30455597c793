"""A network as the graph of its operations, for what depends on how its layers are connected.

The graph is that of `torch.fx`: functions such as `x.relu()` and `x + y` are seen as well as modules, so residual
networks need no special treatment. A network whose forward pass branches on its input cannot be traced, and says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError

from measures.operators import evaluating

T = TypeVar("T")

# Function, operator and method names of one operation under one name; an in-place form does the same.
NAMES = {
    "iadd": "add",
    "add_": "add",
    "isub": "sub",
    "relu_": "relu",
    "view_as": "reshape",
    "view": "reshape",
    "unflatten": "reshape",
}


@dataclass(frozen=True)
class Operation:
    """One operation: `kind` is "input", "constant", "output", a function's name, or the class name of its `module`.

    `inputs` are the names of the operations it takes from, one that is used twice twice; `shape` is that of
    its output for the traced batch.
    """

    name: str
    kind: str
    module: nn.Module | None
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


def operations(model: nn.Module, inputs: Tensor) -> list[Operation]:
    """The operations of a forward pass in evaluation mode, in their order; ValueError if it cannot be traced."""
    with evaluating(model), torch.no_grad():
        graph = traced(model)
        shapes = _Shapes(graph)
        shapes.run(inputs)
    return [_operation(graph, node, shapes.of.get(node.name, ())) for node in graph.graph.nodes]


def traced(model: nn.Module) -> fx.GraphModule:
    """The graph of the network in the mode it is in, on its own parameters; ValueError if it cannot be traced."""
    try:
        return fx.symbolic_trace(model)
    except (TraceError, TypeError) as error:
        raise ValueError(f"the forward pass of {type(model).__name__} cannot be traced ({error})") from None


class _Shapes(fx.Interpreter):
    """Runs the graph and takes down the shape of every tensor."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self.of: dict[str, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:  # of whatever type the operation returns
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.of[n.name] = tuple(result.shape)
        return result


def _operation(graph: fx.GraphModule, node: fx.Node, shape: tuple[int, ...]) -> Operation:
    module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
    sources: list[fx.Node] = []
    fx.map_arg((node.args, node.kwargs), sources.append)
    return Operation(node.name, _kind(node, module), module, tuple(source.name for source in sources), shape)


def _kind(node: fx.Node, module: nn.Module | None) -> str:
    if module is not None:
        return type(module).__name__
    if node.op in ("placeholder", "get_attr", "output"):
        return {"placeholder": "input", "get_attr": "constant", "output": "output"}[node.op]
    name = str(getattr(node.target, "__name__", node.target))
    return NAMES.get(name, name)


def propagate(steps: list[Operation], rule: Callable[[Operation, list[T]], T]) -> dict[str, T]:
    """The value of every operation, by name, from the `rule` that gives it from those of its inputs."""
    values: dict[str, T] = {}
    for step in steps:
        values[step.name] = rule(step, [values[name] for name in step.inputs])
    return values
