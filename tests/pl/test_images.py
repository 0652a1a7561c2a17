"""Every figure beside the picture of it that was looked at, and the layout of all of them.

``CELLOT_SC_NEW_BASELINES=1 pytest tests/pl/test_images.py -k looks`` draws the pictures in ``baseline/`` anew. Look at
them before they are committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

BASELINE = Path(__file__).parent / "baseline"
FIXED = {"backend": "Agg", "font.family": "DejaVu Sans", "figure.dpi": 100, "text.hinting": "none", "svg.hashsalt": "0"}
DPI = 50
N_COLORS = 128
"""Of a picture that is kept: a third of its size."""
TOLERANCE = 10
"""Root mean square difference of pixels (0 to 255). Other releases of FreeType and of BLAS, that is letters with other
edges and points moved by less than a pixel, give up to about 5; a legend that is missing, or points of another colour,
15 and more."""
TOUCHING = 1.5
"""Pixels by which the boxes of two texts may overlap: letters do not fill their boxes."""


def figure_of(axes: list[Axes]) -> Figure:
    figure = axes[0].get_figure(root=True)
    assert figure is not None
    return figure


@pytest.fixture(autouse=True)
def _fixed() -> Iterator[None]:
    mpl.use("Agg")
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(FIXED)  # type: ignore[arg-type]
        yield


@pytest.mark.skipif(mpl.__version_info__ < (3, 11), reason="matplotlib sets text in another way since 3.11")
@pytest.mark.parametrize("number", [3], indirect=True)
def test_looks_as_it_did(figure_name: str, drawer: Callable[..., list[Axes]], tmp_path: Path) -> None:
    figure = figure_of(drawer(show=False))
    expected, actual = BASELINE / f"{figure_name}.png", tmp_path / f"{figure_name}.png"
    figure.savefig(actual, dpi=DPI)
    if os.environ.get("CELLOT_SC_NEW_BASELINES"):
        Image.open(actual).convert("RGB").quantize(N_COLORS).save(expected, optimize=True)
    assert expected.stat().st_size < 40_000
    assert compare_images(str(expected), str(actual), tol=TOLERANCE) is None


def texts(figure: Figure) -> Iterator[Text]:
    """Yield the texts that are drawn."""
    yield from figure.texts
    for legend in figure.legends:
        yield from legend.get_texts()
    for ax in figure.axes:
        yield from ax.texts
        yield from (ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label)  # type: ignore[attr-defined]
        for axis in (ax.xaxis, ax.yaxis):
            if ax.axison:
                yield from (tick.label1 for tick in axis._update_ticks())  # type: ignore[union-attr]


def boxes(figure: Figure) -> dict[str, Bbox]:
    """Return the boxes of all texts that can be seen."""
    shown = [text for text in texts(figure) if text.get_visible() and text.get_text()]
    return {f"{i} {text.get_text()}": text.get_window_extent() for i, text in enumerate(shown)}


def overlap(a: Bbox, b: Bbox) -> bool:
    return bool((np.minimum(a.max, b.max) - np.maximum(a.min, b.min) > TOUCHING).all())


def test_layout(drawer: Callable[..., list[Axes]]) -> None:
    axes = drawer(show=False)
    figure = figure_of(axes)
    figure.draw_without_rendering()
    found = boxes(figure)
    assert [(a, b) for a, b in combinations(found, 2) if overlap(found[a], found[b])] == []
    inside = figure.bbox.padded(1)
    outside = [
        name
        for name, box in found.items()
        if not (np.clip(box.get_points(), inside.min, inside.max) == box.get_points()).all()
    ]
    assert outside == []
    for legend in figure.legends:
        assert not any(overlap(legend.get_window_extent(), ax.get_window_extent()) for ax in figure.axes)
    # most of it is not left empty
    filled = sum(ax.get_window_extent().width * ax.get_window_extent().height for ax in axes)
    assert filled > 0.2 * figure.bbox.width * figure.bbox.height
