"""How well predicted fates agree with lineage tracing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .. import _keys, _validate
from ..tl._courses.clones import BASELINES
from . import _canvas, _colors, _draw, _labels
from ._evaluation import model_name

COLUMNS = ("model", "metric", "source", "fate", "n_cells", "n_clones", "value", "ci_low", "ci_high")
CHANCE = {"auroc": 0.5, "correlation": 0.0}


@_validate.takes_table("cs.tl.clonal_agreement(adata)")
def clonal_agreement(
    table: pd.DataFrame,
    *,
    source: str | None = None,
    fate: str = _keys.ALL,
    palette: Mapping[str, Any] | Sequence[Any] | str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    show: bool | None = None,
    save: str | Path | bool | None = None,
) -> dict[str, Axes]:
    """Draw how well the fates that models predict agree with clonal ones: a panel per metric, a row per model.

    Lines are intervals over resampled clones, of which the number is in the title. The dashed line is what a prediction
    scores that is the same for all cells.

    Parameters
    ----------
    table
        Agreement, as :func:`cellot_sc.tl.clonal_agreement` returns it; those of several courses may be concatenated.
    source
        The time of the early cells, or ``"all"`` of them. With ``None``, all if there are several times.
    fate
        A fate, or ``"all"`` for the mean over fates.
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
        If the table is empty, the source or the fate is not in it, there are more or fewer axes than metrics, or no
        figure can be saved to the file.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate_branching(600, 30)
    >>> cs.tl.trajectory(adata, solver="gaussian")
    >>> cs.tl.fate(adata, "cell_type")
    >>> table = cs.tl.clonal_agreement(adata, baselines=["prior", "identity"], n_boot=50)
    >>> list(cs.pl.clonal_agreement(table, show=False))
    ['accuracy', 'auroc', 'correlation']
    """
    file = _validate.figure_file(save, "clonal_agreement")
    _validate.table_columns(table, COLUMNS, maker="cs.tl.clonal_agreement")
    sources = list(dict.fromkeys(table["source"]))
    if source is None:
        source = _keys.ALL if _keys.ALL in sources else sources[0]
    _validate.one_of(source, sources, what="source")
    _validate.one_of(fate, list(dict.fromkeys(table["fate"])), what="fate")
    rows = table[(table["source"] == source) & (table["fate"] == fate)]
    metrics = list(dict.fromkeys(rows["metric"]))
    models = list(dict.fromkeys(rows["model"]))
    fitted = [model for model in models if model not in BASELINES]
    baselines = [model for model in BASELINES if model in models]
    models = [*baselines, *fitted]
    # the first that has no colour of its own is the one that stands out
    colors = _colors.model_colors([*fitted, *baselines], palette)

    canvas = _canvas.Canvas.of(ax, metrics, size=(2.9, 0.9 + 0.3 * len(models)), n_cols=3, figsize=figsize)
    y = np.arange(len(models))
    for metric, panel in canvas.panels.items():
        scores = rows[rows["metric"] == metric].drop_duplicates("model").set_index("model").reindex(models)
        shades = [colors[model] for model in models]
        panel.hlines(y, scores["ci_low"], scores["ci_high"], color=shades, linewidth=1.5)
        panel.scatter(scores["value"], y, color=shades, s=28, zorder=3)
        # the accuracy of one guess for all cells depends on the fates
        chance = CHANCE.get(metric, scores["value"].get("prior", np.nan))
        panel.axvline(chance, color=_colors.GREY, linewidth=0.8, linestyle="--", zorder=0)
        _draw.name_rows(panel, [model_name(model) for model in models])
        _draw.title(panel, metric)
    canvas.name_rows_once()
    n_cells, n_clones = int(rows["n_cells"].iloc[0]), int(rows["n_clones"].iloc[0])
    canvas.label(x=f"{n_cells} cells of {n_clones} clones, time: {_labels.short(source)}; fate: {_labels.short(fate)}")
    return canvas.finish(show=show, save=file)
