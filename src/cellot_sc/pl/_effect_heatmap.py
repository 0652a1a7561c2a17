"""Effects as a clustered matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from .. import _validate
from . import _canvas, _clustering, _draw, _labels

EFFECTS = ("effect", "predicted")
"""Columns that hold the effect, by the function that made the table."""
MAX_ROOMY = 60
"""With more rows or columns than this, they get narrower."""


@_validate.takes_table("cs.tl.signature(adata)")
def effect_heatmap(
    table: pd.DataFrame,
    *,
    value: str | None = None,
    features: str | Sequence[str] | None = None,
    n_features: int = 30,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> Axes:
    """Draw effects as a matrix: a column per feature, a row per group, per perturbation, or per pair of these.

    Rows and columns are clustered (:func:`scipy.cluster.hierarchy.linkage`: Euclidean distance, average linkage,
    optimal order of the leaves). The rows are what differs in the table: choose rows of the table to choose those of
    the matrix, for example ``table[table["perturbation"] == "drug_a"]``.

    Parameters
    ----------
    table
        Effects, as :func:`cellot_sc.tl.subpopulation_effects` returns them (a row per group, or per perturbation and
        group) or :func:`cellot_sc.tl.signature` (a row per perturbation).
    value
        Column to show. With ``None``, the predicted effect: ``"effect"`` or ``"predicted"``.
    features
        Names of features. With ``None``, the ``n_features`` with the largest effect in any row.
    n_features
        How many features to show if none are named.
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
        If the table lacks a column, or a feature is not in it.
    ValueError
        If the table is empty, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> ax = cs.pl.effect_heatmap(cs.tl.signature(adata), show=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['drug_a', 'drug_b']
    """
    file = _validate.figure_file(save, "effect_heatmap")
    column = value if value is not None else next((name for name in EFFECTS if name in table.columns), EFFECTS[0])
    _validate.table_columns(
        table, ("perturbation", "feature", column), maker="cs.tl.subpopulation_effects or cs.tl.signature"
    )
    _validate.whole(n_features, 1, what="n_features")
    matrix = _matrix(table, column)
    if features is None:
        chosen = list(matrix.abs().max().nlargest(n_features).index)
    else:
        chosen = _validate.feature_names(features, list(matrix.columns))
    matrix = matrix[chosen]
    row_tree, column_tree = (_clustering.tree_of(values) for values in (matrix.to_numpy(), matrix.to_numpy().T))
    rows, columns = _clustering.leaves(row_tree, len(matrix)), _clustering.leaves(column_tree, len(chosen))
    matrix = matrix.iloc[rows, columns]

    n_rows, n_columns = matrix.shape
    size = (
        _side(n_columns) + _canvas.room(matrix.index) + _clustering.TREE + 1.2,
        _side(n_rows) + _canvas.room(matrix.columns) + _clustering.TREE + 0.3,
    )
    canvas, panel = _canvas.single(ax, (size[0], max(size[1], _canvas.BAR + 0.6)), figsize=figsize)
    image = _draw.matrix(panel, matrix)
    _clustering.draw_tree(panel, column_tree, "top")
    _clustering.draw_tree(panel, row_tree, "right")
    canvas.colorbar(image, {"effect": "effect", "predicted": "predicted effect"}.get(column, column))
    canvas.finish(show=show, save=file)
    return panel


def _matrix(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the effects with a row per perturbation and group, named by what differs."""
    parts = [name for name in ("perturbation", "group") if name in table.columns]
    differing = [name for name in parts if table[name].nunique() > 1] or parts[:1]
    words = table[differing].apply(lambda column: pd.Series(_labels.texts(column), column.index, dtype="str"))
    frame = table.assign(
        feature=_labels.texts(table["feature"]), row=words.iloc[:, 0].str.cat(words.iloc[:, 1:], sep=" · ")
    )
    in_order = list(dict.fromkeys(frame["row"]))
    return frame.pivot_table(index="row", columns="feature", values=column, sort=False, observed=True).reindex(in_order)


def _side(n: int) -> float:
    return _canvas.ROW * n if n <= MAX_ROOMY else 0.13 * n
