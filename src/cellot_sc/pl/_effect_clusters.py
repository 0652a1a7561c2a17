"""Populations that respond differently, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from .. import _keys, _validate
from .._settings import logger
from ..tl._effects.displacements import Displacements, displacements
from . import _bases, _canvas, _cells, _colors, _draw, _labels

MAKER = "cs.tl.effect_clusters"
MAX_NAMED = 20
"""Clusters that are named on the map, the largest: for many more, to find room takes minutes."""
SHORT = 1.3
"""Names of features for which there is room, in inches."""
MARKERS = "markers before treatment"
LEAST = 3
"""Features of a perturbation at least, where there are several."""
HEADER = 11.5
"""Height of a line of the names of perturbations over their columns, in points."""
N_MARKERS = 3
"""Markers that stand beside the name of a cluster."""


@_validate.takes_adata
def effect_clusters(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    clusters: str = "effect_cluster",
    basis: Literal["umap", "pca"] = "umap",
    n_features: int = 15,
    key: str = _keys.MODEL,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str, Axes]:
    """Draw control cells by how they are predicted to be displaced, and what sets their clusters apart.

    On the left is a map of the displacements, where cells that respond alike are neighbours; on the right the mean
    effect on each cluster, in the features in which clusters differ most, beside the cluster's markers: what its cells
    express before treatment. What clusters are made of is drawn by :func:`composition`.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot` and clusters found by
        :func:`cellot_sc.tl.effect_clusters`.
    targets
        Perturbation or perturbations whose displacements describe a cell, as they were clustered; all fitted ones with
        ``None``.
    clusters
        Column of ``obs`` and key of ``uns`` with the clusters. Their colours are those kept in ``uns``, if any.
    basis
        ``"umap"`` or ``"pca"`` of the displacements. Of more than 50,000 cells, a UMAP shows a sample.
    n_features
        How many features to show: of several perturbations, each has as many of them, three at least, and only those
        in which clusters differ most are shown if that is too much.
    key
        Where in ``uns`` the maps are.
    palette
        Colours of the clusters: by name, in order, or the name of a matplotlib colour map. With ``None``, those that
        ``uns`` keeps, if any.
    figsize
        Width and height of the figure in inches. With ``None``, what its panels need.
    ax
        Two axes. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session. With ``False``, the figure is at
        ``figure`` of the axes that are returned, and closed: ``plt.savefig`` does not know it.
    save
        File to save the figure to. ``True`` is, as in scanpy, one in ``scanpy.settings.figdir``.

    Returns
    -------
    The axes of the ``"cells"`` and of the ``"effects"``.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such representation or no such clusters.
    ValueError
        If a target was not fitted, the basis is unknown, no control cell has a cluster, there are not two axes, or no
        figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cs.tl.effect_clusters(adata, "drug_a")
    >>> list(cs.pl.effect_clusters(adata, "drug_a", basis="pca", show=False))
    ['cells', 'effects']
    """
    file = _validate.figure_file(save, "effect_clusters")
    _validate.one_of(basis, _bases.BASES, what="basis")
    _validate.whole(n_features, 1, what="n_features")
    column = _validate.clusters(adata, clusters, what="clusters")
    moves = displacements(adata, key, targets)
    if adata.uns.get(f"{clusters}_maps", moves.fitted.digest) != moves.fitted.digest:
        logger.warning("obs[%r] was made with other maps than uns[%r] holds: call %s again", clusters, key, MAKER)
    found = column.iloc[moves.rows]
    labels = _validate.texts(found)
    known = np.flatnonzero(~pd.isna(labels))
    _validate.at_least(len(known), 3, what="control cells with a cluster", why=f"they are made by {MAKER}")
    names = [name for name in _cells.in_order(column, labels[known]) if name is not None]
    colors = _colors.category_colors(adata, clusters, names, palette)
    blocks = _effects(moves, labels, names, n_features)
    effects = pd.concat(list(blocks.values()), axis=1)
    marked = _titles(adata, clusters, names)
    effects.index = pd.Index(marked)

    several = len(moves.names) > 1
    # bold letters are wider
    lines = [math.ceil(1.2 * _canvas.room([of]) / (_canvas.ROW * block.shape[1])) for of, block in blocks.items()]
    header = HEADER * min(_labels.N_LINES, max(lines)) * several
    width = 4.4 + _canvas.room([*marked, MARKERS]) + _canvas.ROW * effects.shape[1]
    height = 3.6 + max(0.0, _canvas.room(effects.columns) - SHORT) + header / 72
    sizes, widths = (width / 2, height), (3.2, width - 3.2)
    canvas = _canvas.Canvas.of(ax, ("cells", "effects"), size=sizes, n_cols=2, widths=widths, figsize=figsize)
    panel, matrix = canvas.axes
    known = _cells.sample(known, _bases.MAX_UMAP_CELLS if basis == _bases.UMAP else len(known))
    xy = _bases.embed(np.hstack([moves.of(name)[known] for name in moves.names]), basis)
    _draw.points(panel, xy, n_total=len(xy), c=[colors[label] for label in labels[known]])
    panel.set(xticks=[], yticks=[], xlabel=f"{basis.upper()} 1", ylabel=f"{basis.upper()} 2")
    _draw.title(panel, "cells by response")
    _draw.tidy(panel)
    image = _draw.matrix(matrix, effects)
    _draw.title(matrix, _heading(list(blocks), moves.names), room=header + 5 if several else None)
    if marked != names:
        matrix.annotate(
            MARKERS, (0, 1), (-4, 3), xycoords="axes fraction", textcoords="offset points",
            ha="right", fontsize="small", fontstyle="italic",
        )  # fmt: skip
    for label, name in zip(matrix.get_yticklabels(), names, strict=True):
        label.set_color(colors[name])
        label.set_fontweight("bold")
    canvas.colorbar(image, "effect")
    with canvas.settled():
        if several:
            _head(matrix, {name: block.shape[1] for name, block in blocks.items()})
        largest = list(pd.Series(labels[known]).value_counts().index[:MAX_NAMED])
        middles = np.array([np.median(xy[labels[known] == name], axis=0) for name in largest])
        for text in _labels.beside(panel, middles, largest, others=np.empty((0, 2))):
            # to be read on top of cells
            text.set(fontweight="bold", fontsize="medium", path_effects=[withStroke(linewidth=3, foreground="white")])
    return canvas.finish(show=show, save=file)


def _effects(moves: Displacements, labels: np.ndarray, names: list[str], n: int) -> dict[str, pd.DataFrame]:
    """Return the mean effects on clusters by perturbation, of the features in which they differ most."""
    tables, spreads = {}, {}
    for of in moves.names:
        means = pd.DataFrame(moves.effects(of), columns=moves.space.features).groupby(labels).mean().loc[names]
        # of a single cluster, the strongest
        spread = (means.max() - means.min() if len(names) > 1 else means.abs().max()).to_numpy()
        order = np.argsort(-spread, kind="stable")[: max(n // len(moves.names), min(n, LEAST))]
        tables[of], spreads[of] = means.iloc[:, order], float(spread.max())
    most = sorted(moves.names, key=lambda of: -spreads[of])[: max(1, n // LEAST)]
    return {of: table for of, table in tables.items() if of in most}


def _heading(shown: list[str], names: list[str]) -> str:
    if len(names) == 1:
        return f"mean effects of {names[0]}"
    return "mean effects" + f" of {len(shown)} of {len(names)} perturbations" * (len(shown) < len(names))


def _head(ax: Axes, widths: dict[str, int]) -> None:
    """Write over every block of columns whose they are, and part it from the next."""
    column = ax.get_window_extent().width / sum(widths.values())
    start = 0
    for name, n in widths.items():
        text = ax.annotate(
            _labels.short(name), (start - 0.4, 1), (0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize="small", fontweight="bold", **_labels.PLAIN,
        )  # fmt: skip
        _labels.wrap(text, column * (n - 0.2))
        text.set_in_layout(False)
        start += n
        if start < sum(widths.values()):
            ax.axvline(start - 0.5, color="white", linewidth=4)


def _titles(adata: AnnData, clusters: str, names: list[str]) -> list[str]:
    """Return the name of each cluster with its markers, as far as they were kept."""
    table = adata.uns.get(clusters)
    if not isinstance(table, pd.DataFrame) or not {"cluster", "markers"} <= set(table.columns):
        return names
    markers = dict(zip(table["cluster"].astype(str), table["markers"].astype(str), strict=True))
    n = N_MARKERS - _canvas.is_narrow()
    shown = [", ".join(markers.get(name, "").split(", ")[:n]) for name in names]
    return [f"{name}: {text}" if text else name for name, text in zip(names, shown, strict=True)]
