"""Numbers that cells are coloured by: of a column, or of a feature as maps predict it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from .. import _validate
from . import _bases, _canvas, _cells, _colors

VALUE_MAP = "viridis"
AT_ONCE = 10_000
"""Cells whose features are decoded together."""


def of_column(column: pd.Series) -> np.ndarray | None:
    """Return the numbers of a column that has no categories: decimals, or more whole numbers than a legend names."""
    is_decimal = pd.api.types.is_float_dtype(column)
    if is_decimal or (pd.api.types.is_integer_dtype(column) and column.nunique() > _canvas.MAX_ENTRIES):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return None


def of_cells(
    cells: _cells.ShownCells, color: str | None, rows: Mapping[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]] | None:
    """Return the numbers that cells at some positions are coloured by, by perturbation and role, or ``None``.

    Predicted cells have the number of a column that their control cells have, but of a feature what is predicted.

    Raises
    ------
    KeyError
        If there is neither such a column of ``obs`` nor such a feature.
    """
    obs, features = cells.space.adata.obs, cells.space.features
    if color is None or (color in obs and of_column(_validate.obs_key(cells.space.adata, color, what="color")) is None):
        return None
    if color in obs:
        column = of_column(obs[color])
        assert column is not None
        start = column[rows[cells.control]]
        return {
            name: dict(zip(_bases.ROLES, (start, column[rows[name]], start), strict=True)) for name in cells.targets
        }
    if color not in features:
        what = f"color {color!r} is not in adata.obs, and no feature that the maps predict."
        raise KeyError(what + _validate.nearest(color, [*obs.columns, *features]))
    cells.space.warn_of_filling()
    control = cells.space.read(rows[cells.control])

    def seen(points: np.ndarray) -> np.ndarray:
        parts = np.array_split(points, max(1, math.ceil(len(points) / AT_ONCE)))
        return np.concatenate([cells.space.view(part)[:, features.index(color)] for part in parts])

    return {
        name: dict(
            zip(
                _bases.ROLES,
                map(seen, (control, cells.space.read(rows[name]), cells.predicted(name, rows[cells.control], control))),
                strict=True,
            )
        )
        for name in cells.targets
    }


def scale(numbers: Iterable[np.ndarray], palette: _colors.Palette, colormap: str = VALUE_MAP) -> ScalarMappable:
    """Return the colours of numbers from the smallest of them to the largest; of what is none, they are grey.

    Raises
    ------
    ValueError
        If the palette is no name of a matplotlib colour map.
    """
    if palette is not None:
        colormap = _validate.one_of(palette, list(mpl.colormaps), what="palette")
    every = np.concatenate(list(numbers))
    known = every[np.isfinite(every)]
    ends = Normalize(known.min(), known.max()) if len(known) else Normalize(0, 1)
    return ScalarMappable(ends, plt.get_cmap(colormap).with_extremes(bad=_colors.FAINT))


def shades(scale: ScalarMappable, numbers: np.ndarray) -> np.ndarray:
    """Return the colours of numbers, shape ``(n, 4)``."""
    return scale.to_rgba(np.ma.masked_invalid(numbers))
