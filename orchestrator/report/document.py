"""A document: blocks of plain text, written as Markdown or as one self-contained HTML page.

Text is untrusted (names, tracebacks): blocks hold it plain, and each writer escapes all of it. The page needs no
network, and its content security policy forbids it; of scripts it admits one, by its hash, which makes figures
interactive. Without it they are pictures.
"""

import hashlib
import html
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePath


@dataclass(frozen=True)
class Heading:
    """A section's title."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of short texts."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Text to copy literally."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; `numeric` aligns its cells on the right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure: the file that Markdown links to, the SVG that the page contains, its description and its caption.

    `told` is what the page tells of it where a reader points, as `interaction` writes it; nothing if empty.
    """

    file: str
    svg: str
    description: str
    caption: str
    told: str = ""


Block = Heading | Paragraph | Bullets | Code | Table | Picture

CELL_CLASSES = {"holds": "holds", "does not hold": "fails", "cannot be judged": "open"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root { color-scheme: light; }
body { max-width: 62rem; margin: 0 auto; padding: 1rem; color: #1a1a1a; background: #fff;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; margin: 0.5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #888; }
table.words td { min-width: 6rem; } table.words td:last-child { min-width: 18rem; }
table.numbers { line-height: 1.25; }
table.numbers td, table.numbers th { text-align: right; } table.numbers td { white-space: nowrap; }
table.numbers th { max-width: 11rem; vertical-align: bottom; }
.holds { color: #00543d; font-weight: 600; } .fails { color: #93300a; font-weight: 600; } .open { color: #555; }
pre { padding: 0.7rem; background: #f4f4f4; overflow-x: auto; } figure { margin: 0; }
figure svg { display: block; width: 100%; min-width: 38rem; height: auto; }
figcaption { color: #444; font-size: 0.9rem; }
"""
STYLE_OF_FIGURES = """
figure { position: relative; } .dim { opacity: 0.15; } .closer { cursor: grab; } .closer svg { touch-action: none; }
.ring { fill: none; stroke: #1a1a1a; stroke-width: 1.2; pointer-events: none; vector-effect: non-scaling-stroke; }
.key { fill: transparent; cursor: pointer; } .key:hover { fill: #0001; } .key[aria-pressed="true"] { fill: #0072b222; }
.key:focus-visible { stroke: #0072b2; stroke-width: 1.5; } .key { outline: none; }
.card { position: absolute; z-index: 1; max-width: 24rem; padding: 0.3rem 0.6rem; pointer-events: none;
  font-size: 0.85rem; line-height: 1.35; color: #fff; background: #1a1a1aee; border-radius: 0.25rem; }
.card strong, .card span { display: block; white-space: pre-line; }
.tools { display: flex; gap: 0.3rem; align-items: center; margin: 0.2rem 0; color: #555; font-size: 0.8rem; }
.tools button { flex: none; min-width: 1.8rem; padding: 0.1rem 0.4rem; font: inherit; color: inherit;
  background: #f4f4f4;
  border: 1px solid #bbb; border-radius: 0.2rem; cursor: pointer; } .tools span { margin-left: 0.4rem; }
@media print { .tools, .card { display: none; } }
"""


def markdown(title: str, blocks: Sequence[Block]) -> str:
    """The document as Markdown."""
    return f"# {plain(title)}\n\n{fragment(blocks)}\n"


def fragment(blocks: Sequence[Block]) -> str:
    """Some blocks as Markdown, without a title."""
    return "\n\n".join(_markdown_block(block) for block in blocks)


def page(title: str, blocks: Sequence[Block]) -> str:
    """The document as one HTML page."""
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", *(_html_block(block) for block in blocks)])
    policy, style = POLICY, STYLE
    if any(isinstance(block, Picture) and block.told for block in blocks):
        script = files("orchestrator.report").joinpath("figure.js").read_text(encoding="utf-8")
        digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy, style = f"{POLICY}; script-src 'sha256-{digest}'", STYLE + STYLE_OF_FIGURES
        body += f"\n<script>{script}</script>"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _markdown_block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {plain(text)}"
        case Paragraph(text):
            return plain(text)
        case Bullets(items):
            return "\n".join(f"- {plain(item)}" for item in items)
        case Code(text):
            longest = max((len(run) for run in re.findall("`+", text)), default=0)
            fence = "`" * max(3, longest + 1)
            return f"{fence}\n{text}\n{fence}"
        case Table(header, rows, numeric):
            rule = ("---:" if numeric else "---",) * len(header)
            lines = (tuple(map(plain, header)), rule, *(tuple(map(plain, row)) for row in rows))
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Picture(file, description=description, caption=caption):
            return f"![{plain(description)}]({file})\n\n{plain(caption)}"


def plain(text: str) -> str:
    """Text on one line that Markdown shows as it is; an underscore inside a word needs no escape."""
    text = re.sub(r"([\\`*\[\]|#~$])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def _html_block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{html.escape(text)}</h2>"
        case Paragraph(text):
            return f"<p>{html.escape(text)}</p>"
        case Bullets(items):
            return f"<ul>{''.join(f'<li>{html.escape(item)}</li>' for item in items)}</ul>"
        case Code(text):
            return f"<pre><code>{html.escape(text)}</code></pre>"
        case Table():
            return _html_table(block)
        case Picture():
            return _html_picture(block)


def _html_picture(picture: Picture) -> str:
    prefix = f"{PurePath(picture.file).stem}-"
    drawing = picture.svg[picture.svg.index("<svg") :]  # without the XML declaration, which has no place inside a page
    # Figures of a page must not share an id, and Matplotlib gives all of them the same.
    drawing = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", drawing)
    told = f" data-prefix='{prefix}' data-told='{_in_single_quotes(picture.told)}'" if picture.told else ""
    return (
        f'<figure{told}><div class="scroll" role="img" aria-label="{html.escape(picture.description)}" tabindex="0">'
        f"{drawing}</div><figcaption>{html.escape(picture.caption)}</figcaption></figure>"
    )


def _in_single_quotes(text: str) -> str:
    """An attribute's value; JSON is full of double quotes, which then need no escape."""
    return html.escape(text, quote=False).replace("'", "&#x27;")


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.header)
    rows = "\n".join(f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in table.rows)
    kind = "numbers" if table.numeric else "words"
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _html_cell(text: str) -> str:
    kind = f' class="{CELL_CLASSES[text]}"' if text in CELL_CLASSES else ""
    return f"<td{kind}>{html.escape(text)}</td>"
