"""The part of the report on the maps that were fitted, and on how that went."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from anndata import AnnData

from .. import _keys, pl, tl
from ..ot import AffineMap, TransportMap, WeightedMap
from ..pl._history import VALIDATION
from ._items import Item, figure_of
from ._table import Cell, number, render

LOSS = "loss"


def draw(adata: AnnData, fitted: tl.FittedMaps, *, key: str) -> list[Item]:
    """Return the table of the fitted maps, and the figure of their fits where there were steps.

    Parameters
    ----------
    adata
        Annotated data with fitted maps.
    fitted
        The maps.
    key
        Where in ``uns`` they are.
    """
    looks = fitted.history[fitted.history["metric"] != _keys.SELECTED]
    in_steps = set(looks["perturbation"])
    absent = (
        " The maps come from a model: the train cells are not here, and what only they could tell is left out."
        if fitted.is_standalone
        else ""
    )
    items = [
        Item(
            "fits",
            "What was fitted?",
            "One map per perturbation, from control to treated cells. It is learnt from train cells and chosen by "
            "validation cells; test cells, and cells that were held out (ood), are seen by no fit." + absent,
            table=_table(adata, fitted),
            note="Numbers of treated cells, with those of control cells below. “Validation” is how far transported "
            "validation cells are from treated ones: for the map that was kept, and below when the fit began.",
        )
    ]
    if in_steps:
        meaning = "What the fit looked at as it went on. The dots mark what was kept, as chosen by validation cells."
        if LOSS in set(looks["metric"]):
            meaning = (
                "Loss and distance to validation cells as the fit went on. The loss is that of two potentials that "
                "pull in different directions: it need not fall. The dots mark the maps that were kept, as chosen by "
                "validation cells; where they do not beat the affine map that the fit starts from, that one is kept."
            )
        if in_steps < set(fitted.maps):
            meaning += " Perturbations that are not shown needed no steps: an affine map explains their cells."
        figure = figure_of(pl.history(adata, key=key, show=False))
        items.append(Item("history", "Did the fit come to an end?", meaning, figure))
    return items


def _table(adata: AnnData, fitted: tl.FittedMaps) -> str:
    fit = fitted.fit
    labels, parts = fit.labels(adata), fit.parts(adata)
    shown = [part for part in _keys.SPLITS if part in set(parts)]
    counts = pd.crosstab(labels, parts).reindex([fit.control, *fitted.maps], columns=shown, fill_value=0)
    rows = []
    for name, fitted_map in fitted.maps.items():
        history = fitted.history[fitted.history["perturbation"] == name]
        both = zip(counts.loc[name], counts.loc[fit.control], strict=True)
        cells = [Cell.count(treated, f"control {control:,}") for treated, control in both]
        rows.append([Cell(name), Cell(fit.solver), *cells, *_course(history, fitted_map)])
    return render(["perturbation", "solver", *shown, "how the fit went", "validation", "seconds"], rows)


def _course(history: pd.DataFrame, fitted: TransportMap) -> list[Cell]:
    """Return how a fit went, what validation cells said of the map that was kept and at first, and the seconds."""
    selected = history.loc[history["metric"] == _keys.SELECTED, "step"]
    looks = history[history["metric"] != _keys.SELECTED].pivot_table(index="step", columns="metric", values="value")
    is_affine = isinstance(fitted.inner if isinstance(fitted, WeightedMap) else fitted, AffineMap)
    if looks.empty:
        text = "closed form: no steps"
        if len(selected):
            text = "affine map: it explains the cells" if is_affine else f"step {int(selected.iloc[0]):,}"
        return [Cell(text), *[Cell.of(math.nan)] * 2]
    last = looks.index[-1]
    kept = int(selected.iloc[0]) if len(selected) else int(last)
    if LOSS not in looks:
        found: dict[Any, float] = looks.loc[kept].drop(VALIDATION, errors="ignore").to_dict()
        values = ", ".join(f"{metric} {number(value)}" for metric, value in found.items())
        text = f"{values}, of {len(looks)} tried"
    elif is_affine:
        # where networks start
        kept = int(looks.index[0])
        text = f"affine map: no better in {last:,} steps"
    else:
        text = f"step {kept:,} of {last:,}"
    at = looks.get(VALIDATION, pd.Series(math.nan, index=looks.index)).astype(float)
    first = "" if math.isnan(at.iloc[0]) else f"{number(at.iloc[0])} at first"
    return [Cell(text), Cell.of(at.get(kept, math.nan), first), Cell.of(float(history["seconds"].max()))]
