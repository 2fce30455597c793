"""Draw the figures of the pages: all, or those named."""

import io
import sys
from pathlib import Path

from PIL import Image

from docs.figures import FIGURES, figure_of
from orchestrator.figures import render

NUM_COLOURS = 64
FOLDER = Path(__file__).parents[1] / "images" / "measures"


def main() -> None:
    """Write a PNG file for each page named, or for all; the same computation gives the same bytes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for page in sys.argv[1:] or FIGURES:
        path = FOLDER / f"{page}.png"
        path.write_bytes(compact(render(figure_of(page), "png")))
        print(f"{path.relative_to(Path.cwd())}: {path.stat().st_size / 1000:.0f} kB")


def compact(png: bytes) -> bytes:
    """The same picture in 64 colours, which is a third of the bytes and looks alike."""
    file = io.BytesIO()
    few = Image.open(io.BytesIO(png)).convert("RGB").quantize(NUM_COLOURS, dither=Image.Dither.NONE)
    few.save(file, format="png", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    main()
