"""A document: blocks of plain text, written as Markdown or as one self-contained HTML page.

Text is untrusted (names, tracebacks): blocks hold it plain, and each writer escapes all of it. The page needs neither
network nor scripts, and its content security policy forbids both.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass


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
    """A figure: the file that Markdown links to, the SVG that the page contains, its description and its caption."""

    file: str
    svg: str
    description: str
    caption: str


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


def markdown(title: str, blocks: Sequence[Block]) -> str:
    """The document as Markdown."""
    return "\n\n".join([f"# {_plain(title)}", *(_markdown_block(block) for block in blocks)]) + "\n"


def page(title: str, blocks: Sequence[Block]) -> str:
    """The document as one HTML page."""
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", *(_html_block(block) for block in blocks)])
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _markdown_block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_plain(text)}"
        case Paragraph(text):
            return _plain(text)
        case Bullets(items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Code(text):
            longest = max((len(run) for run in re.findall("`+", text)), default=0)
            fence = "`" * max(3, longest + 1)
            return f"{fence}\n{text}\n{fence}"
        case Table(header, rows, numeric):
            rule = ("---:" if numeric else "---",) * len(header)
            lines = (tuple(map(_plain, header)), rule, *(tuple(map(_plain, row)) for row in rows))
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Picture(file, _, description, caption):
            return f"![{_plain(description)}]({file})\n\n{_plain(caption)}"


def _plain(text: str) -> str:
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
        case Picture(_, svg, description, caption):
            drawing = svg[svg.index("<svg") :]  # without the XML declaration, which has no place inside a page
            return (
                f'<figure><div class="scroll" role="img" aria-label="{html.escape(description)}" tabindex="0">{drawing}'
                f"</div><figcaption>{html.escape(caption)}</figcaption></figure>"
            )


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
