"""Where each cell is predicted to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anndata import AnnData
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .. import _keys, _validate
from . import _bases, _canvas, _cells, _colors, _draw, _fields, _values


@_validate.takes_adata
def displacement(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    basis: str = _bases.UMAP,
    color: str | None = None,
    stream: bool = False,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
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
    targets
        Perturbation or perturbations to show, all fitted ones with ``None``.
    basis
        ``"umap"``, ``"pca"``, or the key of ``obsm`` of any other map, such as ``"X_umap"``; its first two columns are
        shown.
    color
        Column of ``obs``, such as the cell type, or a feature to colour control cells by, as :func:`embedding` does.
    stream
        Whether to draw stream lines, which follow the direction in which cells near by go, instead of arrows.
    key
        Where in ``uns`` the maps are.
    split
        Cells to show: ``"test"``, ``"ood"``, ``"valid"`` or ``"train"``. Of more than 50,000, a UMAP shows a sample.
    palette
        Colours of the categories of ``color``, or of control, observed and predicted cells: by name, in order, or the
        name of a matplotlib colour map; of numbers, such a name. With ``None``, those that ``uns`` keeps, if any.
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
        If there are no fitted maps, no such representation, split or basis, or neither such a column nor feature.
    ValueError
        If a target was not fitted, the split is unknown or has too few cells, the basis has fewer than two columns or
        holds NaN or inf, there are more or fewer axes than perturbations, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> list(cs.pl.displacement(adata, basis="pca", show=False))
    ['drug_a', 'drug_b']
    """
    file = _validate.figure_file(save, "displacement")
    plane = None if basis in _bases.BASES else _validate.plane(adata, basis, also=_bases.BASES)
    cells = _cells.shown_cells(adata, targets, key=key, split=split)
    rows = _bases.rows_of(cells, basis)
    numbers = _values.of_cells(cells, color, rows)
    groups = None if numbers is not None else _cells.groups(adata, color)
    # all panels have the same control cells
    values = None if numbers is None else numbers[cells.targets[0]][_colors.CONTROL]
    scale = None if values is None else _values.scale([values], palette)
    xy = _bases.together(cells, rows, basis) if plane is None else _bases.onto(cells, rows, plane)

    n = len(cells.targets)
    side, n_cols, n_squares = _canvas.by_number(n, (4.0, 1, 24), (3.0, 3, 18), (2.1, 6, 12))
    canvas = _canvas.Canvas.of(ax, cells.targets, size=(side, side), n_cols=n_cols, figsize=figsize)
    one = cells.targets[0] if n == 1 else None
    colors = _colors.role_colors(adata, cells.fitted.fit, one, None if color else palette)
    start_groups = None if groups is None else groups[rows[cells.control]]
    group_colors = _colors.group_colors(adata, color, start_groups, palette)
    if color is not None:
        colors |= {_colors.OBSERVED: _colors.GREY, _colors.PREDICTED: _colors.BLACK}
    limits = _fields.limits([points for by_role in xy.values() for points in by_role.values()])
    for name, panel in canvas.panels.items():
        start, observed, end = (xy[name][role] for role in _bases.ROLES)
        cell_colors: Any = colors[_colors.CONTROL]
        if start_groups is not None:
            cell_colors = [group_colors[group] for group in start_groups]
        elif scale is not None and values is not None:
            cell_colors = _values.shades(scale, values)
        n_total = len(start) + len(observed)
        _draw.points(panel, observed, n_total=n_total, color=colors[_colors.OBSERVED], alpha=0.35)
        _draw.points(panel, start, n_total=n_total, c=cell_colors, alpha=0.35 if color is None else 0.8)
        draw = _fields.streams if stream else _fields.arrows
        draw(panel, start, end, limits, n_squares, colors[_colors.PREDICTED])
        _fields.frame(panel, limits)
        _draw.title(panel, name)
    canvas.label(*_bases.axis_names(basis))
    if scale is not None and color is not None:
        canvas.colorbar(scale, f"{color} of control cells")
    canvas.legend(_handles(colors, group_colors if scale is None else None))
    return canvas.finish(show=show, save=file)


def _handles(colors: dict[str, str], group_colors: dict[str | None, Any] | None) -> list[Artist]:
    """Return what a legend has: of control cells that are on a scale, nothing."""
    groups = {} if group_colors is None else group_colors or {_colors.CONTROL: colors[_colors.CONTROL]}
    arrow = Line2D(
        [], [], color=colors[_colors.PREDICTED], marker=r"$\rightarrow$", markersize=12, linestyle="none",
        label="predicted displacement",
    )  # fmt: skip
    return [*_draw.dots(groups | {_colors.OBSERVED: colors[_colors.OBSERVED]}), arrow]
