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
from ..pl._evaluation import in_order as models_in_order
from ..pl._evaluation import model_name
from ..tl._fit.contexts import differing
from ._items import Item, drawn
from ._table import Cell, interval, number, percent, render

GROUPS = (_keys.ALL, _keys.EQUAL, _keys.MEAN, _keys.WORST)
WORDS = {_keys.TEST: "test cells", _keys.OOD: "cells that were held out"}
"""What the cells of a split are called."""
SHOWN = 12
"""Of more perturbations than this, figures of scores have the most severe ones, and those of all are put away."""
FEW = 10
"""Groups of so many judged cells, or fewer, say little."""
MANY = 6
"""Of more perturbations than this, what is said of each is put away."""

NO_GROUPS = "No group of cells has enough judged cells, control and treated, to be looked at on its own."
BEST = "best possible"
CELLS = {
    _keys.ALL: "All cells together.",
    _keys.EQUAL: "All cells, treated ones drawn so that each group has its share of the control cells.",
    _keys.MEAN: "The mean over groups of cells.",
    _keys.WORST: "The worst of the groups.",
}
"""What the rows of the table are."""
MODELS = {
    _defaults.IDENTITY: "No effect is assumed: control cells as they are.",
    _defaults.SHIFT: "All cells are moved alike, by the difference of the means.",
    _defaults.AFFINE: "The affine map between normal distributions (also called Gaussian): a linear map.",
    _defaults.GROUP_BASELINES[0]: "A mean shift for each group or context of its own.",
    _defaults.GROUP_BASELINES[
        1
    ]: "An affine map for each group or context of its own, those of few cells drawn to the others.",
    _keys.OBSERVED: "What a perfect map would score: real treated cells in the place of a prediction. Beside test "
    "cells, these are train cells; beside held-out cells, and where no train cells are here, one half of them is "
    "compared with the other. Better than that is chance.",
}
"""What the columns of the table are, but for the fitted model."""


