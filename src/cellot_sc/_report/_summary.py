"""The first box of the page: what was found, in plain words."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import _defaults, _keys, _validate, tl
from . import _fits, _held_out
from ._affine import AFFINE, METRIC, Comparison, compared
from ._findings import Findings
from ._held_out import listed
from ._table import Cell, number, percent, render
from ._verdicts import ALPHA, CARRIED, NOT_SHOWN, TOO_FEW, VERDICT, YES

MANY = 6
"""Of more perturbations than this, a table has a row each."""
N_GROUPS, N_GENES = 4, 6
"""Groups and features that a sentence names."""
SIMPLER = {_defaults.AFFINE: "an affine (Gaussian) map", _defaults.SHIFT: "one shift for all cells"}
"""Maps that a prediction is compared with, in words."""
SPLITS = {_keys.TEST: "test cells", _keys.OOD: "held-out cells"}
NOT_JUDGED = "No cell here is treated: nothing was judged, and what follows is what the maps predict."


class Found(NamedTuple):
    """What the summary is made of.

    Parameters
    ----------
    adata
        Annotated data with the maps.
    fitted
        The maps.
    scores
        What :func:`cellot_sc.tl.evaluate` returned for them; empty where nothing was judged.
    beside
        The scores of the paired comparison with an affine map.
    findings
        Severities with verdicts, and effects.
    split
        The cells that were judged by.
    """

    adata: AnnData
    fitted: tl.FittedMaps
    scores: pd.DataFrame
    beside: pd.DataFrame
    findings: Findings
    split: str


def summary(found: Found) -> str:
    """Return what was found, as HTML: for each perturbation, or of many in a table."""
    names = _ranked(found.findings.costs)
    parts = [f"<p>{html.escape(text)}</p>" for text in _whole(found, names)]
    if unusual := _unusual(found):
        parts.insert(0, f"<p><strong>Look at the expression first</strong>: {html.escape(unusual)}.</p>")
    if len(names) <= MANY:
        for name in names:
            lines = "".join(f"<li>{html.escape(line)}</li>" for line in _lines(found, name))
            parts.append(f"<h3>{html.escape(name)}</h3><ul>{lines}</ul>")
    else:
        parts.append(
            '<div class="scroll" tabindex="0" role="region" aria-label="Table: what was found">'
            f'<table class="sortable">{_table(found, names)}</table></div>'
        )
    return "".join(parts)


def _ranked(costs: pd.DataFrame) -> list[str]:
    """Return the perturbations, the most severe first."""
    every = costs[costs["group"] == _keys.ALL].sort_values("cost", ascending=False, kind="stable")
    return [str(name) for name in every["perturbation"]]


def _whole(found: Found, names: Sequence[str]) -> list[str]:
    """Return what is to be said of all perturbations together."""
    fit, costs = found.fitted.fit, found.findings.costs
    out = _held_out.held_out(found.adata, fit)
    labels = fit.labels(found.adata)[fit.parts(found.adata) == _keys.OOD]
    n_control = int((labels == fit.control).sum())
    sizes = f"{n_control:,} control and {len(labels) - n_control:,} treated cells, which no fit has seen"
    texts = [f"Held out: {_held_out.words(out)} ({sizes})."] if out else []
    every = costs[costs["group"] == _keys.ALL]
    n_moved = int((every[VERDICT] == YES).sum())
    if len(names) > 1:
        text = f"{n_moved} of {len(names)} perturbations move cells by more than noise."
        if not_shown := [str(name) for name in every.loc[every[VERDICT] == NOT_SHOWN, "perturbation"]]:
            text += f" Of {_some(not_shown)}, these cells cannot show an effect, which does not say that there is none."
        texts.append(text)
    if found.scores.empty:
        texts.append(NOT_JUDGED)
    elif text := _judged(found, names):
        texts.append(text)
    if "p_min" in costs and (costs["p_min"] >= ALPHA).all():
        n_units = int(costs["n_units"].max())
        texts.append(
            f"{n_units} categories of “{found.findings.unit}” are too few for a test of severity: only intervals speak."
        )
    if text := _left_out(found):
        texts.append(text)
    return texts


def _judged(found: Found, names: Sequence[str]) -> str:
    """Return how predictions of several perturbations compare with affine maps, in numbers of perturbations."""
    if len(names) <= MANY:
        return ""
    verdicts = [_verdict(found, name) for name in names]
    compared_ones = {
        "better": "is better for {}",
        "worse": "is worse for {}",
        "cannot be told": "cannot be told from it for {}",
        "nothing to gain": "has nothing left to gain over it for {}",
    }
    others = {
        "affine": "{} are affine themselves, as no network was needed or better",
        TOO_FEW: "{} cannot be judged, by too few cells to tell treated from control ones",
        NOT_SHOWN: "{} have no effect that could be shown",
    }
    parts = [text.format(n) for kind, text in compared_ones.items() if (n := verdicts.count(kind))]
    rest = [text.format(n) for kind, text in others.items() if (n := verdicts.count(kind))]
    whole = [f"beside {_against(found)}, the {_model(found)} {listed(parts)}"] if parts else []
    return f"On {SPLITS[found.split]}: {'; '.join([*whole, *rest])}." if whole or rest else ""


def _lines(found: Found, name: str) -> list[str]:
    """Return the lines on one perturbation: where it acts, by what, how good its prediction is, how the fit went."""
    acts = _acts(found, name)
    moved = _row(found.findings.costs, name)[VERDICT] == YES
    lines = [*acts, *(_features(found, name) if moved else [])]
    if not found.scores.empty and moved:
        lines += _prediction(found, name)
    if text := _fits.ending(found.fitted, name).text:
        lines.append(text)
    return lines


def _row(costs: pd.DataFrame, name: str, group: str = _keys.ALL) -> pd.Series:
    return costs[(costs["perturbation"] == name) & (costs["group"] == group)].iloc[0]


def _acts(found: Found, name: str) -> list[str]:
    """Return where a perturbation acts, the most severe first, and where that cannot be told."""
    costs, groupby = found.findings.costs, found.findings.groupby
    every, of = _row(costs, name), costs[(costs["perturbation"] == name) & (costs["group"] != _keys.ALL)]
    if every[VERDICT] != YES:
        return [f"{_cells_behind(found, name)} cannot show an effect: {_severity(every)}."]
    if of.empty:
        return [f"It moves cells by more than noise: {_severity(every)}."]
    ranked = of.sort_values("cost", ascending=False, kind="stable")
    shown = ranked[(ranked[VERDICT] == YES) & ~ranked[CARRIED]]
    if shown.empty:
        lines = [f"It moves cells by more than noise ({_severity(every)}), but no single group of “{groupby}”."]
    else:
        named = [
            f"{row['group']} ({_severity(row, short=i > 0)})"
            for i, (_, row) in enumerate(shown.head(N_GROUPS).iterrows())
        ]
        more = f", and {len(shown) - N_GROUPS} more" if len(shown) > N_GROUPS else ""
        lines = [
            f"Acts most on {', then '.join(named)}{more}: {len(shown)} of {len(of)} {_groups(groupby)} move by more "
            "than noise."
        ]
    if carried := [str(group) for group in ranked.loc[ranked[CARRIED], "group"]]:
        lines.append(
            f"The map moves {listed(carried)} too, but treated cells show no gene to change there: it may carry over "
            "what it learnt from others."
        )
    if unsaid := [str(group) for group in ranked.loc[ranked[VERDICT] == NOT_SHOWN, "group"]]:
        lines.append(f"No effect could be shown on {_some(unsaid)}.")
    few = ranked[ranked[VERDICT] == TOO_FEW]
    if len(few):
        cells = [f"{group} ({n} control cells)" for group, n in zip(few["group"], few["n_cells"], strict=True)]
        lines.append(f"Too few to say: {_some(cells)}.")
    return lines


def _cells_behind(found: Found, name: str) -> str:
    """Return the cells that a map was learnt from, as far as they are here."""
    fit = found.fitted.fit
    n = int(((fit.labels(found.adata) == name) & (fit.parts(found.adata) == _keys.TRAIN)).sum())
    return f"The {n:,} treated cells that were learnt from" if n else "These cells"


def _severity(row: Any, *, short: bool = False) -> str:
    """Return how far cells are moved, as a distance with its interval, and how far by noise."""
    far, low, high, noise = (number(math.sqrt(2 * row[of]), 2) for of in ("cost", "ci_low", "ci_high", "null"))
    if short:
        return f"{far}, {low} to {high}"
    return f"distance {far}, 95 % interval {low} to {high}; noise {noise}"


def _features(found: Found, name: str) -> list[str]:
    """Return which features go up and down, of those that are called; else the strongest, as untested."""
    if not _named(found):
        return []
    effects = found.findings.effects
    of = effects[effects["perturbation"] == name]
    called = of[of["pvalue_adj"] < ALPHA]
    if called.empty and of["pvalue_adj"].notna().any():
        return ["No single gene could be shown to change."]
    up, down = changes(called if len(called) else of)
    sides = [f"{side}: {', '.join(names)}" for side, names in (("Up", up), ("Down", down)) if names]
    tail = "" if len(called) else " (the strongest predicted changes; too few units to test them by)"
    return [f"{'. '.join(sides)}{tail}."]


def changes(effects: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the features that go up and down most over all groups, by the mean change times the number of cells."""
    weighed = effects["effect"] * effects["n_cells"]
    total = weighed.groupby(effects["feature"], sort=False, observed=True).sum()
    ordered = total.iloc[np.argsort(-total.abs().to_numpy(), kind="stable")]
    up, down = ([str(name) for name in ordered[side].index[:N_GENES]] for side in (ordered > 0, ordered < 0))
    return up, down


