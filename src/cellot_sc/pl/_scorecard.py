"""Models by metrics: how far each gets from a control to a replicate."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_rgb
from matplotlib.patches import Rectangle

from .. import _keys, _validate
from ..metrics import Metric
from ..tl._judge.scores import described
from ..tl._judge.summarize import summarize_scores
from . import _canvas, _colors, _draw, _labels
from ._evaluation import COLUMNS, model_name

WIDTH, HEIGHT = 1.05, 0.42
"""Size of a cell in inches."""
LETTERS = 15
"""Of a line above a cell."""
LINES = 5
"""Of the name of a metric, or of that of a floor."""
LINE = 0.14
"""Height of a line of small letters, in inches."""
END = 1.25
"""Value with the darkest colour."""
DARK = 0.5
"""Colours with less light than this have white letters."""


@_validate.takes_table("cs.tl.evaluate(adata)")
def scorecard(
    table: pd.DataFrame,
    *,
    metrics: str | Metric | Sequence[str | Metric] | None = None,
    group: str = _keys.ALL,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> Axes:
    """Draw calibrated scores on one card: a row per model, a column per metric, 0 a named control, 1 a replicate.

    A cell has the score, as a number and as its colour, and below it the interval. Above each column is the control at
    which it is 0. Hatched cells have no score: this metric cannot tell that control from a replicate, or
    has no value of the control.
    Models are in the order of the mean of their ranks over the metrics that tell, the best on top; one without a score
    is last by that metric.

    Of several perturbations, the scores are the means that the table has of them (``unit=`` the perturbation), or else
    those of :func:`cellot_sc.tl.summarize_scores`, with intervals over perturbations.

    Parameters
    ----------
    table
        Scores, as :func:`cellot_sc.tl.evaluate` returns them; those of several fits may be concatenated.
    metrics
        Metrics to show, in this order. With ``None``, all that are calibrated.
    group
        Cells to show the scores of: ``"all"``, all with ``"equal"`` composition, a group, or ``"mean"`` or ``"worst"``
        of the groups.
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
        If the table is empty, has no calibrated scores, a metric or the group is not in it, a model has several scores,
        or no figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> scores = cs.tl.evaluate(adata, metrics=["energy_distance", "mmd"], floor="identity", n_boot=20)
    >>> ax = cs.pl.scorecard(scores, show=False)
    >>> sorted(label.get_text() for label in ax.get_yticklabels())
    ['Gaussian map', 'mean shift']
    """
    file = _validate.figure_file(save, "scorecard")
    _validate.table_columns(table, [*COLUMNS, _keys.FLOOR])
    _validate.one_of(group, list(dict.fromkeys(table["group"])), what="group")
    rows, of = _rows(table, group)
    columns = _columns(rows, metrics)
    rows = rows[[column in columns for column in zip(rows["metric"], rows[_keys.FLOOR], strict=True)]]
    _validate.one_score_each(rows, ["model", "metric", _keys.FLOOR])
    cells: dict[tuple[str, Column], tuple[float, float, float]] = {
        (str(row["model"]), Column(str(row["metric"]), str(row[_keys.FLOOR]))): (
            row["value"],
            row["ci_low"],
            row["ci_high"],
        )
        for _, row in rows.iterrows()
    }
    models = _ranked(cells, list(dict.fromkeys(rows["model"])), columns)

    heads = [_head(column, rows, metrics) for column in columns]
    names = [model_name(model) for model in models]
    width = _canvas.room(names) + WIDTH * len(columns) + 0.3
    note = textwrap.wrap(_note(of, group), max(34, int(WIDTH * len(columns) / 0.062)))
    above = LINE * max(head.count("\n") + 1 for head in heads)
    canvas, panel = _canvas.single(ax, (width, HEIGHT * len(models) + above + LINE * len(note) + 0.3), figsize=figsize)
    for i, model in enumerate(models):
        for j, column in enumerate(columns):
            tells = any(not math.isnan(cells.get((other, column), (math.nan,))[0]) for other in models)
            _cell(panel, i, j, cells.get((model, column)), is_floor=model == column.floor, tells=tells)
    _draw.name_rows(panel, names)
    panel.set_xlim(-0.5, len(columns) - 0.5)
    panel.xaxis.tick_top()
    panel.set_xticks(range(len(columns)), heads, fontsize="x-small", linespacing=1.1, **_labels.PLAIN)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set_xlabel("\n".join(note), fontsize="x-small", loc="left", **_labels.PLAIN)
    canvas.finish(show=show, save=file)
    return panel


class Column(NamedTuple):
    """A metric, as it is called when calibrated, and the control at which it is 0."""

    metric: str
    floor: str


def _rows(table: pd.DataFrame, group: str) -> tuple[pd.DataFrame, str]:
    """Return the calibrated scores of one perturbation or of the mean over several, and what they are of."""
    perturbations = list(dict.fromkeys(table["perturbation"]))
    of = str(perturbations[0])
    if len(perturbations) > 1:
        of = f"the mean over {len([name for name in perturbations if name != _keys.MEAN])} perturbations"
        if _keys.MEAN in perturbations:
            table = table[table["perturbation"] == _keys.MEAN]
        else:
            table = summarize_scores(table)
    elif of == _keys.MEAN:
        of = "the mean over perturbations"
    rows = table[(table["group"] == group) & table["metric"].str.endswith(_keys.CALIBRATED)]
    if rows.empty:
        raise ValueError(f"table has no calibrated scores of group {group!r}: keep what cs.tl.evaluate returned.")
    return rows, of


def _columns(rows: pd.DataFrame, metrics: str | Metric | Sequence[str | Metric] | None) -> list[Column]:
    """Return what is shown, in order: a metric that has several floors has a column for each."""
    known = [str(name).removesuffix(_keys.CALIBRATED) for name in dict.fromkeys(rows["metric"])]
    given = known if metrics is None else [metrics] if isinstance(metrics, str | Metric) else metrics
    names = [(one.name if isinstance(one, Metric) else one) for one in given]
    names = [name.removesuffix(_keys.CALIBRATED) if isinstance(name, str) else name for name in names]
    names = _validate.some_of(names, known, what="metric")
    pairs = dict.fromkeys(zip(rows["metric"], rows[_keys.FLOOR], strict=True))
    return [
        Column(str(metric), str(floor))
        for name in names
        for metric, floor in pairs
        if metric == name + _keys.CALIBRATED
    ]


def _ranked(
    cells: dict[tuple[str, Column], tuple[float, float, float]], models: list[str], columns: list[Column]
) -> list[str]:
    """Return the models by the mean of their ranks, the best first, of which what is 0 by definition has one, too."""

    def value(model: str, column: Column) -> float:
        return 0.0 if model == column.floor else cells.get((model, column), (math.nan,))[0]

    frame = pd.DataFrame([[value(model, column) for column in columns] for model in models], index=models)
    # where only the floor has a score, nothing is told
    frame = frame.loc[:, frame.notna().sum() > 1]
    # who has no score is last there, lest leaving out what is hard pay
    means = frame.rank(ascending=False, na_option="bottom").mean(axis=1)
    return [str(model) for model in means.sort_values(kind="stable", na_position="last").index]


def _head(column: Column, rows: pd.DataFrame, metrics: str | Metric | Sequence[str | Metric] | None) -> str:
    """Return what stands above a column: its metric, and what 0 is."""
    given = [] if metrics is None else [metrics] if isinstance(metrics, str | Metric) else metrics
    name = column.metric.removesuffix(_keys.CALIBRATED)
    own = next((one for one in given if isinstance(one, Metric) and one.name == name), name)
    parts = (described(own).label, f"0 = {model_name(column.floor).partition(' (')[0]}")
    lines = [_labels.lines(_labels.short(part, LINES * (LETTERS - 2)), LETTERS)[:LINES] for part in parts]
    return "\n".join([*lines[0], *lines[1]])


def _note(of: str, group: str) -> str:
    cells = {_keys.ALL: "all cells", _keys.EQUAL: "cells of equal composition"}.get(
        group, f"the {group} of groups" if group in (_keys.MEAN, _keys.WORST) else group
    )
    return (
        f"Calibrated scores of {_labels.short(of)}, {cells}: 0 = the control named above, 1 = a replicate. "
        "Hatched: no score. Models by the mean of their ranks."
    )


def _cell(
    ax: Axes, row: int, column: int, score: tuple[float, float, float] | None, *, is_floor: bool, tells: bool
) -> None:
    """Draw one score: its colour, number and interval, or that there is none."""
    value, low, high = (0.0, math.nan, math.nan) if is_floor else score or (math.nan,) * 3
    letters, note = _number(value), ""
    is_missing = math.isnan(value) or not tells
    face: Any = "white"
    if is_missing:
        letters = "unknown" if tells else "no gap"
    else:
        face = plt.get_cmap("RdBu")(Normalize(-END, END, clip=True)(value))
        note = "floor" if is_floor else "" if math.isnan(low) else f"{_number(low)} to {_number(high)}"
    ax.add_patch(
        Rectangle(
            (column - 0.5, row - 0.5),
            1,
            1,
            facecolor=face,
            edgecolor=_colors.FAINT if is_missing else "white",
            hatch="////" if is_missing else "",
        )
    )
    is_dark = float(np.dot(to_rgb(face), (0.299, 0.587, 0.114))) < DARK
    color = "white" if is_dark else "black"
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5} if is_missing else None
    shade = "dimgrey" if is_missing else color
    size = "x-small" if is_missing else "small"
    ax.text(
        column, row - (0.17 if note else 0), letters, ha="center", va="center", fontsize=size, color=shade, bbox=box
    )
    ax.text(column, row + 0.24, note, ha="center", va="center", fontsize="xx-small", color=color)


def _number(value: float) -> str:
    size = abs(value)
    text = f"{value:.2f}" if size < 9.995 else f"{value:.0f}" if size < 9999.5 else f"{value:.0e}"
    return text.replace("-0.00", "0.00").replace("-", "\N{MINUS SIGN}")
