"""Draw the figures of the pages: all, or those named."""

import io
import sys
from pathlib import Path

from PIL import Image

from docs.figures import FIGURES, figure_of
from orchestrator.report.drawing import render

NUM_COLOURS = 64
FOLDER = Path("docs", "images", "measures")


def main() -> None:
    """Write the figures of the pages named on the command line, or of all."""
    pages = sys.argv[1:] or list(FIGURES)
    if unknown := [page for page in pages if page not in FIGURES]:
        sys.exit(f"no figure {', '.join(unknown)}; known: {', '.join(FIGURES)}")
    for page in pages:
        path = write(page, FOLDER)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def write(page: str, folder: Path) -> Path:
    """The figure of a page as a PNG file of that name; the same computation gives the same bytes."""
    path = folder / f"{page}.png"
    path.write_bytes(compact(render(figure_of(page), "png")))
    return path


def compact(png: bytes) -> bytes:
    """The same picture in 64 colours, which is a third of the bytes and looks alike."""
    file = io.BytesIO()
    few = Image.open(io.BytesIO(png)).convert("RGB").quantize(NUM_COLOURS, dither=Image.Dither.NONE)
    few.save(file, format="png", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    main()
