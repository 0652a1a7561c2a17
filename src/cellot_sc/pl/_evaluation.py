"""How good predictions are, beside what they have to be compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from .. import _defaults, _keys, _validate
from ..metrics import Metric
from ..ot import SOLVERS
from ..tl._judge.scores import described
from . import _canvas, _colors, _draw

AXES = {"n_features": "number of features", "n_cells": "number of cells"}
BASELINES = (*_defaults.BASELINES, *_defaults.GROUP_BASELINES)
MARKERS = dict(zip(BASELINES, "s^DvP", strict=True))
FLAT = 3.0
"""The highest curve flattens the others if it is so many times as high as half of all scores."""
MANY = 100.0
"""Of scores that differ by less, a logarithmic axis names more than powers of ten."""
SHORT = 1.0
"""Names of rows for which a panel has room, in inches."""
COLUMNS = ("model", "metric", "perturbation", "group", "value", "ci_low", "ci_high")


@_validate.takes_table("cs.tl.evaluate(adata)")
def evaluation(
    table: pd.DataFrame,
    *,
    metrics: str | Metric | Sequence[str | Metric] | None = None,
    group: str = _keys.ALL,
    x: str | None = None,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str, Axes]:
    """Draw the scores of every model and baseline with their intervals: a panel per metric, a row per perturbation.

    Or draw them as curves against a number, such as that of features or of cells that were compared. Of one
    perturbation, a curve has the intervals of its scores; of several, it is their median, within their middle half. The
    scores are on a logarithmic axis where 0 is best and the worst curve would flatten the others.

    Parameters
    ----------
    table
        Scores, as :func:`cellot_sc.tl.evaluate` returns them; those of several fits may be concatenated.
    metrics
        Metrics to show: their names, or the :class:`cellot_sc.metrics.Metric` itself of one that is not registered.
        With ``None``, all but the calibrated scores, of which
        :func:`scorecard` makes one figure.
    group
        Cells to show the scores of: ``"all"``, all with ``"equal"`` composition, a group, or ``"mean"`` or ``"worst"``
        of the groups.
    x
        Column with the number to draw the scores against, such as ``"n_features"`` or ``"n_cells"``; with ``None``,
        a row per perturbation.
    palette
        Colours of models: by name, in order, or the name of a matplotlib colour map. With ``None``, grey for controls,
        and one that stands out for what was fitted.
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
    The axes by metric.

    Raises
    ------
    KeyError
        If the table lacks a column.
    ValueError
        If the table is empty, a metric or the group is not in it, ``x`` is no number, a model has several scores and
        there is no ``x``, there are more or fewer axes than metrics, or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> scores = cs.tl.evaluate(adata, metrics=["energy_distance", "mmd"], n_boot=20)
    >>> list(cs.pl.evaluation(scores, show=False))
    ['energy_distance', 'mmd']
    """
    file = _validate.figure_file(save, "evaluation")
    _validate.table_columns(table, COLUMNS)
    known = list(dict.fromkeys(table["metric"]))
    if metrics is None:
        metrics = [name for name in known if not name.endswith(_keys.CALIBRATED)]
    records = [described(metric) for metric in ([metrics] if isinstance(metrics, str | Metric) else metrics)]
    names = _validate.some_of([metric.name for metric in records], known, what="metric")
    _validate.one_of(group, list(dict.fromkeys(table["group"])), what="group")
    rows = table[(table["group"] == group) & table["metric"].isin(names)]
    models = in_order(list(rows["model"]))
    perturbations = list(dict.fromkeys(rows["perturbation"]))
    colors = _colors.model_colors(models, palette)
    if x is None:
        _validate.one_score_each(rows, ["model", "metric", "perturbation"])
        row = 0.16 * len(models) if len(perturbations) <= _canvas.FEW else 0.45
        height = max(2.0, 0.6 + row * len(perturbations))
        styles = {model: {"color": colors[model], **_marker(model)} for model in models}
    else:
        _validate.table_columns(table, [x])
        _validate.table_numbers(table, x, what="x")
        height = 3.0
        styles = {
            model: {"color": colors[model], "marker": MARKERS.get(model, "o"), "markersize": 4} for model in models
        }

    n_cols = 3
    beyond = max(0.0, _canvas.room(perturbations) - SHORT) if x is None else 0.0
    size = (3.6 + beyond / min(n_cols, len(names)), height)
    canvas = _canvas.Canvas.of(ax, names, size=size, n_cols=n_cols, figsize=figsize)
    for metric, panel in zip(records, canvas.axes, strict=True):
        scores = rows[rows["metric"] == metric.name]
        if x is None:
            _forest(panel, scores, metric, perturbations, styles)
        else:
            _curves(panel, scores, metric, x, styles)
        _draw.title(panel, metric.label)
    if x is None:
        canvas.name_rows_once()
    else:
        canvas.label(x=AXES.get(x, x))
    canvas.legend(Line2D([], [], label=model_name(model), **style) for model, style in styles.items())
    return canvas.finish(show=show, save=file)


def _curves(ax: Axes, rows: pd.DataFrame, metric: Metric, x: str, styles: Mapping[str, Any]) -> None:
    """Draw the scores of one metric as a curve per model, within intervals or the middle half of several scores."""
    for model, style in styles.items():
        scores = rows[rows["model"] == model].groupby(x)
        curve = scores["value"].median()
        low, high = (
            scores[end].first().where(scores.size() == 1, scores["value"].quantile(part))
            for end, part in (("ci_low", 0.25), ("ci_high", 0.75))
        )
        ax.fill_between(curve.index, low, high, color=style["color"], alpha=0.15, linewidth=0)
        ax.plot(curve.index, curve, linewidth=1.4, label=model, **style)
    ax.axhline(metric.best, color=_colors.GREY, linewidth=0.8, linestyle=":", zorder=0)
    if metric.best == 0:
        _tell_apart(ax, rows, x)
    at = np.sort(rows[x].unique())
    if at[0] > 0 and at[-1] >= 8 * at[0]:
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticks(*_spread(at))
    ax.set_ylabel(_best(metric), fontsize="small")
    _draw.tidy(ax)


def _tell_apart(ax: Axes, rows: pd.DataFrame, x: str) -> None:
    """Make the axis of scores, of which 0 is the best, logarithmic where some are many times others.

    Around 0, which estimates without bias may fall below, it is linear.
    """
    values = rows.groupby(["model", x])["value"].median().to_numpy()
    positive = values[values > 0]
    if len(positive) < 2 or positive.max() < FLAT * np.median(positive):
        return
    lowest, highest = float(np.nanmin(rows[["value", "ci_low"]].to_numpy(dtype=float))), float(positive.max())
    if lowest > 0:
        ax.set_yscale("log")
        few = highest < MANY * lowest
        ax.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if few else (1,)))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        around = 10.0 ** np.floor(np.log10(np.quantile(positive, 0.25)))
        ax.set_yscale("symlog", linthresh=around)
        powers = [around * 10**i for i in range(1 + math.floor(math.log10(highest / around)))]
        ax.set_yticks([0, *powers, *(-power for power in powers if power <= -lowest)])
        ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:g}")


def _spread(values: np.ndarray) -> tuple[list[float], list[str]]:
    """Return those of the values, from the largest, that a logarithmic axis has room to name, and their names."""
    apart = np.log(values.max() / values.min()) / 7
    kept: list[float] = []
    for value in values[::-1]:
        if not kept or np.log(kept[-1] / value) > apart:
            kept.append(float(value))
    return kept, [f"{value:g}" for value in kept]


def in_order(models: Sequence[str]) -> list[str]:
    """Return the models, from no effect to the ceiling, with what was fitted between them."""
    found = list(dict.fromkeys(models))
    fitted = [model for model in found if model not in (*BASELINES, _keys.OBSERVED)]
    return [model for model in (*BASELINES, *fitted, _keys.OBSERVED) if model in found]


def model_name(model: str) -> str:
    """Return what a model is called where there is room for it."""
    if model == _keys.OBSERVED:
        return "observed (best possible)"
    return SOLVERS[model].label if model in SOLVERS else model


def _marker(model: str) -> dict[str, Any]:
    if model == _keys.OBSERVED:
        return {"linestyle": "none", "marker": "|", "markersize": 8, "markeredgewidth": 2}
    return {"linestyle": "none", "marker": MARKERS.get(model, "o"), "markersize": 5, "markeredgewidth": 0}


def _best(metric: Metric) -> str:
    return "" if math.isnan(metric.best) else "lower is better" if metric.best == 0 else f"best: {metric.best:g}"


def _forest(ax: Axes, rows: pd.DataFrame, metric: Metric, perturbations: list[str], styles: Mapping[str, Any]) -> None:
    """Draw a row per perturbation, from the top, and in it a point with its interval per model."""
    lanes = np.linspace(-0.34, 0.34, len(styles)) if len(styles) > 1 else np.zeros(1)
    for lane, (model, style) in zip(lanes, styles.items(), strict=True):
        model_scores = rows[rows["model"] == model].set_index("perturbation").reindex(perturbations)
        y = np.arange(len(perturbations)) + lane
        ax.hlines(y, model_scores["ci_low"], model_scores["ci_high"], color=style["color"], linewidth=1.2)
        ax.plot(model_scores["value"], y, label=model, **style)
    for i in range(0, len(perturbations), 2):
        ax.axhspan(i - 0.5, i + 0.5, color=_colors.GREY, alpha=0.08, linewidth=0)
    ax.axvline(metric.best, color=_colors.GREY, linewidth=0.8, linestyle=":", zorder=0)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.set_xlabel(_best(metric), fontsize="small")
    _draw.name_rows(ax, perturbations)
