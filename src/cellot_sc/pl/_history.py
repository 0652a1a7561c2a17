"""How a fit went."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .. import _keys, _validate, tl
from .._settings import logger
from ..ot import SOLVERS, AffineMap, ChainMap, ContextMap, TransportMap, WeightedMap
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
    metrics: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str, Axes]:
    """Draw the loss and the validation metric of every perturbation against the steps of the fit.

    A dot marks the step whose map was kept. Steps before which no map is taken are shaded; a dashed line is what
    validation cells say of the affine map that a network starts from and has to beat. Where that map was kept, there is
    no dot. With more than seven perturbations, all are drawn thin, their median bold, and the three with the worst
    validation in colour.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    targets
        Perturbation or perturbations to show, all fitted ones with ``None``.
    metrics
        What to show, such as ``"validation"``; all that the fit looked at with ``None``.
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
        Whether to show the figure; ``None`` leaves that to an interactive session. With ``False``, the figure is at
        ``figure`` of the axes that are returned, and closed: ``plt.savefig`` does not know it.
    save
        File to save the figure to. ``True`` is, as in scanpy, one in ``scanpy.settings.figdir``.

    Returns
    -------
    The axes by metric; none where no perturbation needed steps, as an affine map explains its cells.

    Raises
    ------
    KeyError
        If there are no fitted maps.
    ValueError
        If a target was not fitted, the maps were not fitted step by step, a metric is unknown, there are more or fewer
        axes than metrics, or no figure can be saved to the file.

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
    curves = table[~table["metric"].isin((_keys.SELECTED, _keys.START)) & table["value"].notna()]
    names = [name for name in chosen if name in set(curves["perturbation"])]
    selected = _values(table, _keys.SELECTED)
    if without := [name for name in selected if name not in names]:
        logger.info("an affine map explains the cells of %s: there are no steps to draw", ", ".join(without))
        if not names:
            return {}
    _validate.has_history(len(curves), solver=fitted.fit.solver, key=key)
    known = [metric for metric in dict.fromkeys(table["metric"]) if metric in set(curves["metric"])]
    shown = _validate.some_of(metrics, known, what="metric")
    starts = _values(table, _keys.START)
    kept = {name: step for name, step in selected.items() if name not in starts or not is_affine(fitted.maps[name])}
    few = len(names) <= MAX_NAMED
    if few:
        colors = _colors.category_colors(adata, fitted.fit.label_key, names, palette)
    else:
        worst = dict(zip(_worst(curves, names), (_colors.VERMILION, _colors.BLUE, _colors.GREEN), strict=False))
        colors = _colors.recoloured(worst, palette)

    canvas = _canvas.Canvas.of(ax, shown, size=(4.2, 3.2), n_cols=3, figsize=figsize)
    first = _first_taken(fitted.fit, curves)
    for metric, panel in canvas.panels.items():
        wide = curves[curves["metric"] == metric].pivot_table(index="step", columns="perturbation", values="value")
        panel.axvspan(0, first, **_colors.SHADE, zorder=0)
        # the named come last, on top of the others
        for name in sorted(names, key=lambda name: name in colors):
            if name in wide:
                _curve(panel, wide[name].dropna(), kept.get(name), colors.get(name), name)
        for name in starts.keys() & colors.keys() if metric == VALIDATION else ():
            panel.axhline(starts[name], color=colors[name], linewidth=1, linestyle="--")
        if not few:
            panel.plot(wide.index, wide.median(axis=1), color=_colors.BLACK, linewidth=2, label="median")
        panel.set_xlim(curves["step"].min(), curves["step"].max() * 1.03)
        _draw.title(panel, metric)
        _draw.tidy(panel)
    canvas.label(x="step")
    has_start = VALIDATION in shown and bool(starts)
    canvas.legend(_handles(colors, few=few, any_kept=bool(kept), has_start=has_start, is_shaded=first > 0))
    return canvas.finish(show=show, save=file)


def is_affine(fitted: TransportMap) -> bool:
    """Return whether a map is affine, in all contexts: what a network would have had to beat."""
    if isinstance(fitted, WeightedMap):
        return is_affine(fitted.inner)
    if isinstance(fitted, ChainMap):
        return is_affine(fitted.steps[-1])
    if isinstance(fitted, ContextMap):
        return all(map(is_affine, (fitted.parent, *fitted.maps)))
    return isinstance(fitted, AffineMap)


def _values(table: pd.DataFrame, metric: str) -> dict[str, float]:
    """Return the first value of a metric by perturbation."""
    values = table[table["metric"] == metric].drop_duplicates("perturbation")
    return dict(zip(values["perturbation"].astype(str), values["value"], strict=True))


def _first_taken(fit: tl.Fit, curves: pd.DataFrame) -> int:
    """Return the step of the first look whose map could be kept: 0 where a solver, or without validation, has none."""
    if fit.solver not in SOLVERS or VALIDATION not in set(curves["metric"]):
        return 0
    defaults = {field.name: field.default for field in dataclasses.fields(SOLVERS[fit.solver].config)}
    least = int(fit.options.get("min_steps", defaults.get("min_steps", 0)))
    steps = curves["step"]
    return int(steps[steps <= least].max())


def _worst(curves: pd.DataFrame, names: list[str]) -> list[str]:
    """Return the perturbations whose best validation is worst, the worst first."""
    metric = VALIDATION if VALIDATION in set(curves["metric"]) else curves["metric"].iloc[-1]
    best = curves[curves["metric"] == metric].groupby("perturbation")["value"].min().reindex(names)
    return [str(name) for name in best.sort_values(ascending=False).index[:N_WORST]]


def _curve(ax: Axes, values: pd.Series, selected: float | None, color: str | None, name: str) -> None:
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


def _handles(colors: dict[str, str], *, few: bool, any_kept: bool, has_start: bool, is_shaded: bool) -> list[Artist]:
    handles: list[Artist] = [Line2D([], [], color=color, label=name) for name, color in colors.items()]
    if not few:
        handles = [
            Line2D([], [], color=_colors.FAINT, label="each perturbation"),
            Line2D([], [], color=_colors.BLACK, linewidth=2, label="median"),
            *handles,
        ]
    if any_kept:
        handles += _draw.dots({"map that was kept": _colors.GREY})
    if has_start:
        handles.append(Line2D([], [], color=_colors.GREY, linewidth=1, linestyle="--", label="affine start"))
    if is_shaded:
        handles.append(Patch(**_colors.SHADE, label="no map is taken yet"))
    return handles
