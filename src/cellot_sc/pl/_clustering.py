"""Rows and columns of a matrix in the order of a hierarchical clustering, and its tree."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from scipy.cluster.hierarchy import dendrogram, leaves_list, linkage

from . import _colors

TREE = 0.35
"""Room of a tree, in inches."""


def tree_of(rows: np.ndarray) -> np.ndarray | None:
    """Return the clustering of rows (Euclidean distance, average linkage, most alike neighbours side by side).

    Instead of rows, there may be their distances, shape ``(n_rows * (n_rows - 1) / 2,)``. Fewer than three rows have no
    order worth a tree.
    """
    return linkage(np.nan_to_num(rows), method="average", optimal_ordering=True) if len(rows) > 2 else None


def leaves(tree: np.ndarray | None, n: int) -> np.ndarray:
    """Return the order of ``n`` rows in their tree, or as they are where there is none."""
    return np.arange(n) if tree is None else leaves_list(tree)


def draw_tree(ax: Axes, tree: np.ndarray | None, side: Literal["top", "right"], n: int | None = None) -> None:
    """Draw a tree over the columns of a matrix, or to the right of its rows, of which the first is on top.

    It is that of the first ones, if there are ``n``.
    """
    if tree is None:
        return
    figure = ax.figure.get_figure(root=True)
    figure.draw_without_rendering()
    box = ax.get_window_extent()
    share = TREE * figure.dpi / (box.height if side == "top" else box.width)
    drawn = dendrogram(tree, no_plot=True)
    # scipy puts leaf i at 10 i + 5
    along, height = np.asarray(drawn["icoord"]) / 10 - 0.5, np.asarray(drawn["dcoord"])
    n_leaves, top = n or len(tree) + 1, height.max() or 1.0
    lines = np.stack([along, height], axis=-1)
    if side == "top":
        inset = ax.inset_axes((0, 1.01, 1, share), xlim=(-0.5, n_leaves - 0.5), ylim=(0, 1.05 * top))
    else:
        inset = ax.inset_axes((1.01, 0, share, 1), ylim=(n_leaves - 0.5, -0.5), xlim=(0, 1.05 * top))
        lines = lines[..., ::-1]
    inset.add_collection(LineCollection(list(lines), colors=_colors.GREY, linewidths=0.8))
    inset.set_axis_off()
