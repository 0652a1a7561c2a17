"""Control, treated and predicted cells on one map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from .. import _keys, _validate
from . import _bases, _canvas, _cells, _colors, _draw, _fields, _values

OVERLAY = "overlay"


@_validate.takes_adata
def embedding(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    basis: str = _bases.UMAP,
    color: str | None = None,
    overlay: bool | None = None,
    key: str = _keys.MODEL,
    split: str = _keys.TEST,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[tuple[str, str], Axes]:
    """Draw control, observed treated and predicted cells together on one two-dimensional map.

    ``"umap"`` and ``"pca"`` are made of all of them at once, from the representation in which they were transported.
    Where predicted cells lie on observed ones, the prediction cannot be told from the measurement. On any other map,
    which has no place for what is predicted, a cell is moved as in :func:`cellot_sc.pl.displacement`.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    targets
        Perturbation or perturbations to show, all fitted ones with ``None``.
    basis
        ``"umap"``, computed by scanpy with its defaults; ``"pca"``, the first two principal components; or the key of
        ``obsm`` of any other map, such as ``"X_umap"``, of which the first two columns are shown.
    color
        Column of ``obs``, such as the cell type, to colour cells by when they are side by side. Predicted cells have
        that of the control cells they were predicted from. Or a feature, such as a gene, as :func:`marginals` shows it
        (decoded, where it can be): predicted cells then have what is predicted. Columns of decimals, and of more
        different whole numbers than a legend names, are a scale as features are.
    overlay
        Whether the three kinds of cells share one panel, rather than having one each with the other cells in grey. With
        ``None``, they do if there are more than six perturbations.
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
        As many axes as there are panels. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session. With ``False``, the figure is at
        ``figure`` of the axes that are returned, and closed: ``plt.savefig`` does not know it.
    save
        File to save the figure to. ``True`` is, as in scanpy, one in ``scanpy.settings.figdir``.

    Returns
    -------
    The axes by perturbation and kind of cells: ``"control"``, ``"observed"`` and ``"predicted"``, or ``"overlay"``.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such representation, split or basis, or neither such a column nor feature.
    ValueError
        If a target was not fitted, the split is unknown or has too few cells, the basis has fewer than two columns or
        holds NaN or inf, a column is to colour overlaid cells, there are more or fewer axes than panels, or no figure
        can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> list(cs.pl.embedding(adata, "drug_a", basis="pca", show=False))
    [('drug_a', 'control'), ('drug_a', 'observed'), ('drug_a', 'predicted')]
    """
    file = _validate.figure_file(save, "embedding")
    plane = None if basis in _bases.BASES else _validate.plane(adata, basis, also=_bases.BASES)
    cells = _cells.shown_cells(adata, targets, key=key, split=split)
    if overlay is None:
        overlay = len(cells.targets) > _canvas.FEW and color is None
    if color is not None:
        _validate.side_by_side(color, overlay=overlay)
    rows = _bases.rows_of(cells, basis)
    numbers = _values.of_cells(cells, color, rows)
    groups = None if numbers is not None else _cells.groups(adata, color)
    scale = None if numbers is None else _values.scale((x for of in numbers.values() for x in of.values()), palette)
    xy = _bases.together(cells, rows, basis) if plane is None else _bases.onto(cells, rows, plane)
    panels = [(name, role) for name in cells.targets for role in ([OVERLAY] if overlay else _bases.ROLES)]
    canvas = _canvas.Canvas.of(ax, panels, size=(2.7, 2.7), n_cols=6 if overlay else 3, figsize=figsize)
    several = len(cells.targets) > 1
    one = None if several else cells.targets[0]
    colors = _colors.role_colors(adata, cells.fitted.fit, one, None if color else palette)
    shown = None if groups is None else groups[np.concatenate(list(rows.values()))]
    group_colors = _colors.group_colors(adata, color, shown, palette)
    limits = _fields.limits([points for by_role in xy.values() for points in by_role.values()])
    for (name, role), panel in canvas.panels.items():
        if role == OVERLAY:
            _overlaid(panel, xy[name], colors)
        else:
            cell_colors: Any = colors[role]
            if groups is not None:
                chosen = rows[name if role == _colors.OBSERVED else cells.control]
                cell_colors = [group_colors[group] for group in groups[chosen]]
            elif numbers is not None and scale is not None:
                cell_colors = _values.shades(scale, numbers[name][role])
            _alone(panel, xy[name], role, cell_colors)
        _draw.title(panel, name if role == OVERLAY else f"{name} · {role}" if several else role)
        # all panels show the same part of the same map
        _fields.frame(panel, limits)
    canvas.label(*_bases.axis_names(basis))
    if scale is not None and color is not None:
        canvas.colorbar(scale, color)
    elif groups is not None or overlay:
        canvas.legend(_draw.dots(colors if groups is None else group_colors))
    return canvas.finish(show=show, save=file)


def _alone(ax: Axes, xy: dict[str, np.ndarray], role: str, color: Any) -> None:
    """Draw the cells of one role, over all others in grey."""
    others = np.concatenate([points for other, points in xy.items() if other != role])
    n_total = len(others) + len(xy[role])
    _draw.points(ax, others, n_total=n_total, color=_colors.FAINT)
    _draw.points(ax, xy[role], n_total=n_total, c=color)


def _overlaid(ax: Axes, xy: dict[str, np.ndarray], colors: dict[str, str]) -> None:
    """Draw the cells of all roles in random order, so that none hides another."""
    points = np.concatenate(list(xy.values()))
    cell_colors = np.repeat([colors[role] for role in xy], [len(part) for part in xy.values()])
    order = np.random.default_rng(0).permutation(len(points))
    _draw.points(ax, points[order], n_total=len(points), c=cell_colors[order].tolist(), alpha=0.7)
