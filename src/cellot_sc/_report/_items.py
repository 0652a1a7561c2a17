"""What the report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure


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
    figure: Figure | None = None
    table: str = ""
    note: str = ""
    more: str = ""
    whole: Figure | None = None
    data: pd.DataFrame | None = None


def figure_of(axes: Mapping[Any, Axes]) -> Figure:
    """Return the figure that all of the axes belong to."""
    return next(iter(axes.values())).figure.get_figure(root=True)
