"""How large the effect on every feature is against how sure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .. import _validate
from . import _canvas, _colors, _draw, _labels

MAKER = "cs.tl.subpopulation_effects"
CHANGES = ("effect", "predicted")
"""Columns of the mean change: of effects on groups, and of signatures."""
CEILING = 1.08
"""Height of p-values of 0, as a multiple of the highest other one."""
GROUP = 16
"""Letters of a group that stands behind the name of a feature."""
MANY = 0.5
"""Effects at the least p are counted if they are more than this part of those that are called."""


@_validate.takes_table("cs.tl.subpopulation_effects(adata, groupby)")
def volcano(
    table: pd.DataFrame,
    targets: str | Sequence[str] | None = None,
    *,
    group: str | Sequence[str] | None = None,
    alpha: float = 0.05,
    n_named: int | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str | tuple[str, str], Axes]:
    """Draw the mean change of every feature against its adjusted p-value: a panel per perturbation.

    Of the effects that are significant, those with the greatest product of change and height are named, as far as there
    is room for their names.

    Parameters
    ----------
    table
        Effects, as :func:`cellot_sc.tl.subpopulation_effects` returns them, or :func:`cellot_sc.tl.signature` with
        ``unit``. Effects without a p-value are left out.
    targets
        Perturbation or perturbations to show, all in the table with ``None``.
    group
        Group or groups of cells to show, each in panels of its own. With ``None``, a panel has a dot for every feature
        and group of cells, and no feature is named twice, but, in a single panel, with its group.
    alpha
        Effects with an adjusted p-value below this are significant.
    n_named
        How many features to name in each panel. With ``None``, ten for one panel, five each for up to six, and two each
        for more.
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
    The axes by perturbation, or by perturbation and group where groups were chosen.

    Raises
    ------
    KeyError
        If the table lacks a column.
    ValueError
        If the table is empty, a target or group is not in it, ``alpha`` or ``n_named`` is no such number, there are
        more or fewer axes than panels, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> table = cs.tl.subpopulation_effects(adata, "cell_type")
    >>> list(cs.pl.volcano(table, "drug_a", group="type_0", show=False))
    [('drug_a', 'type_0')]
    """
    file = _validate.figure_file(save, "volcano")
    change = next((name for name in CHANGES if name in table.columns), CHANGES[0])
    needed = ("perturbation", "feature", change, "pvalue_adj", *(["group"] if group is not None else []))
    _validate.table_columns(table, needed, maker=MAKER)
    _validate.fraction(alpha, what="alpha")
    table = table.assign(
        perturbation=_labels.texts(table["perturbation"]), change=table[change].astype(float)
    ).reset_index(drop=True)
    shown = _panels(table, targets, group)
    if n_named is None:
        n_named = _canvas.by_number(len(shown), 10, 5, 2)
    _validate.whole(n_named, 0, what="n_named")
    side, n_cols = _canvas.by_number(len(shown), (4.4, 1), (2.9, 3), (2.2, 6))
    canvas = _canvas.Canvas.of(ax, shown, size=(side, side + 0.2), n_cols=n_cols, figsize=figsize)
    tested = {name: rows.dropna(subset=["pvalue_adj", "change"]) for name, rows in shown.items()}
    called = {name: rows["pvalue_adj"].to_numpy(dtype=float) < alpha for name, rows in tested.items()}
    heights, beyond, narrow = {}, False, len(shown) > 1
    for name, panel in canvas.panels.items():
        heights[name], endless = _heights(tested[name]["pvalue_adj"].to_numpy(dtype=float), alpha)
        beyond |= bool(endless.any())
        _scatter(panel, tested[name]["change"].to_numpy(), heights[name], called[name], endless, alpha=alpha)
        if figsize is None:
            panel.set_box_aspect(1)
        _draw.title(
            panel, name if isinstance(name, str) else ", ".join(name), _note(tested[name], called[name], narrow=narrow)
        )
    is_pooled = any(_n_groups(rows) > 1 for rows in tested.values())
    canvas.label(x="mean change" + ", a dot per feature and group" * is_pooled, y="−log₁₀ adjusted p")
    canvas.legend(_handles(alpha, beyond=beyond))
    with canvas.settled():
        for name, panel in canvas.panels.items():
            if not called[name].any():
                if len(tested[name]):
                    _draw.no_effect(panel, y=0.95)
                else:
                    _draw.no_effect(panel, "not tested", y=0.95)
                continue
            rows = tested[name][called[name]].assign(height=heights[name][called[name]])
            order = np.argsort(-rows["change"].abs() * rows["height"], kind="stable")
            most = rows.iloc[order].drop_duplicates("feature")[:n_named]
            every = np.column_stack([tested[name]["change"], heights[name]])
            _labels.beside(
                panel,
                most[["change", "height"]].to_numpy(),
                _names(most, rows, narrow=narrow),
                others=every,
            )
    return canvas.finish(show=show, save=file)


def _panels(
    table: pd.DataFrame, targets: str | Sequence[str] | None, group: str | Sequence[str] | None
) -> dict[str | tuple[str, str], pd.DataFrame]:
    """Return the rows of each panel."""
    names = _validate.some_of(targets, table["perturbation"].unique(), what="target")
    of_name = {name: table[table["perturbation"] == name] for name in names}
    if group is None:
        return dict(of_name.items())
    of_group = pd.Series(_labels.texts(table["group"]), index=table.index)
    groups = _validate.some_of(group, of_group.unique(), what="group")
    return {(name, one): rows[of_group[rows.index] == one] for name, rows in of_name.items() for one in groups}


def _heights(pvalues: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return -log10 of p-values, and which of these are too small for a number: just above all others."""
    endless = pvalues <= 0
    heights = -np.log10(np.where(endless, 1.0, pvalues))
    heights[endless] = CEILING * max(float(heights.max(initial=0)), -2 * np.log10(alpha))
    # no minus before 0
    return np.abs(heights), endless


