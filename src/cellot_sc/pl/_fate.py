"""Fate probabilities of early cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Polygon

from .. import _keys, _validate, tl
from . import _canvas, _cells, _colors, _draw, _labels

CORNER = 18
"""Letters of a line of the name of a corner."""
N_BARS = 12
"""Bars of the cells with the same likeliest fate: single cells are stripes that cannot be seen."""
STYLES = BARS, SIMPLEX = ("bars", "simplex")


@_validate.takes_adata
def fate(
    adata: AnnData,
    groupby: str | None = None,
    *,
    style: Literal["bars", "simplex"] = "bars",
    key: str = _keys.FATE,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> Axes:
    """Draw the fate probabilities of early cells.

    Parameters
    ----------
    adata
        Annotated data with fates predicted by :func:`cellot_sc.tl.fate`.
    groupby
        Column of ``obs``, such as the time or the clone's potency. Bars stand beside each other by it, and dots are
        coloured by it. With ``None``, there is one block of bars, and dots are coloured by the likeliest fate.
    style
        ``"bars"``: cells with the same likeliest fate side by side, from sure to undecided; a bar is the mean of a
        twelfth of them, as wide as that has cells. ``"simplex"``: a dot per cell in
        a polygon with a corner for each fate; a cell that is certain of its fate lies in that corner. With more than
        three fates, different mixtures may lie on one spot.
    key
        Where the fates are.
    palette
        Colours of the fates, or of the categories of ``groupby`` with ``style="simplex"``: by name, in order, or the
        name of a matplotlib colour map. With ``None``, those that ``uns`` keeps, if any.
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
        If there are no fates or no such column.
    ValueError
        If the fates were read with other maps than there are now, no cell has one, the style is unknown, a simplex is
        asked for with fewer than three fates, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> cs.tl.fate(adata, "cell_type")
    >>> [text.get_text() for text in cs.pl.fate(adata, "time", show=False).get_xticklabels()]
    ['0', '1']
    """
    file = _validate.figure_file(save, "fate")
    _validate.one_of(style, STYLES, what="style")
    asked = _validate.fates(adata, key)
    trajectory = str(asked["trajectory"])
    # fates say enough without their maps, but not what they are if these have changed
    if _validate.has_fit(adata, trajectory):
        _validate.fates_of_maps(adata, key, tl.maps(adata, trajectory).digest)
    table = np.asarray(adata.obsm[key], dtype=np.float64)
    fates = [str(name) for name in asked["fates"]]
    early = ~np.isnan(table).any(axis=1)
    shares = table[early]
    _validate.at_least(len(shares), 1, what="The number of cells with a fate", why="they are what is drawn")
    column = _cells.groups(adata, groupby, what="groupby")
    groups = np.full(len(shares), "", dtype=object) if column is None else column[early]
    names = [""] if groupby is None else _cells.in_order(adata.obs[groupby], groups)
    colors: dict[Any, Any] = _colors.category_colors(adata, str(asked["groupby"]), fates, palette)

    if style == BARS:
        canvas, panel = _canvas.single(ax, (6.0, 3.0), figsize=figsize)
        below = _bars(panel, shares, groups, names, [colors[name] for name in fates])
        if canvas.figure is not None:
            canvas.grow(below)
        canvas.label(x=groupby, y="fate probability")
        canvas.legend(Patch(color=colors[name], label=name) for name in fates)
    else:
        _validate.corners(len(fates))
        if groupby is None:
            groups = np.array(fates, dtype=object)[shares.argmax(axis=1)]
        else:
            colors = _colors.group_colors(adata, groupby, groups, palette)
        canvas, panel = _canvas.single(ax, (4.4, 4.4), figsize=figsize)
        if groupby is not None:
            canvas.legend(_draw.dots(colors))
        _simplex(panel, shares, fates, [colors[group] for group in groups])
    canvas.finish(show=show, save=file)
    return panel


def _bars(ax: Axes, shares: np.ndarray, groups: np.ndarray, names: list[Any], colors: list[Any]) -> float:
    """Draw the mean probabilities of cells of the same likeliest fate that are about as sure of it, group by group.

    Return how much room names that stand upright take below, in inches.
    """
    gap = max(1, round(0.03 * len(shares)))
    begin = 0
    ticks = []
    for name in names:
        group_shares = shares[groups == name]
        parts = _parts(group_shares)
        bars, edges = [part.mean(axis=0) for part in parts], begin + np.cumsum([0, *map(len, parts)])
        # steps, because thousands of single bars are slow to draw and show seams
        ax.stackplot(edges, np.vstack([*bars, bars[-1]]).T, step="post", colors=colors, linewidth=0)
        ticks.append(begin + len(group_shares) / 2)
        begin += len(group_shares) + gap
    ax.set(xlim=(0, begin - gap), ylim=(0, 1))
    texts = [_labels.MISSING if name is None else name and _labels.short(name) for name in names]
    # upright where names would cover their neighbours
    inches = np.diff(ticks) * ax.get_window_extent().width / ax.figure.dpi / (begin - gap)
    widths = np.array([_canvas.room([text]) for text in texts])
    upright = bool((inches < 1.3 * (widths[1:] + widths[:-1]) / 2).any())
    ax.set_xticks(
        ticks, texts, rotation=90 if upright else 0, fontsize="small" if upright else "medium", **_labels.PLAIN
    )
    ax.tick_params(axis="x", length=0)
    _draw.tidy(ax)
    return float(widths.max()) if upright else 0.0


def _parts(shares: np.ndarray) -> list[np.ndarray]:
    """Return cells in parts of one likeliest fate each, from those that are sure of it to those that are not."""
    likeliest, parts = shares.argmax(axis=1), []
    for i in np.unique(likeliest):
        alike = shares[likeliest == i]
        alike = alike[np.argsort(-alike[:, i], kind="stable")]
        parts += np.array_split(alike, min(N_BARS, len(alike)))
    return parts


def _simplex(ax: Axes, shares: np.ndarray, fates: list[str], colors: list[Any]) -> None:
    """Draw a dot per cell between the corners of a polygon."""
    angles = np.pi / 2 + 2 * np.pi * np.arange(len(fates)) / len(fates)
    corners = np.column_stack([np.cos(angles), np.sin(angles)])
    ax.add_patch(Polygon(corners, closed=True, facecolor="none", edgecolor=_colors.GREY, linewidth=1))
    # neighbourhoods are counted in whole cells, so that many dots would hide each other
    scatter = np.random.default_rng(0).normal(0, 0.015, (len(shares), 2))
    order = np.random.default_rng(1).permutation(len(shares))
    xy = (shares @ corners + scatter)[order]
    _draw.points(ax, xy, n_total=len(xy), c=[colors[i] for i in order], alpha=0.7)
    for name, (x, y) in zip(fates, corners * 1.08, strict=True):
        side = "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
        text = "\n".join(_labels.lines(_labels.short(name), CORNER))
        ax.text(x, y, text, ha=side, va="bottom" if y > 0 else "top", **_labels.PLAIN)
    ax.set(xlim=(-1.3, 1.3), ylim=(-1.2, 1.25), aspect="equal")
    ax.axis("off")