def _named(found: Found) -> bool:
    """Return whether effects are on features that have names, not on dimensions of a representation."""
    space = found.fitted.fit.space(found.adata)
    return bool(space.decodes or space.is_expression)


def _unusual(found: Found) -> str:
    """Return what is unusual about the expression that was fitted to, such as that it is counts."""
    layer = found.fitted.fit.space(found.adata).layer if _named(found) else None
    return _validate.words_on_expression(found.adata, layer) if _named(found) else ""


def _verdict(found: Found, name: str) -> str:
    """Return in a word how a prediction compares with an affine map, or why that is not asked."""
    if _row(found.findings.costs, name)[VERDICT] != YES:
        return NOT_SHOWN
    if not _tells(found, name):
        return TOO_FEW
    if not found.beside.empty and _fits.is_affine(found.fitted.maps[name]):
        return "affine"
    comparison = compared(found.beside, name, _group(found, name))
    return "" if comparison is None else comparison.verdict


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


def _prediction(found: Found, name: str) -> list[str]:
    """Return how good a prediction is, always beside simpler ones."""
    fit, cells = found.fitted.fit, SPLITS[found.split]
    n = int(((fit.labels(found.adata) == name) & (fit.parts(found.adata) == found.split)).sum())
    verdict, group = _verdict(found, name), _group(found, name)
    where = f"within {_groups(found.findings.groupby)}, " if group == _keys.MEAN else ""
    if verdict == TOO_FEW:
        return [
            f"How good the prediction is cannot be told: {where}its {n:,} treated {cells} cannot be told from control "
            "cells."
        ]
    lines = [_share_predicted(found, name, f"{where}on {n:,} treated {cells}")]
    comparison = compared(found.beside, name, group)
    if verdict != "affine" and comparison is not None:
        lines += [_in_words(comparison, _model(found), _against(found)), _per_group(found, name)]
    return [line for line in lines if line]


