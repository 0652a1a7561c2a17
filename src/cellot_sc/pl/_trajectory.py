"""How cells move along a time course."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, to_rgba
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA

from .. import _keys, _validate
from ..tl._courses import time_course
from . import _bases, _canvas, _colors, _draw, _fields

STYLES = PATHS, STREAMS = ("paths", "streamlines")
POINTS_PER_PATH = 25
N_SQUARES = 20
"""Cells of the grid of stream lines, along each axis."""
TIME_MAP, VALUE_MAP = "viridis", "copper_r"


def trajectory(
    adata: AnnData,
    color: str | None = None,
    *,
    style: Literal["paths", "streamlines"] = "paths",
    basis: str = "pca",
    source: Any = None,
    n_paths: int = 100,
    key: str = _keys.TRAJECTORY,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw how cells move along a time course, over the cells that were really taken.

    Parameters
    ----------
    adata
        Annotated data with a time course fitted by :func:`cellot_sc.tl.trajectory`.
    color
        Column of ``obs``, such as ``"fate_predicted"``, ``"fate_potency"`` or the cell type. Cells are coloured by it,
        and paths by its value for the cell that they start from, or are black with streamlines. With ``None``, both
        are coloured by time.
    style
        ``"paths"`` of single cells along the curves of :func:`cellot_sc.tl.interpolate`, with a dot where each begins,
        or ``"streamlines"``, which follow the direction in which cells near by go until the next time.
    basis
        ``"pca"``, the first two principal components of the representation, in which paths lie where they are; or the
        key of ``obsm`` of a map of the cells, such as ``"X_umap"``, on which a point of a path lies where its 15
        nearest cells do on average.
    source
        The time whose cells are followed, to the last one; the first time with ``None``.
    n_paths
        Number of cells whose paths are drawn, a random sample.
    key
        Where in ``uns`` the maps are.
    ax
        Axes to draw on. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session.
    save
        File to save the figure to.

    Returns
    -------
    The axes.

    Raises
    ------
    KeyError
        If there is no time course, or no such representation, basis or column.
    ValueError
        If the style is unknown, the source is no time of the course or the last, ``n_paths`` is not positive, the basis
        has fewer than two columns or holds NaN or inf, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> cs.pl.trajectory(adata, "fate", show=False).get_xlabel()
    'PCA 1'
    """
    _validate.figure_file(save)
    _validate.one_of(style, STYLES, what="style")
    n_paths = _validate.whole(n_paths, 1, what="n_paths")
    course = time_course.load(adata, key)
    start = 0 if source is None else course.index(source, what="source")
    _validate.before_last(course.labels[start], course.labels)
    taken = course.indices(adata)
    cells = np.flatnonzero(taken >= 0)
    x = course.fit.space(adata).read(used=cells)
    values = None if color is None else _validate.obs_key(adata, color, what="color")
    plane = _plane(adata, x, cells, basis)

    canvas, panel = _canvas.single(ax, (5.0, 4.4))
    shades = _Shades(adata, course, taken, values)
    order = np.random.default_rng(0).permutation(cells)
    pale = 0.4 if style == PATHS else 0.6
    _draw.points(panel, plane.xy[order], n_total=len(order), c=shades.cells[order], alpha=pale)
    limits = _fields.limits([plane.xy[cells]])
    if style == PATHS:
        rows = np.flatnonzero(taken == start)
        rows = np.random.default_rng(0).permutation(rows)[:n_paths]
        moments = np.linspace(course.values[start], course.values[-1], POINTS_PER_PATH)
        paths = [
            plane.place(course.move(x[rows], start, moment, path=time_course.SPLINE)) for moment in moments.tolist()
        ]
        _paths(panel, np.stack(paths, axis=1), moments, shades, rows)
        limits = _fields.limits([plane.xy[cells], *paths])
    else:
        moving = np.flatnonzero((taken >= start) & (taken < len(course.labels) - 1))
        ends = np.empty((adata.n_obs, 2))
        for i in np.unique(taken[moving]):
            rows = moving[taken[moving] == i]
            # on a map made of neighbours, a cell that stays has to stay: only the change counts
            ends[rows] = plane.xy[rows] + plane.place(course.steps[i].transport(x[rows])) - plane.place(x[rows])
        _fields.streams(panel, plane.xy[moving], ends[moving], limits, N_SQUARES, _colors.BLACK)
    _fields.frame(panel, limits)
    canvas.label(x=f"{plane.name} 1", y=f"{plane.name} 2")
    if shades.handles:
        canvas.legend(shades.handles)
    if shades.scale is not None:
        bar = panel.figure.colorbar(shades.scale, ax=panel, shrink=0.6, label=shades.name)
        bar.outline.set_visible(False)
    canvas.finish(show=show, save=save)
    return panel


