"""How cells move along a time course."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from scipy.spatial import Delaunay
from sklearn.decomposition import PCA

from .. import _keys, _validate
from .._settings import logger
from ..tl._courses import time_course
from . import _bases, _canvas, _colors, _draw, _fields, _labels, _values

STYLES = PATHS, STREAMS = ("paths", "streamlines")
POINTS_PER_PATH = 25
N_SQUARES = 20
"""Cells of the grid of stream lines, along each axis."""
ALPHAS = {"paths": 0.4, "streamlines": 0.6}
"""Of coloured cells."""
MARGIN = 0.05
"""A path may be so much further from the middle of all cells than the outermost of them are."""
LEAP = 0.15
"""A step of a path that is a longer part of the map is not drawn."""
HEAD = 0.09
"""Length of an arrow head, in inches."""
TIME_MAP, VALUE_MAP = "viridis", "copper_r"


@_validate.takes_adata
def trajectory(
    adata: AnnData,
    color: str | None = None,
    *,
    style: Literal["paths", "streamlines"] = "paths",
    basis: str = "pca",
    source: Any = None,
    n_paths: int = 100,
    key: str = _keys.TRAJECTORY,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> Axes:
    """Draw how cells move along a time course, over the cells that were really taken.

    Parameters
    ----------
    adata
        Annotated data with a time course fitted by :func:`cellot_sc.tl.trajectory`.
    color
        Column of ``obs``, such as ``"fate_predicted"``, ``"fate_potency"`` or the cell type. Cells are coloured by it,
        and paths by its value for the cell that they start from; streamlines are black. With ``None``, paths are
        coloured by time over grey cells, and cells below streamlines by theirs.
    style
        ``"paths"`` of single cells along the curves of :func:`cellot_sc.tl.interpolate`, from a dot to an arrow head,
        or ``"streamlines"``, which follow the direction in which cells near by go until the next time.
    basis
        ``"pca"``, the first two principal components of the representation, in which paths lie where they are, and end
        where they leave the cells for good, as they do where maps fail; or the key of ``obsm`` of a map of the cells,
        such as ``"X_umap"``, on which a point of a path lies where most of its 15 nearest cells do, and leaps from one
        part of the map to another are not drawn.
    source
        The time whose cells are followed, to the last one; the first time with ``None``.
    n_paths
        Number of cells whose paths are drawn, a random sample.
    key
        Where in ``uns`` the maps are.
    palette
        Colours of the categories of ``color``: by name, in order, or the name of a matplotlib colour map; of times and
        numbers, such a name. With ``None``, those that ``uns`` keeps, if any.
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
        If there is no time course, or no such representation, basis or column.
    ValueError
        If the style or the palette is unknown, the source is no time of the course or the last, ``n_paths`` is not
        positive, the basis has fewer than two columns or holds NaN or inf, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> cs.pl.trajectory(adata, "fate", show=False).get_xlabel()
    'PCA 1'
    """
    file = _validate.figure_file(save, "trajectory")
    _validate.one_of(style, STYLES, what="style")
    n_paths = _validate.whole(n_paths, 1, what="n_paths")
    course = time_course.load(adata, key)
    start = 0 if source is None else course.index(source, what="source")
    _validate.before_last(course.labels[start], course.labels)
    taken = course.indices(adata)
    cells = np.flatnonzero(taken >= 0)
    x = course.fit.space(adata).read(used=cells)
    values = None if color is None else _validate.obs_key(adata, color, what="color")
    xy, place = _plane(adata, x, cells, basis, style)

    shades, meaning = _shades(adata, course, taken, values, palette)
    canvas, panel = _canvas.single(ax, (5.0, 4.4), figsize=figsize)
    order = np.random.default_rng(0).permutation(cells)
    timed = color is None and style == PATHS
    background = _colors.FAINT if timed else shades[order]
    _draw.points(panel, xy[order], n_total=len(order), c=background, alpha=None if timed else ALPHAS[style])
    limits = _fields.limits([xy[cells]])
    times = f"from {course.fit.label_key} {course.labels[start]} to {course.labels[-1]}"
    if style == PATHS:
        rows = np.random.default_rng(0).permutation(np.flatnonzero(taken == start))[:n_paths]
        moments = np.linspace(course.values[start], course.values[-1], POINTS_PER_PATH)
        places = [place(course.move(x[rows], start, moment, path=time_course.SPLINE)) for moment in moments.tolist()]
        paths, n_left = _among(np.stack(places, axis=1), xy[cells])
        middle = (moments[:-1] + moments[1:]) / 2
        time_colors = meaning.to_rgba(middle) if timed and isinstance(meaning, ScalarMappable) else None
        _paths(panel, paths, shades[rows], time_colors)
        _draw.title(panel, f"{len(rows):,} cells {times}", f"{n_left:,} of them leave the cells" if n_left else "")
        if n_left:
            logger.warning("%d of %d paths leave the observed cells: the maps fail there", n_left, len(rows))
    else:
        moving = np.flatnonzero((taken >= start) & (taken < len(course.labels) - 1))
        ends = np.empty((adata.n_obs, 2))
        for i in np.unique(taken[moving]):
            rows = moving[taken[moving] == i]
            # on a map made of neighbours, a cell that stays has to stay: only the change counts
            ends[rows] = xy[rows] + place(course.steps[i].transport(x[rows])) - place(x[rows])
        _fields.streams(panel, xy[moving], ends[moving], limits, N_SQUARES, _colors.BLACK)
        _draw.title(panel, times)
    _fields.frame(panel, limits)
    name = "PCA" if basis == _bases.PRINCIPAL else basis
    canvas.label(x=f"{name} 1", y=f"{name} 2")
    _explain(canvas, panel, meaning, color or course.fit.label_key)
    canvas.finish(show=show, save=file)
    return panel


def _explain(
    canvas: _canvas.Canvas[str], panel: Axes, meaning: ScalarMappable | dict[str | None, Any], name: str
) -> None:
    """Say what colours stand for."""
    if isinstance(meaning, ScalarMappable):
        bar = panel.figure.colorbar(meaning, ax=panel, shrink=0.6)
        bar.set_label(_labels.short(name), **_labels.PLAIN)
        bar.outline.set_visible(False)
    elif meaning:
        canvas.legend(_draw.dots(meaning))


def _plane(
    adata: AnnData, x: np.ndarray, cells: np.ndarray, basis: str, style: str
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return where cells of a course lie on a basis, and what puts points of their representation there.

    Only ``x[cells]``, the representation of those cells, is known.
    """
    if basis != _bases.PRINCIPAL:
        xy = _validate.plane(adata, basis, also=[_bases.PRINCIPAL])
        # streams are made of small changes
        average = np.median if style == PATHS else np.mean
        return xy, _bases.among_nearest(x[cells], xy[cells], average)
    pca = PCA(2, svd_solver="full").fit(x[cells])
    xy = np.full((len(x), 2), np.nan)
    xy[cells] = pca.transform(x[cells])
    return xy, pca.transform


