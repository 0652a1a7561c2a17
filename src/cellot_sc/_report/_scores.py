"""The part of the report on how good the predictions are."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from anndata import AnnData

from .. import _defaults, _keys, _validate, pl, tl
from ..metrics import Metric
from ..pl._evaluation import in_order, model_name
from ..tl._fit.contexts import differing
from ._items import Item, figure_of
from ._table import Cell, interval, number, percent, render

GROUPS = (_keys.ALL, _keys.EQUAL, _keys.MEAN, _keys.WORST)
MANY = 6
"""Of more perturbations than this, what is said of each is put away."""

CEILING = {
    _keys.TEST: "real treated cells of the training set: what a perfect map would score",
    _keys.OOD: "real treated cells of the same kind, one half against the other: what a perfect map would score",
}
"""What ``observed`` is on a split."""


def draw(
    adata: AnnData,
    scores: pd.DataFrame,
    *,
    metrics: Sequence[Metric],
    solver: str,
    key: str,
    split: str,
    groupby: str | None = None,
    unit: str | None = None,
) -> list[Item]:
    """Return the figures and the table of the scores.

    Parameters
    ----------
    adata
        Annotated data with fitted maps.
    scores
        What :func:`cellot_sc.tl.evaluate` returned for them.
    metrics
        The metrics of the scores.
    solver
        Name of the fitted model in the table.
    key
        Where in ``uns`` the maps are.
    split
        The split that was judged.
    groupby
        Column of ``obs`` with the groups, if there is one.
    unit
        Column of ``obs`` whose categories were resampled as wholes, if any was.
    """
    fit = tl.maps(adata, key).fit
    # without train cells here, judged ones are halved
    ceiling = CEILING[split if (fit.parts(adata) == _keys.TRAIN).any() else _keys.OOD]
    known = set(scores["metric"])
    shown = [name for name in _defaults.FIGURE_METRICS if name in known] or metrics
    items = [
        Item(
            "evaluation",
            "How good are the predictions?",
            f"Each row compares predicted with observed treated cells ({split} cells, which the fit has never seen). A "
            f"useful prediction lies far from “identity” (no effect assumed) and near “observed” ({ceiling}). "
            f"Lines are 95 % intervals over resampled {'cells' if unit is None else f'units of “{unit}”'}.",
            figure_of(pl.evaluation(scores, metrics=shown, show=False)),
        )
    ]
    if _keys.MEAN in set(scores["group"]):
        items.append(
            Item(
                "evaluation_groups",
                "And within each group of cells?",
                "The same, computed within each group and averaged over groups. A map that moves all cells alike can "
                "look good on all cells together and still be wrong for every cell type: this figure shows it. "
                + _composition(adata, fit, groupby),
                figure_of(pl.evaluation(scores, metrics=shown, group=_keys.MEAN, show=False)),
            )
        )
    return [
        *items,
        Item(
            "scores",
            "All scores",
            "Every score beside the baselines, with its 95 % interval: of all cells, and where there are groups, with "
            "equal composition (treated cells drawn so that each group has its share of the control cells), the mean "
            "over groups and the worst of them. The fitted model is shaded; bold is the best prediction.",
            table=_table(scores, metrics, solver),
            note="“Calibrated” is how far the fitted model gets from the control named below (0 %; less is worse than "
            "that control, which validation cells chose where there are any) to what the data allow (100 %; more is "
            "chance). A dash stands where that control cannot be told from a replicate.",
            more=_tests(scores, solver, unit)
            + f"<details><summary>What the metrics mean</summary><dl>{_meanings(metrics)}</dl></details>",
        ),
        Item(
            "embedding",
            "Do predicted cells lie where treated cells lie?",
            "All cells on one map (UMAP): control, observed treated and predicted ones, with all others in grey. Where "
            "the predicted cells cover the observed ones, the map has learnt the response.",
            figure_of(pl.embedding(adata, key=key, split=split, show=False)),
        ),
        Item(
            "marginals",
            "Does each feature change as observed?",
            "Distribution over cells of the features that change most. The predicted curve should follow the observed "
            "one in position and in shape: two peaks are two kinds of responses. Numbers are Wasserstein distances to "
            "the observed cells, in units of the feature: smaller is closer.",
            figure_of(pl.marginals(adata, key=key, split=split, show=False)),
        ),
    ]


def _composition(adata: AnnData, fit: tl.Fit, groupby: str | None) -> str:
    """Return whether groups differ in abundance between control and treated train cells, and what maps make of it."""
    if groupby is None or fit.times is not None:
        return ""
    labels, train = fit.labels(adata), fit.parts(adata) == _keys.TRAIN
    if not train.any():
        return ""
    groups = _validate.context_labels(adata, groupby)
    found = differing({name: groups[train & (labels == name)] for name in (fit.control, *fit.targets)}, fit.control)
    if found is None:
        return "Control and treated cells have the same shares of each group, as far as can be told."
    most, words = found
    if groupby == next(iter(fit.context), None):
        consequence = "treated cells were weighed so that each has the same share on both sides"
    elif groupby in fit.context:
        consequence = (
            f"each has a map of its own, but it is shares of {fit.context[0]!r}, the first context, that are equal"
        )
    elif fit.match_abundance:
        consequence = (
            "without labels, a map evens out what it sees of that, and turns groups into each other for the rest; with "
            f"context={groupby!r} it does not"
        )
    else:
        consequence = f"a map that knows no groups turns them into each other; with context={groupby!r} it does not"
    return f"Groups differ in abundance, most under {most} ({words}): {consequence}."


def _tests(scores: pd.DataFrame, solver: str, unit: str | None) -> str:
    """Return what p-values over units say, as HTML: of no effect, and of the map; nothing without units."""
    if unit is None:
        return ""
    tested = scores[(scores["metric"] == _defaults.SUMMARY_METRIC) & (scores["group"] == _keys.ALL)]
    items = []
    for name, rows in tested.groupby("perturbation", sort=False):
        by_model = rows.set_index("model")
        effect: Any = by_model.loc[_defaults.IDENTITY]
        own: Any = by_model.loc[solver]
        text = f"{int(effect['n_units'])} units of “{unit}” count"
        if pd.isna(effect["pvalue"]):
            text += f", too few for any p-value: none could be below {number(effect['p_min'])}"
        else:
            text += f"; p = {number(effect['pvalue'], 2)} that they differ by chance, and of the map "
            text += f"p = {number(own['pvalue'], 2)}"
        items.append(f"<li><strong>{html.escape(str(name))}</strong>: {html.escape(text)}.</li>")
    meaning = (
        "Tests exchange whole units, by the energy distance of all cells: control and treated cells to ask whether "
        "there is any effect, predicted and treated cells to ask whether these can be told apart. A small p of the "
        "map says that it is wrong somewhere; a large one that so many units do not show it. A change of abundance "
        "counts as an effect, and as an error of a map that leaves it out."
    )
    listed = f"<ul>{''.join(items)}</ul>"
    if len(items) > MANY:
        listed = f"<details><summary>Each perturbation</summary>{listed}</details>"
    return f"<p>{html.escape(meaning)}</p>{listed}"


def _plain(model: str) -> str:
    """Return what a model is called, without what explains it."""
    return model_name(model).partition(" (")[0]


def _table(scores: pd.DataFrame, metrics: Sequence[Metric], solver: str) -> str:
    """Return the scores as a table: a row per perturbation, group and metric, a column per model."""
    values = scores[scores["group"].isin(GROUPS) & ~scores["metric"].str.endswith(_keys.CALIBRATED)]
    index = ["perturbation", "group", "metric"]
    of_model = scores[scores["model"] == solver].set_index(index)
    own: dict[Any, float] = of_model["value"].to_dict()
    floors: dict[Any, str] = of_model[_keys.FLOOR].to_dict()
    models = in_order(list(values["model"]))
    records = {metric.name: metric for metric in metrics}
    rows = []
    for row_key, group in values.groupby(index, sort=False):
        by_model: dict[str, pd.Series] = {str(row["model"]): row for _, row in group.iterrows()}
        best = _best_prediction(records[str(row_key[2])], {model: row["value"] for model, row in by_model.items()})
        cells = [_score(by_model.get(model), best=model in best, own=model == solver) for model in models]
        key = (*row_key[:2], f"{row_key[2]}{_keys.CALIBRATED}")
        reached, control = own.get(key, math.nan), floors.get(key)
        at = "" if control is None else f"from {_plain(control)}"
        rows.append([*(Cell(str(name)) for name in row_key), *cells, Cell(percent(reached), reached, at)])
    names = [_plain(model) for model in models]
    return render(["perturbation", "cells", "metric", *names, "calibrated"], rows)


def _score(score: pd.Series | None, *, best: bool, own: bool) -> Cell:
    marks = (*(["best"] if best else []), *(["own"] if own else []))
    if score is None:
        return Cell.of(math.nan, marks=marks)
    return Cell.of(score["value"], interval(score["ci_low"], score["ci_high"]), marks)


def _best_prediction(metric: Metric, values: Mapping[str, float]) -> set[str]:
    """Return the models, the observed cells aside, whose value is as near to a perfect one as any."""
    known = {
        model: metric.badness(value)
        for model, value in values.items()
        if model != _keys.OBSERVED and not math.isnan(value)
    }
    return {model for model, bad in known.items() if bad == min(known.values())}


def _meanings(metrics: Sequence[Metric]) -> str:
    return "".join(
        f"<dt><code>{html.escape(metric.name)}</code></dt><dd>{html.escape(metric.meaning)}</dd>"
        for metric in metrics
        if metric.meaning
    )
