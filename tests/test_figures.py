"""Every page on a measure has a figure of our own code: it can be drawn, says what it shows, and stands on the page."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from PIL import Image

from docs.figures import FIGURES, figure_of
from docs.figures.__main__ import write

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images" / "measures"
PAGES = sorted(path.stem for path in (ROOT / "docs" / "measures").glob("*.md"))
DOTS_PER_INCH = 200
FEWEST_POINTS = 5
MOST_BYTES = 60_000


@cache
def figure(page: str) -> Figure:
    return figure_of(page)


def points_in_sight(axes: Axes) -> int:
    """Finite points of lines within the limits of a frame, bins of histograms, points of contours, rows of pictures."""
    (left, right), (low, high) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    lines = [np.asarray(line.get_data(), dtype=np.float64) for line in axes.lines]
    inside = sum(int(np.sum((x >= left) & (x <= right) & (y >= low) & (y <= high))) for x, y in lines)
    bins = sum(int(np.isfinite(patch.get_data()[0]).sum()) for patch in axes.patches if isinstance(patch, StepPatch))
    contours = sum(
        len(np.asarray(path.vertices))
        for each in axes.collections
        if isinstance(each, ContourSet)
        for path in each.get_paths()
    )
    return inside + bins + contours + sum(len(np.asarray(picture.get_array())) for picture in axes.images)


def test_every_page_has_a_figure_of_its_name_and_every_figure_a_page() -> None:
    assert sorted(FIGURES) == PAGES
    assert all(draw.__module__ == f"docs.figures.{page}" for page, draw in FIGURES.items())
    assert sorted(path.name for path in IMAGES.iterdir()) == [f"{page}.png" for page in PAGES]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_its_figure_with_a_text_for_the_blind_and_a_caption(page: str) -> None:
    text = (ROOT / "docs" / "measures" / f"{page}.md").read_text()
    said = next(section for section in text.split("\n## ") if section.startswith("What it says\n"))
    assert re.search(rf"\n!\[[^\]]{{20,}}\]\(\.\./images/measures/{page}\.png\)\n\n\*[^*]{{40,}}\*\n\Z", said)


@pytest.mark.parametrize("page", FIGURES)
def test_a_figure_has_labelled_axes_with_data_in_sight(page: str) -> None:
    for axes in figure(page).axes:
        assert axes.get_xlabel() and axes.get_ylabel()
        assert points_in_sight(axes) >= FEWEST_POINTS


@pytest.mark.parametrize("page", FIGURES)
def test_the_picture_on_a_page_is_small_and_of_the_size_that_is_drawn_now(page: str) -> None:
    path = IMAGES / f"{page}.png"
    assert path.stat().st_size < MOST_BYTES
    with Image.open(path) as picture:
        assert picture.size == pytest.approx(DOTS_PER_INCH * figure(page).get_size_inches(), abs=1)


def test_a_figure_is_written_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, again = (write("norms", tmp_path).read_bytes() for _ in range(2))
    assert first == again


def test_the_command_names_the_figures_there_are() -> None:
    command = [sys.executable, "-m", "docs.figures", "twon"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert ended.stderr.startswith("no figure twon; known: ablation, ") and "twonn" in ended.stderr
