"""What clusters, conditions or other groups of cells are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from .. import _validate
from . import _canvas, _cells, _colors, _draw, _labels, _values

WIDTH = 3.2
"""Of the longest bars, in inches."""
LEAST = 1.0
"""Height of all bars at least, in inches: room for what stands beside them."""


@_validate.takes_adata
def composition(
    adata: AnnData,
    groupby: str = "cell_type",
    by: str = "effect_cluster",
    *,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> Axes:
    """Draw what groups of cells are made of: a stacked bar per group, and beside it the number of its cells.

    Parameters
    ----------
    adata
        Annotated data.
    groupby
        Column of ``obs``, such as the cell type, whose shares are the parts of a bar. Cells without a category are a
        part of their own.
    by
        Column of ``obs`` with a bar per category: clusters that :func:`cellot_sc.tl.effect_clusters` found, or, such
        as ``"perturbation"``, the conditions to compare. Cells without a category are left out.
    palette
        Colours of the parts of the bars: by name, in order, or the name of a matplotlib colour map. With ``None``,
        those that ``uns`` keeps, if any.
    figsize
        Width and height of the figure in inches. With ``None``, what its panels need.
    ax
        Axes to draw on. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session. With ``False``, the figure is at
        ``figure`` of the axes that are returned, and closed: ``plt.savefig`` does not know it.
    save
        File to save the figure to. ``True`` is, as in scanpy, one in ``scanpy.settings.figdir``.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If a column holds numbers that are no categories, ``by`` is missing for every cell, or no figure can be saved to
        the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> ax = cs.pl.composition(adata, "cell_type", "perturbation", show=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['control', 'drug_a', 'drug_b']
    """
    file = _validate.figure_file(save, "composition")
    parts = _validate.texts(_with_categories(_validate.obs_key(adata, groupby, what="groupby"), what="groupby"))
    bars = _validate.texts(_with_categories(_validate.clusters(adata, by, what="by"), what="by"))
    known = np.array([bar is not None for bar in bars])
    _validate.at_least(int(known.sum()), 1, what=f"The number of cells with a {by!r}", why="they are what is drawn")
    names = _cells.in_order(adata.obs[by], bars[known])
    colors = _colors.group_colors(adata, groupby, parts[known], palette)
    # a category that is missing has a name that none else has
    codes = pd.Categorical(parts[known], categories=[part for part in colors if part is not None]).codes
    codes = np.where(codes < 0, len(colors) - 1, codes)
    counts = np.zeros((len(names), len(colors)), dtype=np.int64)
    np.add.at(counts, (pd.Categorical(bars[known], categories=names).codes, codes), 1)

    room = _canvas.room(names)
    canvas, panel = _canvas.single(
        ax, (WIDTH + room + 0.8, max(_canvas.ROW * len(names), LEAST) + 0.6), figsize=figsize
    )
    _bars(panel, counts, [colors[part] for part in colors])
    _draw.name_rows(panel, [str(name) for name in names])
    canvas.label(x=f"share of cells by {groupby}", y=by)
    canvas.legend(Patch(color=color, label=_labels.MISSING if part is None else part) for part, color in colors.items())
    canvas.finish(show=show, save=file)
    return panel


def _with_categories(column: pd.Series, *, what: str) -> pd.Series:
    """Return a column; raise :class:`ValueError` if it is a scale of numbers, of which nothing consists."""
    if _values.of_column(column) is not None:
        raise ValueError(
            f"{what} {column.name!r} holds {column.nunique():,} different numbers: give a column of categories, such "
            "as the cell type, or make one, such as by pandas.cut."
        )
    return column


def _bars(ax: Axes, counts: np.ndarray, colors: list[object]) -> None:
    """Draw the shares of counts, shape (n_bars, n_parts), from left to right, and the sum of each row."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    rows, start = np.arange(len(counts)), np.zeros(len(counts))
    for part, color in zip(shares.T, colors, strict=True):
        ax.barh(rows, part, left=start, height=0.8, color=color, edgecolor="white", linewidth=0.3)
        start = start + part
    for row, n_cells in enumerate(counts.sum(axis=1).tolist()):
        ax.annotate(
            f"{n_cells:,}" + " cells" * (row == 0), (1, row), (4, 0),
            textcoords="offset points", va="center", fontsize="small", annotation_clip=False,
        )  # fmt: skip
    ax.set(xlim=(0, 1))