def _share_predicted(found: Found, name: str, where: str) -> str:
    """Return which part of the difference between control and treated cells is predicted, beside simpler maps."""
    rows, own = _values(found, name), found.fitted.fit.solver
    value: dict[Any, float] = rows["value"].to_dict()
    nothing, best = value[_defaults.IDENTITY], value[_keys.OBSERVED]
    parts = {model: _part((nothing - at) / (nothing - best)) for model, at in value.items()}
    others = [f"{words} {parts[model]}" for model, words in SIMPLER.items() if model in parts and model != own]
    beside = f"; {', '.join(others)}" if others else ""
    return (
        f"{where[0].upper()}{where[1:]}, the {_model(found)} predicts {parts[own]} of the difference between control "
        f"and treated cells (by energy distance{beside}; 100 % is as near as other treated cells come)."
    )


def _part(share: float) -> str:
    # how much worse than no prediction depends on how little there was to predict
    return percent(share) if share >= 0 else f"less than {percent(0)}"


def _in_words(comparison: Comparison, model: str, against: str) -> str:
    """Return a comparison with an affine map as a sentence."""
    left = f"it leaves {comparison.numbers} of the error that the affine one leaves"
    return {
        "better": f"Here the {model} is better than {against}: {left}.",
        "worse": f"Here the {model} is worse than {against}, which is the one to take: {left}.",
        "cannot be told": f"Whether the {model} is better than {against} cannot be told here: {left}.",
        "nothing to gain": f"{against[0].upper()}{against[1:]} cannot be told from other treated cells: nothing "
        f"is left for the {model} to gain.",
    }[comparison.verdict]


