"""The predicted against the observed response of every feature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .. import _validate
from . import _canvas, _colors, _draw, _labels

COLUMNS = ("perturbation", "feature", "predicted", "observed")
MAKER = "cs.tl.signature"


@_validate.takes_table("cs.tl.signature(adata)")
def responses(
    table: pd.DataFrame,
    *,
    n_labels: int | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str, Axes]:
    """Draw the predicted against the observed mean change of every feature: a panel per perturbation.

    The features that change most are named, as far as there is room for their names. On the dotted line, the prediction
    is what was observed.

    Parameters
    ----------
    table
        Mean effects, as :func:`cellot_sc.tl.signature` returns them. Features without an observed effect are left out.
    n_labels
        How many features to name in each panel. With ``None``, eight for one perturbation, four each for up to six, and
        two each for more.
    ax
        As many axes as there are perturbations. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session.
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
        If the table has no observed effect, there are more or fewer axes than perturbations, or no figure can be saved
        to the file.

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
    names = list(dict.fromkeys(known["perturbation"]))
    if n_labels is not None:
        _validate.whole(n_labels, 0, what="n_labels")
    else:
        n_labels = _canvas.by_number(len(names), 8, 4, 2)
    side, n_cols = _canvas.by_number(len(names), (3.8, 1), (2.9, 3), (2.2, 6))
    canvas = _canvas.Canvas.of(ax, names, size=(side, side + 0.2), n_cols=n_cols)
    by_name = {name: known[known["perturbation"] == name] for name in names}
    for name, panel in canvas.panels.items():
        xy = by_name[name][["observed", "predicted"]].to_numpy(dtype=float)
        _scatter(panel, xy, n_total=len(known))
        _draw.title(panel, name, f"r = {_correlation(xy)}, {len(xy):,} feature{'s' * (len(xy) != 1)}")
    canvas.label(x="observed change of the mean", y="predicted change of the mean")
    with canvas.settled():
        for name, panel in canvas.panels.items():
            _name_largest(panel, by_name[name], n_labels)
    return canvas.finish(show=show, save=file)


def _name_largest(ax: Axes, rows: pd.DataFrame, n: int) -> None:
    """Name the features that change most."""
    xy = rows[["observed", "predicted"]].to_numpy(dtype=float)
    most = np.argsort(-np.abs(xy).max(axis=1), kind="stable")[:n]
    _labels.beside(ax, xy[most], [str(feature) for feature in rows["feature"].iloc[most]], others=xy)


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
    ax.locator_params(nbins=5)
    _draw.tidy(ax)
