"""How severe each perturbation is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .. import _keys, _validate
from . import _canvas, _colors, _draw, _labels

COLUMNS = ("perturbation", "group", "cost", "ci_low", "ci_high", "null")
VALUES = ("distance", "cost")


@_validate.takes_table("cs.tl.transport_cost(adata)")
def transport_cost(
    table: pd.DataFrame,
    *,
    value: Literal["distance", "cost"] = "distance",
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> Axes:
    """Draw how far perturbations move cells, with intervals, the most severe on top.

    A grey bar reaches as far as control cells alone would seem to be moved: what lies within it is noise.

    Parameters
    ----------
    table
        Costs, as :func:`cellot_sc.tl.transport_cost` returns them. Perturbations are ranked by that of all cells; the
        groups that the table has are drawn below it.
    value
        ``"distance"``, the root mean squared displacement, or ``"cost"``, half its square.
    palette
        Colours of groups: by name, such as those that ``adata.uns`` keeps, in order, or the name of a matplotlib colour
        map. With ``None``, a group has that of its place in the table: of a categorical column, among all categories.
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
        If the table lacks a column.
    ValueError
        If the table is empty, the value is unknown, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> ax = cs.pl.transport_cost(cs.tl.transport_cost(adata), show=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['drug_a', 'drug_b']
    """
    file = _validate.figure_file(save, "transport_cost")
    _validate.one_of(value, VALUES, what="value")
    _validate.table_columns(table, COLUMNS, maker="cs.tl.transport_cost")
    rows = table.assign(**{name: _labels.texts(table[name]) for name in ("perturbation", "group")})
    groups = sorted(dict.fromkeys(rows["group"]), key=lambda group: group != _keys.ALL)
    shown = rows.pivot_table(index="perturbation", columns="group", values="cost", sort=False, observed=True)
    rank = shown[_keys.ALL] if _keys.ALL in groups else shown.mean(axis=1)
    names = list(rank.sort_values(ascending=False, kind="stable").index)
    colors = _colors.table_colors(table["group"], [group for group in groups if group != _keys.ALL], palette)
    colors |= _colors.recoloured({_keys.ALL: _colors.BLACK}, palette if isinstance(palette, Mapping) else None)

    lane = max(0.09, _canvas.ROW / len(groups))
    height = max(1.4, 0.9 + (len(groups) * lane + 0.06) * len(names))
    canvas, panel = _canvas.single(ax, (4.4 + _canvas.room(names), height), figsize=figsize)
    _forest(panel, rows, names, groups, value, colors)
    canvas.label(x="root mean squared displacement" if value == "distance" else "cost ½|T(x) − x|², mean over cells")
    canvas.legend(_handles(groups, colors, "units exchanged" if "p_min" in table else "control against control"))
    canvas.finish(show=show, save=file)
    return panel


def _forest(
    ax: Axes, rows: pd.DataFrame, names: list[str], groups: list[str], value: str, colors: Mapping[str, Any]
) -> None:
    """Draw a row per perturbation, from the top, and in it a point with its interval and null per group."""
    # what lies between two distances lies between their costs
    scale = (lambda cost: np.sqrt(2 * cost)) if value == "distance" else (lambda cost: cost)
    step = 0.76 / len(groups)
    for i, group in enumerate(groups):
        costs = rows[rows["group"] == group].set_index("perturbation").reindex(names)
        y = np.arange(len(names)) + (i - (len(groups) - 1) / 2) * step
        point, low, high, null = (scale(costs[name].to_numpy(float)) for name in ("cost", "ci_low", "ci_high", "null"))
        ax.barh(y, null, height=0.9 * step, color=_colors.FAINT, linewidth=0, zorder=1)
        ax.hlines(y, low, high, color=colors[group], linewidth=1.4, zorder=2)
        size = 5 if group == _keys.ALL or len(groups) == 1 else 3.5
        # not cut in two at zero
        ax.plot(point, y, "o", color=colors[group], markersize=size, clip_on=False, zorder=3, label=group)
    ax.set_xlim(left=0)
    ax.locator_params(axis="x", nbins=6)
    _draw.name_rows(ax, names)


def _handles(groups: list[str], colors: Mapping[str, Any], noise: str) -> list[Artist]:
    points = [
        Line2D([], [], color=colors[group], marker="o", markersize=5, label=group + " cells" * (group == _keys.ALL))
        for group in groups
    ]
    return [*points, Patch(color=_colors.FAINT, label=noise)]
