"""What all figures share: their style, and how they become files.

Drawn with matplotlib's object interface under its default style, so that neither pyplot's global state nor the settings
of the machine reach it: the same table gives the same bytes.
"""

# matplotlib's own types leave **kwargs of nearly every drawing method untyped:
# pyright: reportUnknownMemberType=false

import io
import textwrap
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal

import matplotlib.style
from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "<", ">")
THRESHOLD_COLOUR = "#555555"
LABEL_CHARACTERS = 26
LEGEND_CHARACTERS = 20

STYLE: Mapping[str, object] = {
    "svg.hashsalt": "gensweep",  # ids in the file come from its content, not from a random number
    "svg.fonttype": "path",
    "text.parse_math": False,  # a dollar sign in a label is a dollar sign
    "savefig.dpi": 200,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "errorbar.capsize": 2,
}
# Matplotlib writes its version and the time into a file unless told otherwise.
METADATA: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
}


def style() -> AbstractContextManager[None]:
    """The style of every figure, within the block."""
    return matplotlib.style.context(["default", dict(STYLE)])


def render(drawing: Figure, kind: Literal["png", "svg"]) -> bytes:
    """The figure as a file; the same figure gives the same bytes."""
    with style():
        file = io.BytesIO()
        drawing.savefig(file, format=kind, metadata=dict(METADATA[kind]))
    return file.getvalue()


def wrapped(text: str, characters: int) -> str:
    """The text in as few lines as `characters` allow, made about equally long."""
    lines = textwrap.wrap(text, characters)
    balanced = (textwrap.wrap(text, width) for width in range(max(1, characters // 2), characters))
    return "\n".join(next((shorter for shorter in balanced if len(shorter) == len(lines)), lines))
