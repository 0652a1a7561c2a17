"""What several figures draw on their axes: points, matrices, titles, names of rows, dots of a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from ._colors import DIVERGING, FAINT

RASTERISE_ABOVE = 50_000
"""More points than this become an image even in a vector file."""


def tidy(ax: Axes) -> None:
    """Take off the lines that carry nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def title(ax: Axes, text: str, note: str = "") -> None:
    """Write a title, and between it and the axes a note in small letters."""
    ax.set_title(text, loc="left", fontsize="medium", fontweight="bold", pad=16 if note else None)
    ax.annotate(note, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize="small")


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows 0, 1, ... of axes, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    tidy(ax)


def dots(colors: Mapping[str, Any]) -> list[Line2D]:
    """Return a dot for a legend per name and colour."""
    return [Line2D([], [], color=color, marker="o", linestyle="none", label=name) for name, color in colors.items()]


def matrix(ax: Axes, values: pd.DataFrame, limit: float | None = None) -> AxesImage:
    """Draw numbers with a sign as colours, with the name of every row and column.

    The darkest colour is that of ``limit``; missing numbers are grey. Names are small where there are many.
    """
    x = values.to_numpy(dtype=float)
    end = limit or float(np.nanmax(np.abs(x), initial=0)) or 1.0
    colors = plt.get_cmap(DIVERGING).with_extremes(bad=FAINT)
    image = ax.imshow(x, cmap=colors, vmin=-end, vmax=end, aspect="auto", interpolation="nearest")
    sizes = ["small" if n <= 60 else "xx-small" for n in x.shape]
    ax.set_yticks(range(x.shape[0]), [str(name) for name in values.index], fontsize=sizes[0])
    ax.set_xticks(range(x.shape[1]), [str(name) for name in values.columns], fontsize=sizes[1], rotation=90)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def points(ax: Axes, xy: np.ndarray, *, n_total: int, **kwargs: Any) -> PathCollection:
    """Scatter cells, shape (n_cells, 2), of a figure with ``n_total`` of them: the more, the smaller."""
    size = float(np.clip(12_000 / max(n_total, 1), 1, 14))
    return ax.scatter(xy[:, 0], xy[:, 1], s=size, linewidths=0, rasterized=n_total > RASTERISE_ABOVE, **kwargs)
