"""What several figures draw on their axes: points, matrices, titles, names of rows, dots of a legend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from . import _canvas, _labels
from ._colors import DIVERGING, FAINT, GREY

RASTERISE_ABOVE = 50_000
"""More points than this become an image even in a vector file."""
NOTE = 11
"""Height of a line of a note, in points."""


def tidy(ax: Axes) -> None:
    """Take off the lines that carry nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def title(ax: Axes, text: str, note: str = "", *, room: float | None = None) -> None:
    """Write a title, and between it and the axes a note in small letters, which may have formulas, or some points."""
    said = ax.annotate(note, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize="small")
    if note and _canvas.is_narrow():
        _labels.wrap(said, ax.get_window_extent().width)
    ax.set_title(
        _labels.short(text, 2 * _labels.LONGEST),
        loc="left",
        fontsize="medium",
        fontweight="bold",
        pad=16 + NOTE * said.get_text().count("\n") if note else room,
        **_labels.PLAIN,
    )


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows 0, 1, ... of axes, the first on top."""
    name_ticks(ax, "y", range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    tidy(ax)


def name_ticks(ax: Axes, axis: Literal["x", "y"], at: Iterable[float], names: Iterable[object], **kwargs: Any) -> None:
    """Write names at places along an axis."""
    getattr(ax, f"set_{axis}ticks")(list(at), [_labels.short(name) for name in names], **kwargs, **_labels.PLAIN)


def dots(colors: Mapping[Any, Any]) -> list[Line2D]:
    """Return a dot for a legend per name and colour; a name of ``None`` is that of cells without one."""
    return [
        Line2D([], [], color=color, marker="o", linestyle="none", label=_labels.MISSING if name is None else name)
        for name, color in colors.items()
    ]


def matrix(ax: Axes, values: pd.DataFrame, limit: float | None = None) -> AxesImage:
    """Draw numbers with a sign as colours, with the name of every row and column.

    The darkest colour is that of ``limit``; missing numbers are grey. Names are small where there are many.
    """
    x = values.to_numpy(dtype=float)
    end = limit or float(np.nanmax(np.abs(x), initial=0)) or 1.0
    colors = plt.get_cmap(DIVERGING).with_extremes(bad=FAINT)
    image = ax.imshow(x, cmap=colors, vmin=-end, vmax=end, aspect="auto", interpolation="nearest")
    sizes = ["small" if n <= 60 else "xx-small" for n in x.shape]
    name_ticks(ax, "y", range(x.shape[0]), values.index, fontsize=sizes[0])
    name_ticks(ax, "x", range(x.shape[1]), values.columns, fontsize=sizes[1], rotation=90)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def no_effect(ax: Axes, text: str = "no effect above noise", *, y: float = 0.5) -> None:
    """Write into axes that there is no effect, lest noise be named: at a height between 0 and 1."""
    ax.text(
        0.5, y, text, transform=ax.transAxes, ha="center", va="center", fontsize="small",
        color=GREY, wrap=True,
    )  # fmt: skip


def points(ax: Axes, xy: np.ndarray, *, n_total: int, **kwargs: Any) -> PathCollection:
    """Scatter cells, shape (n_cells, 2), of a figure with ``n_total`` of them: the more, the smaller."""
    size = float(np.clip(12_000 / max(n_total, 1), 1, 14))
    return ax.scatter(xy[:, 0], xy[:, 1], s=size, linewidths=0, rasterized=n_total > RASTERISE_ABOVE, **kwargs)