def draw(
    adata: AnnData,
    scores: pd.DataFrame,
    *,
    metrics: Sequence[Metric],
    solver: str,
    order: Sequence[str],
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
    order
        Names of the perturbations, the most severe one first.
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
    known = set(scores["metric"])
    shown = [name for name in _defaults.FIGURE_METRICS if name in known] or [metric.name for metric in metrics]
    # a group is looked at on its own where there are enough judged cells of it
    by_group = {*scores.loc[scores["group"] == _keys.MEAN, "perturbation"].astype(str)}
    judged = [name for name in order if name in set(scores["perturbation"].astype(str))]
    apart = [name for name in judged if name in by_group]
    without = len(judged) - len(apart)
    items = [
        _figure(
            "evaluation",
            "How good are the predictions?",
            f"Each row compares predicted with observed treated cells ({WORDS[split]}, which the fit has never seen). "
            "A useful prediction lies far from “identity” (no effect assumed) and near “observed” (real treated cells "
            "in the place of a prediction: the best possible). "
            f"Lines are 95 % intervals over resampled {'cells' if unit is None else f'units of “{unit}”'}."
            + (f" {NO_GROUPS}" if groupby is not None and not by_group else ""),
            scores,
            shown,
            order,
            group=_keys.ALL,
        )
    ]
    if by_group:
        items.append(
            _figure(
                "evaluation_groups",
                "And within each group of cells?",
                "The same, computed within each group and averaged over groups. A map that moves all cells alike can "
                "look good on all cells together and still be wrong for every cell type: this figure shows it. "
                + _composition(adata, fit, groupby)
                + (
                    f" Left out are {without} perturbations of which no group has enough judged cells."
                    if without
                    else ""
                ),
                scores,
                shown,
                apart,
                group=_keys.MEAN,
            )
        )
    return [*items, _all_scores(scores, metrics, solver, order, unit)]


def _figure(
    name: str,
    title: str,
    meaning: str,
    scores: pd.DataFrame,
    metrics: Sequence[str | Metric],
    order: Sequence[str],
    *,
    group: str,
) -> Item:
    """Return the section of a figure of scores; of many perturbations, it has the most severe, and all on demand."""
    rows = in_order(scores, order)
    most = rows[rows["perturbation"].isin(order[:SHOWN])]
    figure = drawn(pl.evaluation, most, metrics=metrics, group=group)
    if len(order) <= SHOWN:
        return Item(name, title, meaning, figure)
    whole = drawn(pl.evaluation, rows, metrics=metrics, group=group)
    return Item(name, title, f"{meaning} {most_severe(SHOWN, len(order))}", figure, whole=whole)


def in_order(table: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a table with perturbations in this order."""
    place = {name: i for i, name in enumerate(order)}
    return table.sort_values("perturbation", key=lambda names: names.map(place).astype(float), kind="stable")


def _all_scores(
    scores: pd.DataFrame, metrics: Sequence[Metric], solver: str, order: Sequence[str], unit: str | None
) -> Item:
    few = scores[(scores["n_cells"] <= FEW) & ~scores["group"].isin(GROUPS)]
    least = few.groupby("group", sort=False)["n_cells"].min()
    groups = [f"{group} ({n:.0f})" for group, n in least.items()]
    small = f" Groups of {FEW} judged cells or fewer say little: {', '.join(groups)}." if groups else ""
    return Item(
        "scores",
        "All scores",
        "Every score beside the baselines, with its 95 % interval. The fitted model is shaded; bold is the best "
        "prediction. The key below the table says what rows and columns are." + small,
        table=_table(in_order(scores, order), metrics, solver),
        note="“Calibrated” is how far the fitted model gets from the control named below (0 %; less is worse than "
        "that control, which validation cells chose where there are any) to what the data allow (100 %; more is "
        "chance). A dash stands where that control cannot be told from a replicate.",
        more=_key(scores, metrics) + _tests(scores, solver, unit),
        data=scores,
    )


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
            "without labels, a map evens out what it sees of that, and turns groups into each other for the rest; "
            f"a fit that is told these (--context {groupby}) does not"
        )
    else:
        consequence = "a map that knows no groups turns them into each other; "
        consequence += f"a fit that is told these (--context {groupby}) does not"
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


def most_severe(n: int, of: int) -> str:
    """Return in words that a figure has some of the perturbations only; nothing if it has all."""
    return f"Of {of} perturbations, the {n} most severe ones are shown." if n < of else ""


def _plain(model: str) -> str:
    """Return what a model is called, without what explains it."""
    return BEST if model == _keys.OBSERVED else model_name(model).partition(" (")[0]


def _table(scores: pd.DataFrame, metrics: Sequence[Metric], solver: str) -> str:
    """Return the scores as a table: a row per perturbation, group and metric, a column per model."""
    values = scores[scores["group"].isin(GROUPS) & ~scores["metric"].str.endswith(_keys.CALIBRATED)]
    index = ["perturbation", "group", "metric"]
    of_model = scores[scores["model"] == solver].set_index(index)
    own: dict[Any, float] = of_model["value"].to_dict()
    floors: dict[Any, str] = of_model[_keys.FLOOR].to_dict()
    models = models_in_order(list(values["model"]))
    records = {metric.name: metric for metric in metrics}
    rows = []
    for row_key, group in values.groupby(index, sort=False):
        by_model: dict[str, pd.Series] = {str(row["model"]): row for _, row in group.iterrows()}
        best = _best_prediction(records[str(row_key[2])], {model: row["value"] for model, row in by_model.items()})
        beside = list(group["value"])
        cells = [_score(by_model.get(model), beside, best=model in best, own=model == solver) for model in models]
        key = (*row_key[:2], f"{row_key[2]}{_keys.CALIBRATED}")
        reached, control = own.get(key, math.nan), floors.get(key)
        at = "" if control is None else f"from {_plain(control)}"
        rows.append([*(Cell(str(name)) for name in row_key), *cells, Cell(percent(reached), reached, at, ("brief",))])
    names = [_plain(model) for model in models]
    first = (_plain(solver), BEST, "calibrated")
    return render(["perturbation", "cells", "metric", *names, "calibrated"], rows, first=first)


def _score(score: pd.Series | None, beside: Sequence[float], *, best: bool, own: bool) -> Cell:
    marks = (*(["best"] if best else []), *(["own"] if own else []))
    if score is None:
        return Cell.of(math.nan, marks=marks)
    ends = interval(score["ci_low"], score["ci_high"], beside=beside)
    return Cell.of(score["value"], ends, marks, beside=beside)


def _best_prediction(metric: Metric, values: Mapping[str, float]) -> set[str]:
    """Return the models, the observed cells aside, whose value is as near to a perfect one as any."""
    known = {
        model: metric.badness(value)
        for model, value in values.items()
        if model != _keys.OBSERVED and not math.isnan(value)
    }
    return {model for model, bad in known.items() if bad == min(known.values())}


def _key(scores: pd.DataFrame, metrics: Sequence[Metric]) -> str:
    """Return what the cells, the models and the metrics of the table are, as HTML."""
    terms = [(name, CELLS[name]) for name in GROUPS if name in set(scores["group"])]
    terms += [(_plain(model), MODELS[model]) for model in models_in_order(list(scores["model"])) if model in MODELS]
    terms += [(metric.name, f"{metric.label}. {metric.meaning}".strip()) for metric in metrics]
    listed = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in terms)
    return f"<details><summary>Key of terms</summary><dl>{listed}</dl></details>"
