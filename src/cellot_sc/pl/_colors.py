"""Colours: of groups, of kinds of cells, of models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.colors import is_color_like, to_rgb
from scanpy.plotting import palettes

from .. import _defaults, _keys, _validate
from ..tl import Fit
from . import _cells

# Okabe and Ito, https://jfly.uni-koeln.de/color/, which differ for every kind of colour vision; but for their yellow,
# which is lost on white
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
GREY = "#8C8C8C"
FAINT = "#DDDDDD"
SHADE: dict[str, Any] = {"facecolor": FAINT, "alpha": 0.5, "linewidth": 0}
"""Of a part of a panel that does not count."""
MISSING = "#B5B5B5"
"""Of cells without a label: between the grey of control cells and that of the background."""

CONTROL, OBSERVED, PREDICTED = _keys.ROLES
MODEL_COLORS = dict(zip((*_defaults.BASELINES, OBSERVED), (GREY, PURPLE, GREEN, BLUE), strict=True))
"""Colours of what a model is compared with."""
# darker than the same map for all cells
MODEL_COLORS |= dict(zip(_defaults.GROUP_BASELINES, ("#7B3A66", "#00523C"), strict=True))

type Palette = Mapping[str, Any] | Sequence[Any] | str | None
"""Colours by name or in order, a colour map of matplotlib's, or those that there are anyway."""

DIVERGING = "RdBu_r"
"""Colour map of what has a sign, with white for nothing."""


def recoloured[Name](colors: Mapping[Name, Any], palette: Palette) -> dict[Name, Any]:
    """Return these colours, or those that a palette has for the same names; cells without a name stay grey.

    Raises
    ------
    ValueError
        If the palette has something that is no colour or fewer than there are names, or there is no such colour map.
    """
    names = [name for name in colors if name is not None]
    if palette is None:
        chosen: dict[Any, Any] = {}
    elif isinstance(palette, Mapping):
        chosen = {name: palette[str(name)] for name in names if str(name) in palette}
    elif isinstance(palette, str):
        colormap = mpl.colormaps[_validate.one_of(palette, list(mpl.colormaps), what="palette")]
        chosen = dict(zip(names, colormap(np.linspace(0, 1, len(names))), strict=True))
    else:
        _validate.at_least(len(palette), len(names), what="The number of colours of palette", why="each name has one")
        chosen = dict(zip(names, palette, strict=False))
    if wrong := [color for color in chosen.values() if not is_color_like(color)]:
        raise ValueError(
            f"palette has {wrong[0]!r}, which is no colour: give one such as 'red', '#D55E00' or (1, 0, 0)."
        )
    return dict(colors) | chosen


def palette(adata: AnnData, column: str) -> dict[str, str]:
    """Return the colours kept in ``adata.uns[f"{column}_colors"]`` by category of the column, if there are any."""
    stored = adata.uns.get(f"{column}_colors")
    if column not in adata.obs or not isinstance(adata.obs[column].dtype, pd.CategoricalDtype):
        return {}
    categories = _validate.texts(adata.obs[column].cat.categories.to_series(name=column))
    colors = list(stored) if isinstance(stored, list | tuple | np.ndarray) and np.ndim(stored) else []
    usable = len(colors) >= len(categories) and all(is_color_like(color) for color in colors)
    return dict(zip(categories, colors, strict=False)) if usable else {}


def category_colors(adata: AnnData, column: str, shown: Sequence[str], asked: Palette = None) -> dict[str, Any]:
    """Return a colour per category that is shown: of the palette, those kept in ``uns``, or as many as are needed.

    A category has the colour of its place among all categories of the column, whichever of them a figure shows; but
    the colours of a list that is too short for that go to what is shown, in order.
    """
    every = _cells.categories(adata.obs[column]) if column in adata.obs else []
    return _by_place(every, shown, palette(adata, column), asked)


def table_colors(column: pd.Series, shown: Sequence[str], asked: Palette = None) -> dict[str, Any]:
    """Return a colour per group of a table, as :func:`category_colors` gives them where its column has categories."""
    every = _cells.categories(column) if isinstance(column.dtype, pd.CategoricalDtype) else []
    return _by_place([name for name in every if name != _keys.ALL], shown, {}, asked)


def _by_place(every: Sequence[str], shown: Sequence[str], kept: Mapping[str, Any], asked: Palette) -> dict[str, Any]:
    names = list(every if set(shown) <= set(every) else shown)
    own = kept if set(shown) <= set(kept) else dict(zip(names, distinct(len(names)), strict=True))
    if not (asked is None or isinstance(asked, str | Mapping)) and len(asked) < len(names):
        names = list(shown)
    colors = recoloured({name: own[name] for name in names if name in own}, asked)
    return {name: colors[name] for name in shown}


def group_colors(
    adata: AnnData, column: str | None, groups: np.ndarray | None, asked: Palette = None
) -> dict[str | None, Any]:
    """Return a colour per group that cells are of, or none where they are not coloured by a column.

    Cells without a group, of which that is ``None``, are grey.
    """
    if column is None or groups is None:
        return {}
    names = _cells.in_order(adata.obs[column], groups)
    known = [name for name in names if name is not None]
    return category_colors(adata, column, known, asked) | ({} if None not in names else {None: MISSING})


def distinct(n: int) -> list[Any]:
    """Return ``n`` colours: those of Okabe and Ito if they are enough, else scanpy's, else steps of a colour map."""
    for colors in (COLORS, palettes.default_20, palettes.default_28, palettes.default_102):
        if n <= len(colors):
            return list(colors[:n])
    return list(plt.get_cmap("viridis")(np.linspace(0, 0.95, n)))


def role_colors(adata: AnnData, fit: Fit, target: str | None, asked: Palette = None) -> dict[str, Any]:
    """Return the colours of control, observed and predicted cells.

    The first two are those kept in ``uns`` where there are any; the last is then the one that is least like them.
    """
    kept = palette(adata, fit.label_key)
    colors = {CONTROL: kept.get(fit.control, GREY), OBSERVED: kept.get(target or "", BLUE)}

    def distance(candidate: str) -> float:
        return min(math.dist(to_rgb(candidate), to_rgb(color)) for color in colors.values())

    plain = colors == {CONTROL: GREY, OBSERVED: BLUE}
    predicted = VERMILION if plain else max((VERMILION, BLUE, GREEN, BLACK), key=distance)
    return recoloured(colors | {PREDICTED: predicted}, asked)


def model_colors(models: Sequence[str], asked: Palette = None) -> dict[str, Any]:
    """Return a colour per model: baselines have their own, and the first other one stands out."""
    others = [model for model in models if model not in MODEL_COLORS]
    free = [VERMILION, ORANGE, SKY, BLACK]
    own = MODEL_COLORS | {model: free[i % len(free)] for i, model in enumerate(others)}
    return recoloured({model: own[model] for model in models}, asked)
