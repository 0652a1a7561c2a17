"""Where each cell is predicted to go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from scipy.ndimage import gaussian_filter

from .. import _keys, _validate
from . import _bases, _cells, _style

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

FEWEST = 0.05
"""There are no streams where the density of control cells is below this part of its maximum."""


def displacement(
    adata: AnnData,
    target: str | None = None,
    *,
    basis: str = _bases.UMAP,
    color: str | None = None,
    stream: bool = False,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
) -> dict[str, Axes]:
    """Draw where control cells are predicted to go, T(x) - x, as arrows on a map of cells: a panel per perturbation.

    An arrow begins at the mean of the control cells of one small square of the map, and ends at the mean of what is
    predicted for them. Behind the arrows are control and observed treated cells: good arrows end in observed cells.

    ``"pca"`` and ``"umap"`` are made of control, observed and predicted cells together, as in
    :func:`cellot_sc.pl.embedding`, so that a predicted cell has a place of its own. On any other map of the cells, a
    control cell is moved by as much as the mean position of its 15 nearest neighbours among the control and observed
    cells changes from x to T(x): zero where T(x) = x, and never further than where cells were seen.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    target
        Perturbation to show, every fitted one with ``None``.
    basis
        ``"umap"``, ``"pca"``, or the key of ``obsm`` of any other map, such as ``"X_umap"``; its first two columns are
        shown.
    color
        Column of ``obs``, such as the cell type, to colour control cells by.
    stream
        Whether to draw stream lines, which follow the direction in which cells near by go, instead of arrows.
    key
        Where in ``uns`` the maps are.
    split
        Cells to show: ``"test"``, ``"ood"``, ``"valid"`` or ``"train"``. Of more than 50,000, a UMAP shows a sample.
    ax
        As many axes as there are perturbations. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session.
    save
        File to save the figure to.

    Returns
    -------
    The axes by perturbation.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such representation, split, basis or column.
    ValueError
        If the target was not fitted, the split is unknown or has too few cells, the basis has fewer than two columns or
        holds NaN or inf, there are more or fewer axes than perturbations, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> list(cs.pl.displacement(adata, basis="pca", show=False))
    ['drug_a', 'drug_b']
    """
    _validate.figure_file(save)
    plane = None if basis in _bases.BASES else _validate.plane(adata, basis, also=_bases.BASES)
    cells = _cells.of_split(adata, target, key=key, split=split)
    groups = None
    if color is not None:
        groups = _validate.obs_key(adata, color, what="color").astype(str).to_numpy(dtype=object)
    rows = _bases.rows_of(cells, basis)
    xy = _bases.together(cells, rows, basis) if plane is None else _bases.onto(cells, rows, plane)

    n = len(cells.targets)
    side, n_cols, n_squares = (4.0, 1, 24) if n == 1 else (3.0, 3, 18) if n <= 6 else (2.1, 6, 12)
    canvas = _style.Canvas.of(ax, n, size=(side, side), n_cols=n_cols)
    axes = dict(zip(cells.targets, canvas.axes, strict=True))
    colors = _style.role_colors(adata, cells.fitted.fit, cells.targets[0] if n == 1 else None)
    of_control = groups if groups is None else groups[rows[cells.control]]
    group_colors: dict[str, Any] = {}
    if color is not None and of_control is not None:
        group_colors = _style.category_colors(adata, color, sorted(set(of_control)))
        colors |= {_style.OBSERVED: _style.GREY, _style.PREDICTED: _style.BLACK}
    limits = _limits([points for by_role in xy.values() for points in by_role.values()])
    for name, panel in axes.items():
        start, observed, end = (xy[name][role] for role in _bases.ROLES)
        of_cells: Any = colors[_style.CONTROL] if of_control is None else [group_colors[group] for group in of_control]
        n_total = len(start) + len(observed)
        _style.points(panel, observed, n_total=n_total, color=colors[_style.OBSERVED], alpha=0.35)
        _style.points(panel, start, n_total=n_total, c=of_cells, alpha=0.35 if of_control is None else 0.8)
        panel.set(xlim=limits[0], ylim=limits[1], xticks=[], yticks=[])
        draw = _streams if stream else _arrows
        draw(panel, start, end, limits, n_squares, colors[_style.PREDICTED])
        panel.set_title(name, loc="left", fontsize="medium", fontweight="bold")
        _style.tidy(panel)
    label = f"{basis.upper()} " if plane is None else f"{basis} "
    canvas.label(x=label + "1", y=label + "2")
    canvas.legend(_handles(colors, group_colors))
    canvas.finish(show=show, save=save)
    return axes


def _limits(clouds: list[np.ndarray]) -> list[tuple[float, float]]:
    """Return limits of both axes that hold all points."""
    low, high = (np.array([getattr(cloud, end)(axis=0) for cloud in clouds]) for end in ("min", "max"))
    low, high = low.min(axis=0), high.max(axis=0)
    margin = (high - low) / 20
    return [(float(a), float(b)) for a, b in zip(low - margin, high + margin, strict=True)]


def _arrows(
    ax: Axes, start: np.ndarray, end: np.ndarray, limits: list[tuple[float, float]], n_squares: int, color: str
) -> None:
    """Draw an arrow per square that has control cells, in the units of the axes."""
    low, high = np.array(limits).T
    square = np.floor((start - low) / (high - low) * n_squares).astype(int)
    _, member, counts = np.unique(square @ [n_squares + 1, 1], return_inverse=True, return_counts=True)
    means = [
        np.stack([np.bincount(member, points[:, i]) / counts for i in range(2)], axis=-1) for points in (start, end)
    ]
    ax.quiver(
        *means[0].T, *(means[1] - means[0]).T, color=color, angles="xy", scale_units="xy", scale=1, units="inches",
        width=0.016, headwidth=4.5, headlength=5, headaxislength=4.5, minlength=0.5, zorder=3,
    )  # fmt: skip


def _streams(
    ax: Axes, start: np.ndarray, end: np.ndarray, limits: list[tuple[float, float]], n_squares: int, color: str
) -> None:
    """Draw stream lines of the mean displacement of control cells near by, where there are any."""
    edges = [np.linspace(low, high, 3 * n_squares + 1) for low, high in limits]
    middle = [(line[1:] + line[:-1]) / 2 for line in edges]

    def smooth(weights: np.ndarray | None) -> np.ndarray:
        # rows are y, as the streams want it
        found, _, _ = np.histogram2d(start[:, 1], start[:, 0], bins=(edges[1], edges[0]), weights=weights)
        return gaussian_filter(found, sigma=2.0, mode="constant")

    density = smooth(None)
    absent = density < FEWEST * density.max()
    speed = [smooth((end - start)[:, i]) / np.where(absent, 1, density) for i in range(2)]
    u, v = (np.ma.masked_array(part, mask=absent) for part in speed)
    ax.streamplot(
        middle[0], middle[1], u, v, color=color, density=n_squares / 16, linewidth=0.9, arrowsize=0.9, zorder=3
    )
    ax.set(xlim=limits[0], ylim=limits[1])


def _handles(colors: dict[str, str], group_colors: dict[str, Any]) -> list[Artist]:
    def dot(color: Any, label: str) -> Line2D:
        return Line2D([], [], color=color, marker="o", linestyle="none", label=label)

    control = {_style.CONTROL: colors[_style.CONTROL]}
    arrow = Line2D(
        [], [], color=colors[_style.PREDICTED], marker=r"$\rightarrow$", markersize=12, linestyle="none",
        label="predicted displacement",
    )  # fmt: skip
    dots = [dot(color, name) for name, color in (group_colors or control).items()]
    return [*dots, dot(colors[_style.OBSERVED], _style.OBSERVED), arrow]
