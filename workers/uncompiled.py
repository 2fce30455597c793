"""Torch without its compiler, which nothing here uses and which every process would take two seconds to load.

Optimisers, dispatch modes and tensors without memory load `torch._dynamo` at their first call, only to be left out of
what it compiles. Until something else is asked of it, a stand-in answers that.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch

NAME = "torch._dynamo"


def leave_out_compiler() -> None:
    """Until something is compiled; then the compiler is loaded as ever."""
    if NAME not in sys.modules:
        sys.modules[NAME] = torch._dynamo = _StandIn(NAME)  # pyright: ignore[reportPrivateUsage]


class _StandIn(ModuleType):
    """What torch calls of its compiler when nothing is compiled; for anything else it makes way for the compiler."""

    @staticmethod
    def disable(fn: Callable[..., Any], recursive: bool = True, *, wrapping: bool = True) -> Callable[..., Any]:
        """The function itself: nothing compiles it."""
        return fn

    @staticmethod
    def graph_break(msg: str = "") -> None:
        """There is no graph."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]
        compiler = importlib.import_module(NAME)
        if name == "__path__":  # Python is about to import a part of it, and would load that part a second time
            sys.meta_path.insert(0, _AlreadyLoaded())
        return getattr(compiler, name)


class _AlreadyLoaded(MetaPathFinder, Loader):
    """Finds, once, the module that is there."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        sys.meta_path.remove(self)
        module = sys.modules.get(fullname)
        return None if module is None else ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = sys.modules[spec.name]
        self.own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own
