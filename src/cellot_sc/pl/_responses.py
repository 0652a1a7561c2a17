"""The predicted against the observed response of every feature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import false_discovery_control

from .. import _validate
from . import _canvas, _colors, _draw, _labels

COLUMNS = ("perturbation", "feature", "predicted", "observed")
ALPHA = 0.05
MAKER = "cs.tl.signature"


@_validate.takes_table("cs.tl.signature(adata)")
def responses(
    table: pd.DataFrame,
    targets: str | Sequence[str] | None = None,
    *,
    n_named: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str, Axes]:
    """Draw the predicted against the observed mean change of every feature: a panel per perturbation.

    The features that change most are named, as far as there is room for their names. On the dotted line, the prediction
    is what was observed. Only features that change significantly are named where the table says: with an adjusted
    p-value below 0.05, of the effect or else of what was observed.

    Parameters
    ----------
    table
        Mean effects, as :func:`cellot_sc.tl.signature` returns them. Features without an observed effect are left out.
    targets
        Perturbation or perturbations to show, all in the table with ``None``.
    n_named
        How many features to name in each panel. With ``None``, fifteen for one perturbation, four each for up to six,
        and two each for more.
    figsize
        Width and height of the figure in inches. With ``None``, what its panels need.
    ax
        As many axes as there are perturbations. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session. With ``False``, the figure is at
        ``figure`` of the axes that are returned, and closed: ``plt.savefig`` does not know it.
    save
        File to save the figure to. ``True`` is, as in scanpy, one in ``scanpy.settings.figdir``.

    Returns
    -------
    The axes by perturbation.

    Raises
    ------
    KeyError
        If the table lacks a column.
    ValueError
        If the table has no observed effect, a target is not in it or has none, there are more or fewer axes than
        perturbations, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> list(cs.pl.responses(cs.tl.signature(adata), show=False))
    ['drug_a', 'drug_b']
    """
    file = _validate.figure_file(save, "responses")
    _validate.table_columns(table, COLUMNS, maker=MAKER)
    known = table.assign(perturbation=_labels.texts(table["perturbation"])).dropna(subset=["predicted", "observed"])
    _validate.table_rows(known, maker=MAKER)
    names = _validate.some_of(targets, known["perturbation"].unique(), what="target")
    if n_named is None:
        n_named = _canvas.by_number(len(names), 15, 4, 2)
    _validate.whole(n_named, 0, what="n_named")
    side, n_cols = _canvas.by_number(len(names), (4.8, 1), (2.9, 3), (2.2, 6))
    canvas = _canvas.Canvas.of(ax, names, size=(side, side + 0.2), n_cols=n_cols, figsize=figsize)
    by_name = {name: known[known["perturbation"] == name] for name in names}
    for name, panel in canvas.panels.items():
        xy = by_name[name][["observed", "predicted"]].to_numpy(dtype=float)
        _scatter(panel, xy, n_total=sum(map(len, by_name.values())))
        _draw.title(panel, name, f"r = {_correlation(xy)}, {len(xy):,} feature{'s' * (len(xy) != 1)}")
    canvas.label(x="observed change of the mean", y="predicted change of the mean")
    with canvas.settled():
        for name, panel in canvas.panels.items():
            _name_largest(panel, by_name[name], n_named)
    return canvas.finish(show=show, save=file)


def _name_largest(ax: Axes, rows: pd.DataFrame, n: int) -> None:
    """Name the features that change most, of those that are known to change where they were tested."""
    xy = rows[["observed", "predicted"]].to_numpy(dtype=float)
    rows = rows[_changes(rows)]
    if rows.empty:
        _draw.no_effect(ax, y=0.95)
        return
    tested = rows[["observed", "predicted"]].to_numpy(dtype=float)
    most = np.argsort(-np.abs(tested).max(axis=1), kind="stable")[:n]
    _labels.beside(ax, tested[most], [str(feature) for feature in rows["feature"].iloc[most]], others=xy)


def _changes(rows: pd.DataFrame) -> np.ndarray:
    """Return which features change significantly; where nothing was tested, all do."""
    for column in ("pvalue_adj", "pvalue_observed"):
        pvalues = rows[column].to_numpy(dtype=float, copy=True) if column in rows else np.empty(0)
        known = ~np.isnan(pvalues)
        if known.any():
            if column == "pvalue_observed":
                pvalues[known] = false_discovery_control(pvalues[known])
            return pvalues < ALPHA
    return np.ones(len(rows), dtype=bool)


def _correlation(xy: np.ndarray) -> str:
    if len(xy) < 2 or (np.ptp(xy, axis=0) == 0).any():
        return "–"
    return f"{np.corrcoef(xy.T)[0, 1]:.2f}".replace("-", "−")


def _scatter(ax: Axes, xy: np.ndarray, *, n_total: int) -> None:
    """Draw features on axes of the same scale, around no change at all."""
    low, high = min(0.0, float(xy.min())), max(0.0, float(xy.max()))
    margin = 0.14 * ((high - low) or 1.0)
    limits = (low - margin, high + margin)
    ax.plot(limits, limits, color=_colors.GREY, linewidth=0.8, linestyle=":", zorder=0)
    for line in (ax.axhline, ax.axvline):
        line(0, color=_colors.FAINT, linewidth=0.8, zorder=0)
    _draw.points(ax, xy, n_total=n_total, color=_colors.BLUE)
    ax.set(xlim=limits, ylim=limits, box_aspect=1)
    ax.locator_params(nbins=4)
    _draw.tidy(ax)
