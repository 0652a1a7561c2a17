"""Which perturbations move cells alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from scipy.spatial.distance import squareform

from .. import _validate
from . import _canvas, _clustering, _colors, _draw

MAX_PRINTED = 10
"""Similarities are written into the matrix of up to so many perturbations."""
PRINTED = 0.42
"""Side of a square into which a number is written, in inches."""
PER_NUMBER = 0.25
"""Size of a number as a part of its square: five letters, each about 0.6 of the size wide, leave a margin."""


@_validate.takes_table("cs.tl.perturbation_similarity(adata)")
def perturbation_similarity(
    table: pd.DataFrame,
    *,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> Axes:
    """Draw how alike perturbations move the same cells, as a matrix with its tree.

    Perturbations within noise, whose similarities are unknown, are grey.

    Parameters
    ----------
    table
        Similarities, as :func:`cellot_sc.tl.perturbation_similarity` returns them: at most 1, with a row and a column
        per perturbation. Their order is kept where a tree of the average distance 1 - similarity has it, too.
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
    ValueError
        If the table is empty or has other rows than columns, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(800, 50, perturbations=["drug_a", "drug_b", "drug_c"])
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> ax = cs.pl.perturbation_similarity(cs.tl.perturbation_similarity(adata), show=False)
    >>> sorted(label.get_text() for label in ax.get_yticklabels())
    ['drug_a', 'drug_b', 'drug_c']
    """
    file = _validate.figure_file(save, "perturbation_similarity")
    _validate.square_table(table, maker="cs.tl.perturbation_similarity")
    similar = table.to_numpy(dtype=float)
    noisy = np.isnan(np.diag(similar))
    known = np.flatnonzero(~noisy)
    # symmetric, and as far from itself as nothing
    away = 1 - similar[np.ix_(known, known)]
    distances = np.clip((away + away.T) / 2, 0, None)
    np.fill_diagonal(distances, 0)
    tree = _clustering.tree_of(squareform(np.nan_to_num(distances, nan=1.0)))
    order = [*known[_clustering.leaves(tree, len(known))], *np.flatnonzero(noisy)]
    values = table.iloc[order, order]

    room, side = (
        _canvas.room([str(name) for name in table.index]),
        max((PRINTED if len(table) <= MAX_PRINTED else _canvas.ROW) * len(table), 1.6),
    )
    canvas, panel = _canvas.single(ax, (side + room + 1.5, side + room + _clustering.TREE + 0.2), figsize=figsize)
    image = _draw.matrix(panel, values, limit=1.0)
    panel.set_box_aspect(1)
    canvas.colorbar(image, "similarity")
    if noisy.any():
        canvas.legend([Patch(color=_colors.FAINT, label="within noise")])
    if len(table) <= MAX_PRINTED:
        with canvas.settled():
            inches = panel.get_window_extent().width / panel.figure.dpi
            _write(panel, values.to_numpy(dtype=float), size=min(9.0, PER_NUMBER * 72 * inches / len(table)))
    _clustering.draw_tree(panel, tree, "top", len(table))
    canvas.finish(show=show, save=file)
    return panel


def _write(ax: Axes, values: np.ndarray, *, size: float) -> None:
    """Write every similarity into its square, and nothing where one is within noise."""
    noisy = np.isnan(np.diag(values))
    for (i, j), value in np.ndenumerate(values):
        if noisy[i] or noisy[j]:
            continue
        text = "–" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
        # white on what is dark
        ax.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if abs(value) > 0.6 else "black")
