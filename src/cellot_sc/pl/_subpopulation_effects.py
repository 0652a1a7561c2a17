"""Which groups of cells respond, by which features, and how many of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D

from .. import _validate
from . import _canvas, _colors, _draw, _labels

COLUMNS = ("perturbation", "group", "feature", "effect", "pvalue_adj", "frac_responding")
LARGEST = 0.85
"""Width of the dot of a group whose cells all respond, as a part of the distance of two dots."""
FRACTIONS = (0.25, 0.5, 1.0)


@_validate.takes_table("cs.tl.subpopulation_effects(adata, groupby)")
def subpopulation_effects(
    table: pd.DataFrame,
    *,
    features: str | Sequence[str] | None = None,
    n_features: int | None = None,
    alpha: float = 0.05,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str, Axes]:
    """Draw the effect on every group and feature as a dot: a panel per perturbation, a row per group.

    The colour of a dot is the effect, its area the fraction of cells that respond, and a black ring says that the
    effect is significant. Of a perturbation without any significant effect, no features are shown.

    Parameters
    ----------
    table
        Effects, as :func:`cellot_sc.tl.subpopulation_effects` returns them.
    features
        Names of features to show. With ``None``, those with the largest significant effects on any group, and then
        those with the largest ones; side by side are features whose largest effect is on the same group.
    n_features
        How many features to show if none are named. With ``None``, 16 for one perturbation, 10 each for up to six, and
        5 each for more.
    alpha
        Effects with an adjusted p-value below this are significant.
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
        If the table lacks a column, or a feature is not in it.
    ValueError
        If the table is empty, ``n_features`` or ``alpha`` is no such number, there are more or fewer axes than
        perturbations, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> table = cs.tl.subpopulation_effects(adata, "cell_type")
    >>> list(cs.pl.subpopulation_effects(table, show=False))
    ['drug_a', 'drug_b']
    """
    file = _validate.figure_file(save, "subpopulation_effects")
    _validate.table_columns(table, COLUMNS, maker="cs.tl.subpopulation_effects")
    _validate.fraction(alpha, what="alpha")
    table = table.assign(**{name: _labels.texts(table[name]) for name in ("perturbation", "group", "feature")})
    names = list(table["perturbation"].unique())
    if n_features is None:
        n_features = _canvas.by_number(len(names), 16, 10, 5)
    _validate.whole(n_features, 1, what="n_features")
    rows = {name: table[table["perturbation"] == name] for name in names}
    asked = None if features is None else _validate.feature_names(features, list(table["feature"].unique()))
    groups = list(table["group"].unique())
    inert = {name for name, effects in rows.items() if asked is None and not (effects["pvalue_adj"] < alpha).any()}
    shown = {
        name: asked or ([] if name in inert else _strongest(effects, n_features, alpha))
        for name, effects in rows.items()
    }
    chosen = pd.concat([effects[effects["feature"].isin(shown[name])] for name, effects in rows.items()])
    limit = float(chosen["effect"].abs().max() if len(chosen) else 0) or 1.0

    n_cols = _canvas.by_number(len(names), 1, 3, 6)
    widest = max(map(len, shown.values())) or n_features
    size = (
        _canvas.ROW * (widest + 1) + _canvas.room(groups) / min(n_cols, len(names)) + 0.5,
        _canvas.ROW * (len(groups) + 1) + _canvas.room(chosen["feature"]) + 0.5,
    )
    canvas = _canvas.Canvas.of(ax, names, size=size, n_cols=n_cols, figsize=figsize)
    dots = {}
    for name, panel in canvas.panels.items():
        dots[name] = _dots(panel, rows[name], groups, shown[name], limit=limit, alpha=alpha)
        _draw.title(panel, name)
        if name in inert:
            _draw.no_effect(panel)
    canvas.name_rows_once()
    canvas.colorbar(dots[names[0]], "effect")
    legend = canvas.legend(_handles(alpha))
    canvas.wrap_titles()
    largest = LARGEST * _distance(canvas.axes)
    for collection in dots.values():
        # where no cell responds, one that can just be seen
        collection.set_sizes(np.maximum(largest**2 * collection.get_sizes(), 2.0))
    for handle, part in zip(legend.get_lines(), (*FRACTIONS, 0.5), strict=True):
        handle.set_markersize(largest * np.sqrt(part))
    return canvas.finish(show=show, save=file)


def _strongest(rows: pd.DataFrame, n: int, alpha: float) -> list[str]:
    """Return the features with the largest effects, the significant ones first, by the group they are largest on."""
    size = rows["effect"].abs()
    largest = size.groupby(rows["feature"]).max()
    significant = size.where(rows["pvalue_adj"] < alpha).groupby(rows["feature"]).max()
    order = pd.DataFrame({"significant": significant.fillna(0), "any": largest})
    best = list(order.sort_values(["significant", "any"], ascending=False, kind="stable").index[:n])
    wide = rows.pivot_table(index="feature", columns="group", values="effect", sort=False, observed=True).loc[best]
    where = wide.abs().to_numpy().argmax(axis=1)
    at = wide.to_numpy()[np.arange(len(best)), where]
    return [best[i] for i in np.lexsort([-at, where])]


def _dots(
    ax: Axes, rows: pd.DataFrame, groups: list[str], features: list[str], *, limit: float, alpha: float
) -> PathCollection:
    shown = rows[rows["feature"].isin(features)]
    x = shown["feature"].map({name: i for i, name in enumerate(features)})
    y = shown["group"].map({name: i for i, name in enumerate(groups)})
    significant = shown["pvalue_adj"].to_numpy() < alpha
    # what is not known of cells, where units cannot tell, is drawn as none
    share = np.nan_to_num(shown["frac_responding"].to_numpy(dtype=float))
    dots = ax.scatter(
        x, y, s=share, c=shown["effect"], cmap=_colors.DIVERGING,
        vmin=-limit, vmax=limit, edgecolors=[_colors.BLACK if yes else _colors.FAINT for yes in significant],
        linewidths=[0.9 if yes else 0.5 for yes in significant], clip_on=False,
    )  # fmt: skip
    _draw.name_ticks(ax, "x", range(len(features)), features, rotation=90, fontsize="small")
    _draw.name_ticks(ax, "y", range(len(groups)), groups, fontsize="small")
    ax.set(xlim=(-0.7, max(len(features), 1) - 0.3), ylim=(len(groups) - 0.3, -0.7))
    ax.tick_params(length=0)
    ax.grid(color=_colors.FAINT, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.spines[:].set_visible(False)
    return dots


def _distance(axes: list[Axes]) -> float:
    """Return the distance of two dots, in points, where it is least."""
    figure = axes[0].figure.get_figure(root=True)
    figure.draw_without_rendering()
    ends = [ax.transData.transform([(0, 0), (1, 1)]) for ax in axes]
    return 72 / figure.dpi * float(min(np.abs(b - a).min() for a, b in ends))


def _handles(alpha: float) -> list[Line2D]:
    labels = [f"{100 * part:.0f} %" for part in FRACTIONS]
    labels[-1] += " of cells respond"
    edges = [*[_colors.FAINT] * len(FRACTIONS), _colors.BLACK]
    style: dict[str, Any] = {"color": _colors.GREY, "marker": "o", "linestyle": "none", "markeredgewidth": 0.9}
    return [
        Line2D([], [], markeredgecolor=edge, label=label, **style)
        for label, edge in zip([*labels, f"adjusted p < {alpha:g}"], edges, strict=True)
    ]
