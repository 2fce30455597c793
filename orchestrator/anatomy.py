"""Anatomy: all there is to say about the entries of one name.

Of any entry its docstrings and settings; of a model also its layers in forward order, with what each puts out and how
many parameters it has. A model is built on torch's meta device, where tensors have shapes and no numbers, so the
largest is shown as fast as the smallest.
"""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

import torch
from pydantic import Field
from pydantic.fields import FieldInfo
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import nn
from torchinfo import summary
from torchinfo.layer_info import LayerInfo

from measures.registry import Entry, Registry
from orchestrator.catalog import type_text
from workers.models.network import Network

Positive = Annotated[int, Field(ge=1)]
Shape = Annotated[tuple[Positive, ...], Field(min_length=1)]
BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def show(*, input_shape: Shape | None = None, num_classes: Positive | None = None) -> None:
    """What is asked of a model beside its settings: the shape of an example, the number of outputs."""


INPUT = Entry("command", show)


def anatomy(tables: Mapping[str, Registry], name: str, words: Sequence[str]) -> Group:
    """Every entry of that name, with the settings that the words of a command line choose; ValueError for bad ones."""
    entries = [table[name] for table in tables.values() if name in table.entries]
    if not entries:
        known = sorted({each for table in tables.values() for each in table.entries})
        close = difflib.get_close_matches(name, known)
        names = f"closest: {', '.join(close)}; all: gensweep list FAMILY" if close else f"known: {', '.join(known)}"
        raise ValueError(f"unknown entry {name!r}; {names}")
    chosen = flags(words)
    known = [setting for entry in entries for setting in _fields(entry)]
    if strays := [setting for setting in chosen if setting not in known]:
        raise ValueError(f"unknown setting {strays[0]!r} of {name}; settings: {', '.join(known) or 'none'}")
    return Group(*(part for entry in entries for part in _described(entry, chosen)))


def flags(words: Sequence[str]) -> dict[str, list[str]]:
    """`--batch-norm --widths 2 8` by name, each with the words that follow it; `--batch-norm=false` is the same."""
    found: dict[str, list[str]] = {}
    name = None
    for word in words:
        if word.startswith("--"):
            flag, equals, value = word.removeprefix("--").partition("=")
            name = flag.replace("-", "_")
            if name in found:
                raise ValueError(f"{word!r} is not valid: --{flag} is given twice")
            found[name] = [value] if equals else []
        elif name is None:
            raise ValueError(f"{word!r} is not valid: a setting is written --name value")
        else:
            found[name].append(word)
    return found


def _fields(entry: Entry) -> dict[str, FieldInfo]:
    """The settings of an entry; of a model, its input as well."""
    inputs = INPUT.settings_model.model_fields if entry.family == "model" else {}
    return {**entry.settings_model.model_fields, **inputs}


def _values(entry: Entry, chosen: Mapping[str, list[str]]) -> dict[str, Any]:
    """The chosen words for those settings that the entry has, before they are validated."""
    fields = entry.settings_model.model_fields
    return {name: _value(name, words, fields[name].annotation) for name, words in chosen.items() if name in fields}


def _value(name: str, words: list[str], annotation: Any) -> Any:
    if _takes_several(annotation):
        return words
    if not words and annotation is not bool:
        raise ValueError(f"--{name.replace('_', '-')} needs a value, of type {type_text(annotation)}")
    return (words or ["true"])[0] if len(words) <= 1 else words


def _takes_several(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(map(_takes_several, get_args(annotation)))


def _described(entry: Entry, chosen: Mapping[str, list[str]]) -> list[RenderableType]:
    valid = entry.validate(_values(entry, chosen))
    settings = valid.model_dump()
    parts: list[RenderableType] = [Text(f"{entry.family} {entry.name}", "bold"), _text(entry.function)]
    if settings:
        parts += [_settings_table(entry, settings), Text()]
    if module := inspect.getmodule(entry.function):
        parts.append(_text(module))
    if entry.family == "model":
        inputs = INPUT.validate(_values(INPUT, chosen)).model_dump()
        parts += _network(entry, dict(valid), inputs["input_shape"], inputs["num_classes"])
    return parts


def _text(described: Any) -> Text:
    """A docstring, its paragraphs free to fill the line."""
    paragraphs = (inspect.getdoc(described) or "").split("\n\n")
    return Text("\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs) + "\n")


def _settings_table(entry: Entry, settings: Mapping[str, Any]) -> Table:
    fields = entry.settings_model.model_fields
    explained = any(field.description for field in fields.values())
    table = Table("setting", "type", "default", "here", *(["meaning"] if explained else []))
    for name, field in fields.items():
        here = "" if settings[name] == field.default else repr(settings[name])
        cells = (name, _type_and_bounds(field), repr(field.default), here, (field.description or "") * explained)
        table.add_row(*map(Text, cells[: len(table.columns)]))
    return table


def _type_and_bounds(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(each, name):g}"
        for each in field.metadata
        for name, sign in BOUNDS.items()
        if hasattr(each, name)
    ]
    return " ".join([type_text(field.annotation), ", ".join(bounds)]).strip()


def _network(
    entry: Entry, settings: Mapping[str, Any], input_shape: tuple[int, ...] | None, num_outputs: int | None
) -> list[RenderableType]:
    """The layers of a model and their sums, for the input chosen or else that of the published network."""
    published: list[Any] = [parameter.default for parameter in entry.signature.parameters.values()]
    shape = input_shape or published[0]
    outputs = num_outputs or published[1]
    if inspect.Parameter.empty in (shape, outputs):
        raise ValueError(f"model {entry.name} names no input of its own: give --input-shape and --num-classes")
    with torch.device("meta"):
        network: Network = entry.function(shape, outputs, **settings)
        tokens = any(isinstance(module, nn.Embedding) for module in network.module.modules())
        example = torch.zeros(1, *shape, dtype=torch.int64 if tokens else torch.float32)
    layers = summary(network.module, input_data=example, device="meta", verbose=0).summary_list
    return [_layer_table(network, layers), *_sums(network, shape)]


def _layer_table(network: Network, layers: Sequence[LayerInfo]) -> Table:
    """The parameters of a row are those that none of the rows below it has, so that the column adds up."""
    table = Table("", "layer", "module", "output", "parameters", box=SIMPLE_HEAD)
    table.columns[1].overflow, table.columns[4].justify = "fold", "right"  # a name is never cut
    for layer in layers[1:]:  # the first is the whole network
        if layer.executed or layer.leftover_params():
            name = _path(layer)
            count = layer.num_params_to_str(reached_max_depth=False)
            mark = "*" if name in network.layers else ""
            table.add_row(mark, name, layer.class_name, _shape(layer.output_size[1:]), count)
    return table


def _sums(network: Network, shape: Sequence[int]) -> list[Text]:
    trainable = sum(each.numel() for each in network.module.parameters() if each.requires_grad)
    frozen = network.num_parameters - trainable
    return [
        Text(f"input: {_shape(shape)}"),
        Text(f"parameters: {network.num_parameters:,} (trainable {trainable:,}, frozen {frozen:,})"),
        Text(f"* layers that measures look at: {', '.join(network.layers) or 'none'}\n"),
    ]


def _path(layer: LayerInfo) -> str:
    """The name by which the network knows the layer: `stage1.0.conv1`."""
    parts: list[str] = []
    while layer.parent_info is not None:
        parts.insert(0, layer.var_name)
        layer = layer.parent_info
    return ".".join(parts)


def _shape(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))
