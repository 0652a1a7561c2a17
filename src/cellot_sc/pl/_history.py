"""How a fit went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .. import _keys, _validate, tl
from . import _canvas, _colors, _draw

VALIDATION = "validation"
MAX_NAMED = len(_colors.COLORS)
"""With more perturbations than this, only the worst are named."""
N_WORST = 3


@_validate.takes_adata
def history(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    key: str = _keys.MODEL,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str, Axes]:
    """Draw the loss and the validation metric of every perturbation against the steps of the fit.

    A dot marks the step whose map was kept. With more than seven perturbations, all are drawn thin, their median bold,
    and the three with the worst validation in colour.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    targets
        Perturbation or perturbations to show, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    palette
        Colours of perturbations: by name, in order, or the name of a matplotlib colour map. With ``None``, those that
        ``uns`` keeps, if any.
    figsize
        Width and height of the figure in inches. With ``None``, what its panels need.
    ax
        As many axes as there are metrics. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session.
    save
        File to save the figure to. ``True`` is, as in scanpy, one in ``scanpy.settings.figdir``.

    Returns
    -------
    The axes by metric.

    Raises
    ------
    KeyError
        If there are no fitted maps.
    ValueError
        If a target was not fitted, the maps were not fitted step by step, there are more or fewer axes than metrics, or
        no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.pp.split(adata)
    >>> cs.pp.represent(adata, n_components=8)
    >>> cs.tl.cellot(adata, n_steps=20, check_every=10, penalties=(10.0,))
    >>> list(cs.pl.history(adata, show=False))
    ['loss', 'validation']
    """
    file = _validate.figure_file(save, "history")
    fitted = tl.maps(adata, key)
    chosen = _validate.some_of(targets, fitted.maps, what="target")
    table = fitted.history[fitted.history["perturbation"].isin(chosen)]
    metrics = [metric for metric in dict.fromkeys(table["metric"]) if metric != _keys.SELECTED]
    curves = table[table["metric"].isin(metrics) & table["value"].notna()]
    _validate.has_history(len(curves), solver=fitted.fit.solver, key=key)
    names = [name for name in chosen if name in set(curves["perturbation"])]
    selected = table[table["metric"] == _keys.SELECTED].set_index("perturbation")["step"].to_dict()
    few = len(names) <= MAX_NAMED
    if few:
        colors = _colors.category_colors(adata, fitted.fit.label_key, names, palette)
    else:
        worst = dict(zip(_worst(curves, names), (_colors.VERMILION, _colors.BLUE, _colors.GREEN), strict=False))
        colors = _colors.recoloured(worst, palette)

    canvas = _canvas.Canvas.of(ax, metrics, size=(4.2, 3.2), n_cols=3, figsize=figsize)
    for metric, panel in canvas.panels.items():
        wide = curves[curves["metric"] == metric].pivot_table(index="step", columns="perturbation", values="value")
        # the named come last, on top of the others
        for name in sorted(names, key=lambda name: name in colors):
            _curve(panel, wide[name].dropna(), selected.get(name), colors.get(name), name)
        if not few:
            panel.plot(wide.index, wide[names].median(axis=1), color=_colors.BLACK, linewidth=2, label="median")
        panel.set_xlim(curves["step"].min(), curves["step"].max() * 1.03)
        _draw.title(panel, metric)
        _draw.tidy(panel)
    canvas.label(x="step")
    canvas.legend(_handles(colors, few=few, any_selected=bool(selected)))
    return canvas.finish(show=show, save=file)


def _worst(curves: pd.DataFrame, names: list[str]) -> list[str]:
    """Return the perturbations whose best validation is worst, the worst first."""
    metric = VALIDATION if VALIDATION in set(curves["metric"]) else curves["metric"].iloc[-1]
    best = curves[curves["metric"] == metric].groupby("perturbation")["value"].min().reindex(names)
    return [str(name) for name in best.sort_values(ascending=False).index[:N_WORST]]


def _curve(ax: Axes, values: pd.Series, selected: int | None, color: str | None, name: str) -> None:
    style: dict[str, Any] = (
        {"color": _colors.FAINT, "linewidth": 0.8} if color is None else {"color": color, "linewidth": 1.5}
    )
    ax.plot(values.index, values.to_numpy(), label=name, **style)
    if selected is not None and selected in values.index:
        size = 3 if color is None else 6
        ax.plot(
            selected, values[selected], "o", color=color or _colors.GREY, markersize=size, markeredgecolor="white",
            markeredgewidth=0.5,
        )  # fmt: skip


def _handles(colors: dict[str, str], *, few: bool, any_selected: bool) -> list[Line2D]:
    handles = [Line2D([], [], color=color, label=name) for name, color in colors.items()]
    if not few:
        handles = [
            Line2D([], [], color=_colors.FAINT, label="each perturbation"),
            Line2D([], [], color=_colors.BLACK, linewidth=2, label="median"),
            *handles,
        ]
    if any_selected:
        handles += _draw.dots({"map that was kept": _colors.GREY})
    return handles
