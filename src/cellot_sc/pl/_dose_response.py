"""How cells and features respond along dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .. import _keys, _validate
from ..tl._effects import dose_family
from ..tl._effects.dose_curves import FLAT, Curves
from ..tl._effects.dose_family import Family
from ..tl._effects.dose_table import DISPLACEMENT
from . import _canvas, _colors, _draw

N_FEATURES = 5
"""Features that are shown beside the displacement where none are named."""
N_POINTS = 100


@_validate.takes_adata
def dose_response(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
    *,
    features: str | Sequence[str] | None = None,
    key: str = _keys.DOSES,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str, Axes]:
    """Draw curves along dose, a panel per feature: dots are the means behind them, bars intervals of EC50s.

    Dose 0 stands at a tenth of the lowest other dose. Of a response that is flat, the mean is a dotted line; a bar that
    ends at the edge of the panel is an interval without end.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.dose_response`.
    targets
        Perturbation or perturbations to show, all with ``None``.
    features
        Feature or features to show; ``"displacement"`` is how far cells are on the way to where the highest dose takes
        them. With ``None``, that and the five features of the smallest p-values.
    key
        Where in ``uns`` the maps are.
    palette
        Colours of perturbations: by name, in order, or the name of a matplotlib colour map. With ``None``, those that
        ``uns`` keeps, if any.
    figsize
        Width and height of the figure in inches. With ``None``, what its panels need.
    ax
        As many axes as there are features. With ``None``, a figure is made.
    show
        Whether to show the figure; ``None`` leaves that to an interactive session. With ``False``, the figure is at
        ``figure`` of the axes that are returned, and closed: ``plt.savefig`` does not know it.
    save
        File to save the figure to. ``True`` is, as in scanpy, one in ``scanpy.settings.figdir``.

    Returns
    -------
    The axes by feature.

    Raises
    ------
    KeyError
        If there are no maps to doses, or a feature is unknown.
    ValueError
        If a target is unknown, there are more or fewer axes than features, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_doses()
    >>> cs.tl.dose_response(adata, solver="mean_shift", use_rep="X")
    >>> list(cs.pl.dose_response(adata, features=["displacement", "marker_0"], show=False))
    ['displacement', 'marker_0']
    """
    file = _validate.figure_file(save, "dose_response")
    kept = dose_family.load(adata, key)
    names = _validate.some_of(targets, kept.families, what="target")
    table = kept.curves[(kept.curves["context"] == _keys.ALL) & kept.curves["perturbation"].isin(names)]
    known = list(table["feature"].unique())
    if features is None:
        smallest = table[table["feature"] != DISPLACEMENT].groupby("feature")["pvalue"].min().nsmallest(N_FEATURES)
        shown = [DISPLACEMENT, *smallest.index]
    else:
        shown = _validate.feature_names(features, known)
    n_cols = _canvas.by_number(len(shown), 1, 3, 4)
    canvas = _canvas.Canvas.of(ax, shown, size=(2.9, 2.4), n_cols=n_cols, figsize=figsize)
    colors = _colors.category_colors(adata, kept.perturbation_key, names, palette)
    for feature, panel in canvas.panels.items():
        doses = [kept.families[name].doses for name in names]
        _log_axis(panel, doses)
        for name in names:
            row = table[(table["feature"] == feature) & (table["perturbation"] == name)]
            if len(row):
                _curve(panel, kept.families[name], row.iloc[0], colors[name])
        _draw.title(panel, feature)
        _draw.tidy(panel)
    canvas.label(x=f"{kept.dose_key} ({kept.unit})" if kept.unit else kept.dose_key, y="mean")
    canvas.legend(Line2D([], [], color=color, label=name) for name, color in colors.items())
    canvas.wrap_titles()
    return canvas.finish(show=show, save=file)


def _curve(ax: Axes, family: Family, row: pd.Series, color: str) -> None:
    """Draw one curve of one perturbation, the means that it is of, and the interval of where it is half-way."""
    whole = row["feature"] == DISPLACEMENT
    scatter = family.fraction if whole else family.means.of(np.array([family.names.index(row["feature"])]))
    one = Curves(family.doses, scatter, family.lowest)
    if whole and row["curve"] == FLAT:
        # a fraction of nothing
        ax.axhline(0, color=color, linestyle=":", linewidth=1.2)
        return
    ax.plot(10.0**one.at, one.scatter.mean[:, 0], "o", color=color, markersize=3.5, clip_on=False, zorder=3)
    if row["curve"] == FLAT:
        ax.axhline(row["bottom"], color=color, linestyle=":", linewidth=1.2)
        return
    fine = 10.0 ** np.linspace(one.at[0], one.at[-1], N_POINTS)
    ax.plot(fine, one.values(fine)[:, 0], color=color, linewidth=1.4)
    ends = np.clip(row[["ec50_low", "ec50_high"]].to_numpy(dtype=float), *ax.get_xlim())
    ax.plot(ends, [row["bottom"] + row["top"] / 2] * 2, color=color, alpha=0.4, linewidth=4)


def _log_axis(ax: Axes, doses: Sequence[np.ndarray]) -> None:
    """Make the axis of doses logarithmic, with 0 at a tenth of the lowest other one."""
    every = np.unique(np.concatenate(doses))
    lowest, highest = every[every > 0][[0, -1]]
    has_zero = every[0] == 0
    ax.set_xscale("log")
    ax.set_xlim((lowest / 10 if has_zero else lowest) / 1.5, highest * 1.5)
    first, last = np.ceil(np.log10(lowest)), np.floor(np.log10(highest))
    ticks = {10.0**power: f"{10.0**power:g}" for power in np.arange(first, last + 1)}
    ticks = ({lowest / 10: "0"} if has_zero else {}) | (ticks or {lowest: f"{lowest:g}", highest: f"{highest:g}"})
    ax.minorticks_off()
    _draw.name_ticks(ax, "x", [*ticks], [*ticks.values()])
