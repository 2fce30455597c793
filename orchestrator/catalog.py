"""Catalogue: the tables of all families as text, one row an entry."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from rich.table import Table

from measures.registry import Entry, Registry
from workers.families import FAMILIES


def families(studies: Registry) -> Mapping[str, Registry]:
    """Every table, by the plural of its family's name."""
    return {"studies": studies, **FAMILIES}


def catalog(studies: Registry, family: str) -> Table:
    """One row for each entry: name, settings with their defaults, summary."""
    tables = families(studies)
    if family not in tables:
        raise ValueError(f"unknown family {family!r}; known: {', '.join(tables)}")
    table = Table("name", "settings", "summary", title=family, caption="all about one: gensweep show NAME")
    for entry in tables[family].entries.values():
        table.add_row(entry.name, settings_text(entry), entry.summary)
    return table


def settings_text(entry: Entry) -> str:
    """`width: int = 100`, a line each."""
    fields = entry.settings_model.model_fields
    return "\n".join(f"{name}: {type_text(field.annotation)} = {field.default!r}" for name, field in fields.items())


def type_text(annotation: Any) -> str:
    """A type as one writes it, without the bounds of its values."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_text(arguments[0])
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin in (Union, UnionType):
        return " | ".join(map(type_text, arguments))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(type_text, arguments))}]"
    return {NoneType: "None", Ellipsis: "..."}.get(annotation) or annotation.__name__
