"""What the report is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..pl import _bases, _canvas

LEGIBLE = 4.5
"""Of a figure that is wider than this, in inches, letters are too small on the screen of a phone."""
PHONE = 4.0
"""Width of figures on the screen of a phone, in inches."""


class Drawing(NamedTuple):
    """A figure, and the same for the screen of a phone, if that needs another."""

    figure: Figure
    narrow: Figure | None = None


@dataclass(frozen=True)
class Item:
    """A section of the report.

    Parameters
    ----------
    name
        Name of its files, and of its place in the page.
    title
        Its heading.
    meaning
        What it shows, in a sentence or two.
    figure
        Its figure, if it has one.
    table
        Its table, if it has one, as :func:`cellot_sc._report._table.render` returns it.
    note
        What the columns of the table say, where the meaning does not.
    more
        HTML that follows.
    whole
        The figure of all perturbations, where that of the section has the most severe ones.
    data
        What the page offers as CSV, as the function that made it returns it.
    """

    name: str
    title: str
    meaning: str
    figure: Drawing | None = None
    table: str = ""
    note: str = ""
    more: str = ""
    whole: Drawing | None = None
    data: pd.DataFrame | None = None


def drawn(draw: Callable[..., Mapping[Any, Axes] | Axes], *args: Any, **kwargs: Any) -> Drawing:
    """Return what a function of :mod:`cellot_sc.pl` draws, and the same for the screen of a phone where it is wide.

    Parameters
    ----------
    draw
        The function; maps that it makes of cells are made once.
    *args, **kwargs
        Its arguments.
    """
    with _bases.kept():
        figure = _figure(draw(*args, show=False, **kwargs))
        if figure.get_figwidth() <= LEGIBLE:
            return Drawing(figure)
        with _canvas.at_most(PHONE):
            return Drawing(figure, _figure(draw(*args, show=False, **kwargs)))


def _figure(axes: Mapping[Any, Axes] | Axes) -> Figure:
    """Return the figure that all of the axes belong to."""
    panel = next(iter(axes.values())) if isinstance(axes, Mapping) else axes
    return panel.figure.get_figure(root=True)
