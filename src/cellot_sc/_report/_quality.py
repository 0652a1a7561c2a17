"""How good a prediction is, in sentences: always beside simpler ones, and only where cells can tell."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .. import _defaults, _keys
from . import _fits
from ._affine import AFFINE, METRIC, Comparison, compared
from ._found import SPLITS, Found, against, groups, model
from ._table import percent
from ._verdicts import NOT_SHOWN, RESPONDS, TOO_FEW, VERDICT, row_of

SIMPLER = {_defaults.AFFINE: "an affine (Gaussian) map", _defaults.SHIFT: "one shift for all cells"}
"""Maps that a prediction is compared with, in words."""


def verdict(found: Found, name: str) -> str:
    """Return in a word how a prediction compares with an affine map, or why that is not asked."""
    if row_of(found.findings.costs, name)[VERDICT] not in RESPONDS:
        return NOT_SHOWN
    if not _tells(found, name):
        return TOO_FEW
    if not found.beside.empty and _fits.is_affine(found.fitted.maps[name]):
        return "affine"
    comparison = compared(found.beside, name, _group(found, name))
    return "" if comparison is None else comparison.verdict


def sentences(found: Found, name: str) -> list[str]:
    """Return how good a prediction is, always beside simpler ones."""
    fit, cells = found.fitted.fit, SPLITS[found.split]
    n = int(((fit.labels(found.adata) == name) & (fit.parts(found.adata) == found.split)).sum())
    kind, group = verdict(found, name), _group(found, name)
    where = f"within {groups(found.findings.groupby)}, " if group == _keys.MEAN else ""
    if kind == TOO_FEW:
        return [
            f"How good the prediction is cannot be told: {where}its {n:,} treated {cells} cannot be told from control "
            "cells."
        ]
    lines = [_share_predicted(found, name, f"{where}on {n:,} treated {cells}")]
    comparison = compared(found.beside, name, group)
    if kind != "affine" and comparison is not None:
        lines += [_in_words(comparison, model(found), against(found)), _per_group(found, name)]
    return [line for line in lines if line]


def _group(found: Found, name: str) -> str:
    """Return the rows of scores that are spoken of: the mean over groups where there are some, else all cells.

    Which groups the judged cells happen to be of says more about pooled scores than a map does.
    """
    rows = found.scores[(found.scores["perturbation"] == name) & (found.scores["group"] == _keys.MEAN)]
    return _keys.MEAN if rows["value"].notna().any() else _keys.ALL


def _values(found: Found, name: str) -> pd.DataFrame:
    """Return what is spoken of by model."""
    scores, group = found.scores, _group(found, name)
    rows = scores[(scores["perturbation"] == name) & (scores["group"] == group)]
    return rows[rows["metric"] == _defaults.SUMMARY_METRIC].set_index("model")


def _tells(found: Found, name: str) -> bool:
    """Return whether the cells that are judged by tell treated from control cells, which a score of maps needs."""
    rows = _values(found, name)
    if rows.empty:
        return False
    nothing, ceiling = rows.loc[_defaults.IDENTITY], rows.loc[_keys.OBSERVED]
    # without resamples there are no intervals, and the value stands for itself
    least: float = nothing["value"] if pd.isna(nothing["ci_low"]) else nothing["ci_low"]
    return bool(least > max(ceiling["value"], 0))


def _share_predicted(found: Found, name: str, where: str) -> str:
    """Return which part of the difference between control and treated cells is predicted, beside simpler maps."""
    rows, own = _values(found, name), found.fitted.fit.solver
    value: dict[Any, float] = rows["value"].to_dict()
    nothing, best = value[_defaults.IDENTITY], value[_keys.OBSERVED]
    parts = {other: _part((nothing - at) / (nothing - best)) for other, at in value.items()}
    others = [f"{words} {parts[other]}" for other, words in SIMPLER.items() if other in parts and other != own]
    beside = f"; {', '.join(others)}" if others else ""
    return (
        f"{where[0].upper()}{where[1:]}, the {model(found)} predicts {parts[own]} of the difference between control "
        f"and treated cells (by energy distance{beside}; 100 % is as near as other treated cells come)."
    )


def _part(share: float) -> str:
    # how much worse than no prediction depends on how little there was to predict
    return percent(share) if share >= 0 else f"less than {percent(0)}"


def _in_words(comparison: Comparison, own: str, other: str) -> str:
    """Return a comparison with an affine map as a sentence."""
    left = f"it leaves {comparison.numbers} of the error that the affine one leaves"
    return {
        "better": f"Here the {own} is better than {other}: {left}.",
        "worse": f"Here the {own} is worse than {other}, which is the one to take: {left}.",
        "cannot be told": f"Whether the {own} is better than {other} cannot be told here: {left}.",
        "nothing to gain": f"{other[0].upper()}{other[1:]} cannot be told from other treated cells: nothing "
        f"is left for the {own} to gain.",
    }[comparison.verdict]


def _per_group(found: Found, name: str) -> str:
    """Return whether a map for each group, where the fitted one knows none, is better than that."""
    fit, groupby = found.fitted.fit, found.findings.groupby
    own = found.scores[(found.scores["model"] == fit.solver) & (found.scores[_keys.FLOOR] == AFFINE[1])]
    own = own[own["metric"] == METRIC]
    comparison = compared(own, name, _group(found, name))
    if not fit.context and comparison is not None and comparison.verdict == "worse":
        return (
            f"Affine maps for each of the {groups(groupby)} do better: the {model(found)} leaves "
            f"{comparison.numbers} of their error. A fit that is told the {groups(groupby)} "
            f"(--context {groupby}) starts from these."
        )
    return ""