def _shades(
    adata: AnnData, course: time_course.Course, taken: np.ndarray, values: pd.Series | None, palette: _colors.Palette
) -> tuple[np.ndarray, ScalarMappable | dict[str | None, Any]]:
    """Return the colour of every cell, and the scale of the colours or what each of them stands for."""
    if values is None:
        numbers, colormap = np.array([*course.values, np.nan])[taken], TIME_MAP
    elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers, colormap = values.to_numpy(dtype=np.float64, na_value=np.nan), VALUE_MAP
    else:
        labels = _validate.texts(values)
        colors = _colors.group_colors(adata, str(values.name), labels[taken >= 0], palette)
        return np.array([to_rgba(colors.get(label, _colors.MISSING)) for label in labels]), colors
    scale = _values.scale([numbers], palette, colormap)
    return _values.shades(scale, numbers), scale


def _among(paths: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, int]:
    """Return paths, shape (n_paths, n_points, 2), which stay where they leave cells for good, and how many do."""
    hull = Delaunay(cells) if np.linalg.matrix_rank(cells - cells.mean(axis=0)) == 2 else None
    if hull is None:
        return paths, 0
    middle = cells.mean(axis=0)
    inside = hull.find_simplex(middle + (paths - middle) / (1 + MARGIN)) >= 0
    # a path begins at a cell
    last = np.where(inside.any(axis=1), paths.shape[1] - 1 - inside[:, ::-1].argmax(axis=1), 0)
    kept = np.minimum(np.arange(paths.shape[1]), last[:, None])
    return np.take_along_axis(paths, kept[..., None], axis=1), int((last < paths.shape[1] - 1).sum())


def _paths(ax: Axes, paths: np.ndarray, shades: np.ndarray, time_colors: np.ndarray | None) -> None:
    """Draw paths, shape (n_cells, n_points, 2), from dots to arrow heads: of one colour, or of one at each moment."""
    segments = np.stack([paths[:, :-1], paths[:, 1:]], axis=2)
    n = segments.shape[1]
    lengths = np.hypot(*(segments[:, :, 1] - segments[:, :, 0]).transpose(2, 0, 1))
    leaps = lengths > LEAP * np.hypot(*np.ptp(paths.reshape(-1, 2), axis=0))
    segments[leaps] = segments[leaps][:, 1:]
    lengths[leaps] = 0
    colors = np.repeat(shades, n, axis=0) if time_colors is None else np.tile(time_colors, (len(paths), 1))
    flat = segments.reshape(-1, 2, 2).tolist()
    ax.add_collection(LineCollection(flat, colors=colors, linewidths=0.9, alpha=0.9, zorder=3))
    of = np.flatnonzero((lengths > 0).any(axis=1))
    last = n - 1 - (lengths > 0)[:, ::-1].argmax(axis=1)
    begin, end = segments[of, last[of]].transpose(1, 0, 2)
    directions = (end - begin) / lengths[of, last[of], None]
    ax.quiver(
        *end.T, *directions.T, color=colors.reshape(len(paths), n, -1)[of, last[of]], angles="xy",
        scale_units="inches", scale=1 / HEAD, units="inches", width=HEAD / 6, headwidth=5, headlength=6,
        headaxislength=6, pivot="tip", zorder=4,
    )  # fmt: skip
    x, y = paths[:, 0].T
    ax.scatter(x, y, s=14, c=shades, edgecolors="white", linewidths=0.5, zorder=4)
