"""An entry is a function: its keyword-only parameters are its settings.

Models, data sets, corruptions, optimisers, schedules, fits, measures and studies are plain functions. The service
supplies the positional parameters; the keyword-only, annotated, defaulted ones are settings. Validation, coercion,
canonical identity, command-line flags, stored parameter names and the catalogue row all follow from the signature, so
an entry is described in one place only. A family's table is an explicit `Registry`: no scanning, nothing at import.

This module is a leaf: it imports nothing of ours, so every layer may use it.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model


@dataclass(frozen=True, init=False)
class Component:
    """An entry named together with its settings: `Component("random_labels", fraction=0.5)`.

    Equal names and settings make equal components, whatever the order in which the settings were written.
    """

    name: str
    settings: tuple[tuple[str, Any], ...]  # sorted by name; values are whatever the entry's annotations admit

    def __init__(self, name: str, /, **settings: Any) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "settings", tuple(sorted(settings.items())))

    def __getitem__(self, setting: str) -> Any:
        return dict(self.settings)[setting]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.settings)})"


@dataclass(frozen=True)
class Entry:
    """One function of a family, and what its signature says."""

    family: str
    function: Callable[..., Any]
    version: int = 1

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def summary(self) -> str:
        """First line of the docstring, without its full stop."""
        return (inspect.getdoc(self.function) or "").split("\n")[0].rstrip(".")

    @cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.function, eval_str=True)

    @cached_property
    def settings_model(self) -> type[BaseModel]:
        """The pydantic model of the keyword-only parameters; refuses unknown names, NaN and infinity."""
        fields: dict[str, Any] = {}
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                continue
            if parameter.annotation is inspect.Parameter.empty or parameter.default is inspect.Parameter.empty:
                raise TypeError(f"setting {name!r} of {self.family} {self.name} needs an annotation and a default")
            fields[name] = (parameter.annotation, parameter.default)
        config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())
        return create_model(self.name, __config__=config, **fields)

    @property
    def input_types(self) -> tuple[Any, ...]:
        """Annotations of the positional parameters, which the service supplies."""
        parameters = self.signature.parameters.values()
        return tuple(p.annotation for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY)

    def validate(self, settings: Mapping[str, Any]) -> BaseModel:
        """Settings coerced to their annotations; ValueError with one line that names the value and what is valid."""
        known = self.settings_model.model_fields
        for name in settings:
            if name not in known:
                names = ", ".join(known) or "none"
                raise ValueError(f"unknown setting {name!r} of {self.family} {self.name}; settings: {names}")
        try:
            return self.settings_model.model_validate(dict(settings))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise ValueError(
                f"{self.family} {self.name}: {where}={problem['input']!r} is not valid: {_lower_first(problem['msg'])}"
            ) from None


@dataclass(frozen=True)
class Registry:
    """The table of one family: its functions, looked up by name."""

    family: str
    entries: dict[str, Entry]
    # The components of a sweep's ten thousand trials are mostly the same few. By their spelling: 1, 1.0 and True are
    # equal, and not all of them need be valid.
    _resolved: dict[str, Component] = field(default_factory=dict, compare=False, repr=False)
    _canonical: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict, compare=False, repr=False)

    def __getitem__(self, name: str) -> Entry:
        try:
            return self.entries[name]
        except KeyError:
            raise ValueError(f"unknown {self.family} {name!r}; known: {', '.join(self.entries)}") from None

    def add(self, functions: Iterable[Callable[..., Any]], versions: Mapping[str, int]) -> None:
        """Add entries of a user's own; ValueError if the table holds one of that name, or one has no valid settings."""
        for function in functions:
            if function.__name__ in self.entries:
                raise ValueError(f"there is a {self.family} {function.__name__!r} already: give yours another name")
            entry = Entry(self.family, function, versions.get(function.__name__, 1))
            try:
                _ = entry.settings_model  # built now, so that what is wrong with it is told now
            except (TypeError, NameError) as error:
                raise ValueError(f"{self.family} {entry.name!r} cannot be added: {error}") from None
            self.entries[entry.name] = entry

    def resolve(self, component: Component) -> Component:
        """The same component with every setting present and coerced; ValueError if it is not valid."""
        spelling = str(component)
        if spelling not in self._resolved:
            settings = self[component.name].validate(dict(component.settings))
            values = {name: getattr(settings, name) for name in type(settings).model_fields}
            self._resolved[spelling] = Component(component.name, **values)
        return self._resolved[spelling]

    def canonical(self, component: Component) -> list[Any]:
        """`[name, settings that differ from their defaults]`, in JSON types: what identity is computed from."""
        spelling = str(component)
        if spelling not in self._canonical:
            settings = self[component.name].validate(dict(component.settings))
            self._canonical[spelling] = component.name, settings.model_dump(mode="json", exclude_defaults=True)
        name, chosen = self._canonical[spelling]
        return [name, dict(chosen)]

    def to_json(self, component: Component) -> list[Any]:
        """`[name, all settings]`, in JSON types: what is shown and recorded."""
        return [component.name, self[component.name].validate(dict(component.settings)).model_dump(mode="json")]

    def call(self, component: Component, *inputs: Any) -> Any:
        """The entry's function on what the service supplies, with the component's settings."""
        resolved = self.resolve(component)
        return self[component.name].function(*inputs, **dict(resolved.settings))


def registry(
    family: str, functions: Iterable[Callable[..., Any]], versions: Mapping[str, int] | None = None
) -> Registry:
    """The table of a family. `versions` names the entries whose numerics have changed since their version 1."""
    versions = versions or {}
    entries = {f.__name__: Entry(family, f, versions.get(f.__name__, 1)) for f in functions}
    if strays := set(versions) - set(entries):
        raise ValueError(f"a version is given for {sorted(strays)}, which the {family} table does not hold")
    return Registry(family, entries)


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces, no -0.0; ValueError for what JSON cannot hold."""
    try:
        return json.dumps(_without_negative_zero(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot be written deterministically: {value!r} ({error})") from None


def _without_negative_zero(value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, dict):
        return {key: _without_negative_zero(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_negative_zero(item) for item in value]
    return value


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
