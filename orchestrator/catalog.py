"""Catalogue: the tables of all families as text, one row an entry."""

import types
from typing import Any

from rich.table import Table

from measures import measures
from measures.registry import Entry, Registry
from workers.spec import FAMILIES


def families(studies: Registry) -> dict[str, Registry]:
    """Every table by the plural of its family's name."""
    plural = {f"{name}s": family for name, family in FAMILIES.items()}
    return {"studies": studies, **plural, "measures": measures}


def catalog(studies: Registry, family: str) -> Table:
    """One row for each entry: name, settings with their defaults, summary."""
    tables = families(studies)
    if family not in tables:
        raise ValueError(f"unknown family {family!r}; known: {', '.join(tables)}")
    table = Table("name", "settings", "summary", title=family)
    for entry in tables[family].entries.values():
        table.add_row(entry.name, settings_text(entry), entry.summary)
    return table


def settings_text(entry: Entry) -> str:
    """`width: int = 100`, a line each."""
    fields = entry.settings_model.model_fields
    return "\n".join(f"{name}: {_type_text(field.annotation)} = {field.default!r}" for name, field in fields.items())


def _type_text(annotation: Any) -> str:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation.__name__
    return str(annotation).replace("typing.", "")