def _per_group(found: Found, name: str) -> str:
    """Return whether a map for each group, where the fitted one knows none, is better than that."""
    fit, groupby = found.fitted.fit, found.findings.groupby
    own = found.scores[(found.scores["model"] == fit.solver) & (found.scores[_keys.FLOOR] == AFFINE[1])]
    own = own[own["metric"] == METRIC]
    comparison = compared(own, name, _group(found, name))
    if not fit.context and comparison is not None and comparison.verdict == "worse":
        return (
            f"Affine maps for each of the {_groups(groupby)} do better: the {_model(found)} leaves "
            f"{comparison.numbers} of their error. With context={groupby!r} it would start from these."
        )
    return ""


def _model(found: Found) -> str:
    """Return what the fitted model is called by one who need not know solvers."""
    solver = found.fitted.fit.solver
    if _fits.n_steps(found.fitted.fit) is not None:
        return "neural map"
    return "affine (Gaussian) map" if solver == _defaults.AFFINE else f"fitted map ({solver})"


def _against(found: Found) -> str:
    """Return what the affine map is called that was compared with."""
    per_group = AFFINE[1] in set(found.beside[_keys.FLOOR])
    return "an affine (Gaussian) map" + (" per context" if per_group else "")


def _groups(groupby: str | None) -> str:
    return "cell types" if groupby == _keys.CELL_TYPE else f"groups of “{groupby}”"


def _some(names: Sequence[str]) -> str:
    """Return names as a list, of many the first ones and how many more there are."""
    if len(names) <= MANY:
        return listed(names)
    return f"{', '.join(names[:MANY])} and {len(names) - MANY} more"


def _count(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= N_GROUPS else f"{len(names)} perturbations"


def _left_out(found: Found) -> str:
    """Return which groups have too few judged cells to have scores of their own, and so are in no mean over groups."""
    scores, groupby = found.scores, found.findings.groupby
    if groupby is None or scores.empty:
        return ""
    fit = found.fitted.fit
    judged = fit.parts(found.adata) == found.split
    labels = _validate.context_labels(found.adata, groupby)
    here = {*labels[judged]} - {""}
    missing: dict[str, list[str]] = {}
    for name, rows in scores.groupby("perturbation", sort=False, observed=True):
        for group in sorted(here - set(rows["group"])):
            missing.setdefault(group, []).append(str(name))
    if not missing:
        return ""
    n_names = scores["perturbation"].nunique()
    named = [f"{group} (of {_count(of)})" if len(of) < n_names else group for group, of in missing.items()]
    cells = SPLITS[found.split]
    return f"Too few {cells} to be judged on their own, and in no mean over {_groups(groupby)}: {_some(named)}."


def _table(found: Found, names: Sequence[str]) -> str:
    """Return a row per perturbation, the most severe first."""
    costs, grouped = found.findings.costs, found.findings.groupby is not None
    rows = []
    for name in names:
        every, end = _row(costs, name), _fits.ending(found.fitted, name)
        moved = every[VERDICT] == YES
        of = costs[(costs["perturbation"] == name) & (costs["group"] != _keys.ALL) & (costs[VERDICT] == YES)]
        most = of[~of[CARRIED]].sort_values("cost", ascending=False, kind="stable")["group"].head(2)
        effects = found.findings.effects
        called = effects[(effects["perturbation"] == name) & (effects["pvalue_adj"] < ALPHA)]
        up, down = changes(called) if moved and len(called) else ([], [])
        low, high = (number(math.sqrt(2 * every[of_]), 2) for of_ in ("ci_low", "ci_high"))
        verdict = _verdict(found, name) if not found.scores.empty else ""
        rows.append(
            [
                Cell(name),
                Cell(number(math.sqrt(2 * every["cost"]), 2), float(every["cost"]), f"{low} to {high}"),
                Cell(every[VERDICT], marks=() if moved else ("few",)),
                *([Cell(listed([str(group) for group in most]) if moved else "–")] if grouped else []),
                *([Cell(", ".join(side[:3]) or "–", marks=("long",)) for side in (up, down)] if _named(found) else []),
                *([Cell(SHORT.get(verdict, verdict) or "–")] if not found.beside.empty else []),
                Cell(end.short),
            ]
        )
    heads = ["perturbation", "moves cells by", "by more than noise?", *(["most"] if grouped else [])]
    heads += ["up", "down"] if _named(found) else []
    heads += ["beside an affine map"] if not found.beside.empty else []
    return render([*heads, "fit"], rows)


SHORT = {NOT_SHOWN: "no effect shown", TOO_FEW: f"too few {SPLITS[_keys.TEST]}", "affine": "is affine itself"}
"""What a cell of the table says of a comparison that was not made."""