def _scatter(
    ax: Axes, x: np.ndarray, heights: np.ndarray, called: np.ndarray, endless: np.ndarray, *, alpha: float
) -> None:
    """Draw effects by direction, those that are not called below the others."""
    for which, color in _kinds(x, called):
        for end, marker in ((False, "o"), (True, "^")):
            xy = np.column_stack([x, heights])[which & (endless == end)]
            _draw.points(ax, xy, n_total=len(x), color=color, marker=marker, zorder=2 + (color != _colors.GREY))
    ax.axhline(-np.log10(alpha), color=_colors.GREY, linewidth=0.8, linestyle=":", zorder=0)
    ax.axvline(0, color=_colors.FAINT, linewidth=0.8, zorder=0)
    limit = 1.25 * (float(np.abs(x).max(initial=0)) or 1.0)
    top = 1.15 * max(float(heights.max(initial=0)), -2 * np.log10(alpha))
    ax.set(xlim=(-limit, limit), ylim=(-0.02 * top, top))
    ax.locator_params(axis="x", nbins=4)
    ax.locator_params(axis="y", nbins=5)
    _draw.tidy(ax)


def _kinds(x: np.ndarray, called: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Return which effects are none, up and down, and their colours."""
    return [
        (~called, _colors.GREY),
        (called & (x > 0), _colors.VERMILION),
        (called & (x <= 0), _colors.BLUE),
    ]


def _note(rows: pd.DataFrame, called: np.ndarray, *, narrow: bool) -> str:
    """Say how many effects are called, and how many of these cannot be ordered by their p-values."""
    n_up, pvalues = int((rows["change"].to_numpy()[called] > 0).sum()), rows["pvalue_adj"].to_numpy()[called]
    n_features, n_groups = rows["feature"].nunique(), _n_groups(rows)
    of = f"{len(rows):,}"
    # a feature is tested once in every group
    if n_features * n_groups == len(rows) > n_features:
        of = f"{n_features:,} × {n_groups}" if narrow else f"{n_features:,} features × {n_groups} groups"
    elif n_features < len(rows) and not narrow:
        of = f"{of} effects on {n_features:,} features"
    note = f"{n_up:,} up, {called.sum() - n_up:,} down of {of}"
    n_least = int((pvalues == pvalues.min(initial=1)).sum())
    return note + f"; {n_least:,} at the least p" * (n_least > max(1, MANY * len(pvalues)))


def _n_groups(rows: pd.DataFrame) -> int:
    return int(rows["group"].nunique()) if "group" in rows else 1


def _names(most: pd.DataFrame, rows: pd.DataFrame, *, narrow: bool) -> list[str]:
    """Return the names of features, with the group that the effect is on where there are several, and room for it."""
    names = [*map(str, most["feature"])]
    if narrow or _n_groups(rows) < 2:
        return names
    return [
        f"{name} ({_labels.short(group, GROUP)})"
        for name, group in zip(names, _labels.texts(most["group"]), strict=True)
    ]


def _handles(alpha: float, *, beyond: bool) -> list[Line2D]:
    kinds = {"up": _colors.VERMILION, "down": _colors.BLUE, f"adjusted p ≥ {alpha:g}": _colors.GREY}
    triangle = Line2D([], [], color=_colors.BLACK, marker="^", linestyle="none", label="p too small for a number")
    return [*_draw.dots(kinds), *([triangle] if beyond else [])]