class _Plane(NamedTuple):
    """Two dimensions in which cells, and points between them, have a place."""

    name: str
    xy: np.ndarray
    place: Callable[[np.ndarray], np.ndarray]


def _plane(adata: AnnData, x: np.ndarray, cells: np.ndarray, basis: str) -> _Plane:
    """Return the plane of a basis for the cells of a course, whose representation is ``x[cells]``."""
    if basis != _bases.PRINCIPAL:
        xy = _validate.plane(adata, basis, also=[_bases.PRINCIPAL])
        return _Plane(basis, xy, _bases.among_nearest(x[cells], xy[cells]))
    pca = PCA(2, svd_solver="full").fit(x[cells])
    xy = np.full((len(x), 2), np.nan)
    xy[cells] = pca.transform(x[cells])
    return _Plane("PCA", xy, pca.transform)


class _Shades:
    """The colour of every cell, and what explains the colours."""

    def __init__(self, adata: AnnData, course: time_course.Course, taken: np.ndarray, values: pd.Series | None) -> None:
        self.handles: list[Line2D] = []
        self.scale: Any = None
        self.by_time = values is None
        self.name = course.fit.label_key if values is None else str(values.name)
        if values is None:
            times = np.array([*course.values, np.nan])[taken]
            self._continuous(times, TIME_MAP, course.values[0], course.values[-1])
        elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            numbers = values.to_numpy(dtype=np.float64)
            known = numbers[np.isfinite(numbers)]
            low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
            self._continuous(numbers, VALUE_MAP, low, high)
        else:
            labels = np.where(values.isna(), "", values.astype(str).to_numpy(dtype=object))
            colors = _colors.category_colors(adata, self.name, sorted(set(labels[taken >= 0]) - {""}))
            self.cells = np.array([to_rgba(colors.get(label, _colors.FAINT)) for label in labels])
            self.handles = _draw.dots(colors)

    def _continuous(self, numbers: np.ndarray, colormap: str, low: float, high: float) -> None:
        self.scale = ScalarMappable(Normalize(low, high), colormap)
        self.cells = self.scale.to_rgba(numbers)
        self.cells[~np.isfinite(numbers)] = to_rgba(_colors.FAINT)


def _paths(ax: Axes, paths: np.ndarray, moments: np.ndarray, shades: _Shades, rows: np.ndarray) -> None:
    """Draw paths, shape (n_cells, n_points, 2), and where they begin."""
    segments = np.stack([paths[:, :-1], paths[:, 1:]], axis=2).reshape(-1, 2, 2)
    if shades.by_time:
        colors = np.tile(shades.scale.to_rgba((moments[:-1] + moments[1:]) / 2), (len(paths), 1))
    else:
        colors = np.repeat(shades.cells[rows], paths.shape[1] - 1, axis=0)
    ax.add_collection(LineCollection(segments.tolist(), colors=colors, linewidths=0.9, alpha=0.9, zorder=3))
    x, y = paths[:, 0].T
    ax.scatter(x, y, s=14, c=shades.cells[rows], edgecolors="white", linewidths=0.5, zorder=4)
