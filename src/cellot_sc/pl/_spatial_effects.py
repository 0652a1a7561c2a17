"""Where in a tissue cells are predicted to respond."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes

from .. import _keys, _validate
from ..tl._effects.displacements import displacements, largest
from . import _canvas, _colors, _draw

COLUMNS = ("perturbation", "feature", "moran_i", "pvalue_adj")
ROOMY = (3, (2.6, 2.8), 3)
"""Features of a perturbation, size of a panel and panels in a row, if there are few perturbations."""
BRIGHTEST = 0.99
"""Quantile of the changes that has the darkest colour: a few cells may not make all others pale."""


@_validate.takes_adata
def spatial_effects(
    adata: AnnData,
    table: pd.DataFrame | None = None,
    *,
    targets: str | Sequence[str] | None = None,
    features: str | Sequence[str] | None = None,
    spatial_key: str = "spatial",
    key: str = _keys.MODEL,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[tuple[str, str], Axes]:
    """Draw the predicted change of features in control cells where these lie in their tissue.

    Of a table of :func:`cellot_sc.tl.spatial_effects`, Moran's I is printed above each panel, with a star where it is
    significant (adjusted p < .05). Of several slides with coordinates of their own, draw one at a time:
    ``adata[adata.obs["slide"] == "1"]``.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot` and with coordinates.
    table
        Autocorrelations, as :func:`cellot_sc.tl.spatial_effects` returns them. ``None`` for none.
    targets
        Perturbation or perturbations to show, all fitted ones with ``None``.
    features
        Names of genes or dimensions. With ``None``, those of the table with the largest Moran's I, or without a table
        those that change most: three for each of up to six perturbations, one each for more.
    spatial_key
        Key of ``obsm`` with the coordinates of the cells; the first two are shown.
    key
        Where in ``uns`` the maps are.
    figsize
        Width and height of the figure in inches. With ``None``, what its panels need.
    ax
        As many axes as there are panels. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session. With ``False``, the figure is at
        ``figure`` of the axes that are returned, and closed: ``plt.savefig`` does not know it.
    save
        File to save the figure to. ``True`` is, as in scanpy, one in ``scanpy.settings.figdir``.

    Returns
    -------
    The axes by perturbation and feature.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such representation, coordinates or feature, or the table lacks a column.
    ValueError
        If a target was not fitted, the table is empty, coordinates hold NaN or inf, there are more or fewer axes than
        panels, or no figure can be saved to the file.

    Examples
    --------
    >>> import numpy as np
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> adata.obsm["spatial"] = np.random.default_rng(0).uniform(size=(600, 2))
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> list(cs.pl.spatial_effects(adata, targets="drug_a", features="gene_38", show=False))
    [('drug_a', 'gene_38')]
    """
    file = _validate.figure_file(save, "spatial_effects")
    if table is not None:
        _validate.table_columns(table, COLUMNS, maker="cs.tl.spatial_effects")
    moves = displacements(adata, key, targets)
    xy = _validate.coordinates(adata, spatial_key, moves.rows)[:, :2]
    asked = None if features is None else _validate.feature_names(features, moves.space.features)
    n, size, n_cols = _canvas.by_number(len(moves.names), ROOMY, ROOMY, (1, (1.9, 2.15), 6))
    changes: dict[tuple[str, str], np.ndarray] = {}
    for name in moves.names:
        effects = moves.effects(name)
        for feature in (
            asked or _patterned(table, name, n) or largest(np.abs(effects).mean(axis=0), moves.space.features)[:n]
        ):
            changes[name, feature] = effects[:, moves.space.features.index(feature)]
    autocorrelation = {} if table is None else _printed(table)

    canvas = _canvas.Canvas.of(ax, changes, size=size, n_cols=n_cols, figsize=figsize)
    limit = float(np.quantile(np.abs(np.stack(list(changes.values()))), BRIGHTEST)) or 1.0
    for (name, feature), panel in canvas.panels.items():
        change = changes[name, feature]
        # the cells that change most lie on top
        order = np.argsort(np.abs(change), kind="stable")
        dots = _draw.points(
            panel, xy[order], n_total=len(xy), c=change[order], cmap=_colors.DIVERGING, vmin=-limit, vmax=limit
        )
        _draw.title(panel, f"{name}: {feature}", autocorrelation.get((name, feature), ""))
        # cells that do not change are white
        panel.set(xticks=[], yticks=[], aspect="equal", facecolor=_colors.FAINT)
        panel.spines[:].set_visible(False)
    canvas.colorbar(dots, "predicted change")
    return canvas.finish(show=show, save=file)


def _patterned(table: pd.DataFrame | None, name: str, n: int) -> list[str]:
    """Return the features with the largest autocorrelation."""
    if table is None:
        return []
    patterns = table[table["perturbation"].astype(str) == name]
    return list(patterns.nlargest(n, "moran_i")["feature"].astype(str))


def _printed(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return what is printed of each autocorrelation."""
    columns = (table[name] for name in COLUMNS)
    return {
        (str(name), str(feature)): f"Moran's I = {value:.2f}{' *' * (p < 0.05)}".replace("-", "−")
        for name, feature, value, p in zip(*columns, strict=True)
    }
