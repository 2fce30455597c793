"""The figures of the pages in docs/measures, each computed by the measure that it is about.

A figure is a module named after its page, with a function `draw`, and one line in the table here.

    python -m docs.figures              # all of them, into docs/images/measures
    python -m docs.figures twonn gride  # these
"""

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from docs.figures import (
    canonical_correlation,
    correlation_dimension,
    gride,
    kernel_alignment,
    levina_bickel,
    participation_ratio,
    pca_dimension,
    procrustes_distance,
    twonn,
)
from docs.figures.drawing import house_style

FIGURES: Mapping[str, Callable[[], Figure]] = {
    "canonical_correlation": canonical_correlation.draw,
    "correlation_dimension": correlation_dimension.draw,
    "gride": gride.draw,
    "kernel_alignment": kernel_alignment.draw,
    "levina_bickel": levina_bickel.draw,
    "participation_ratio": participation_ratio.draw,
    "pca_dimension": pca_dimension.draw,
    "procrustes_distance": procrustes_distance.draw,
    "twonn": twonn.draw,
}


def figure_of(page: str) -> Figure:
    """The figure of a page, in the style of all."""
    if page not in FIGURES:
        raise ValueError(f"no figure {page!r}; known: {', '.join(FIGURES)}")
    with house_style():
        return FIGURES[page]()
