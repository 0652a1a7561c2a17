"""The first box of the page: what was found, in plain words."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import _keys, _validate
from . import _fits, _held_out
from ._found import SPLITS, Found, against, groups, model
from ._held_out import listed
from ._quality import sentences, verdict
from ._table import Cell, number, render
from ._verdicts import ALPHA, BY_FEATURES, BY_MAP, NOT_SHOWN, RESPONDS, TOO_FEW, VERDICT, row_of

MANY = 6
"""Of more perturbations than this, a table has a row each."""
N_GROUPS, N_GENES = 4, 6
"""Groups and features that a sentence names."""
NOT_JUDGED = "No cell here is treated: nothing was judged, and what follows is what the maps predict."


def summary(found: Found, advice: str = "") -> str:
    """Return what was found, as HTML: for each perturbation, or of many in a table; advice comes first."""
    names = _ranked(found.findings.costs)
    parts = [f"<p>{html.escape(text)}</p>" for text in _whole(found, names)]
    if unusual := _unusual(found):
        parts.insert(0, f"<p><strong>Look at the expression first</strong>: {html.escape(unusual)}.</p>")
    if advice:
        parts.insert(0, f"<p>{html.escape(advice)}</p>")
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
    n_responses, n_by_features = int(every[VERDICT].isin(RESPONDS).sum()), int((every[VERDICT] == BY_FEATURES).sum())
    if len(names) > 1:
        text = f"{n_responses} of {len(names)} perturbations have an effect on cells"
        text += f", {n_by_features} of them on single features only." if n_by_features else "."
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
    verdicts = [verdict(found, name) for name in names]
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
    whole = [f"beside {against(found)}, the {model(found)} {listed(parts)}"] if parts else []
    return f"On {SPLITS[found.split]}: {'; '.join([*whole, *rest])}." if whole or rest else ""


def _lines(found: Found, name: str) -> list[str]:
    """Return the lines on one perturbation: where it acts, by what, how good its prediction is, how the fit went."""
    acts = _acts(found, name)
    moved = row_of(found.findings.costs, name)[VERDICT] in RESPONDS
    lines = [*acts, *(_features(found, name) if moved else [])]
    if not found.scores.empty and moved:
        lines += sentences(found, name)
    if text := _fits.ending(found.fitted, name).text:
        lines.append(text)
    return lines


def _acts(found: Found, name: str) -> list[str]:
    """Return where a perturbation acts, the most severe first, and where that cannot be told."""
    costs, groupby = found.findings.costs, found.findings.groupby
    every, of = row_of(costs, name), costs[(costs["perturbation"] == name) & (costs["group"] != _keys.ALL)]
    ranked = of.sort_values("cost", ascending=False, kind="stable")
    shown = ranked[ranked[VERDICT].isin(RESPONDS)]
    # what is moved as a whole comes first
    shown = shown.sort_values(VERDICT, key=lambda verdicts: verdicts == BY_FEATURES, kind="stable")
    if shown.empty and every[VERDICT] not in RESPONDS:
        return [f"{_cells_behind(found, name)} cannot show an effect: {_severity(every)}."]
    whole = {
        BY_FEATURES: "Single features change, but cells as a whole are not moved by more than noise",
        NOT_SHOWN: "All cells together cannot show an effect",
        TOO_FEW: "All cells together are too few to say",
    }.get(every[VERDICT], "It moves cells by more than noise")
    if of.empty:
        return [f"{whole}: {_severity(every)}."]
    if shown.empty:
        lines = [f"{whole} ({_severity(every)}), but no single group of “{groupby}”."]
    else:
        named = [
            f"{row['group']} ({_severity(row, short=i > 0)})"
            for i, (_, row) in enumerate(shown.head(N_GROUPS).iterrows())
        ]
        more = f", and {len(shown) - N_GROUPS} more" if len(shown) > N_GROUPS else ""
        count = f"{len(shown)} of {len(of)} {groups(groupby)} {'responds' if len(shown) == 1 else 'respond'}"
        lines = [f"Acts most on {', then '.join(named)}{more}: {count}."]
        if every[VERDICT] not in RESPONDS:
            lines.append(f"{whole}: {_severity(every)}.")
        if by_features := [str(group) for group in shown.loc[shown[VERDICT] == BY_FEATURES, "group"]]:
            lines.append(
                f"By single features only: {_some(by_features)}; as a whole, their cells are not shown to be moved by "
                "more than noise."
            )
    if carried := [str(group) for group in ranked.loc[ranked[VERDICT] == BY_MAP, "group"]]:
        lines.append(
            f"The map moves {listed(carried)} too, but treated cells show no feature to change there: it may carry "
            "over what it learnt from others."
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
    columns = ("distance", "distance_low", "distance_high", "noise_distance")
    far, low, high, noise = (number(row[of], 2) for of in columns)
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
        return ["No single feature could be shown to change."]
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
    return _validate.words_on_expression(found.adata, layer).removeprefix("adata.") if _named(found) else ""


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
    # the only group is all cells once more
    here = {*labels[judged]} - {""} if len({*labels} - {""}) > 1 else set()
    missing: dict[str, list[str]] = {}
    for name, rows in scores.groupby("perturbation", sort=False, observed=True):
        for group in sorted(here - set(rows["group"])):
            missing.setdefault(group, []).append(str(name))
    if not missing:
        return ""
    n_names = scores["perturbation"].nunique()
    named = [f"{group} (of {_count(of)})" if len(of) < n_names else group for group, of in missing.items()]
    cells = SPLITS[found.split]
    return f"Too few {cells} to be judged on their own, and in no mean over {groups(groupby)}: {_some(named)}."


def _table(found: Found, names: Sequence[str]) -> str:
    """Return a row per perturbation, the most severe first."""
    costs, grouped = found.findings.costs, found.findings.groupby is not None
    rows = []
    for name in names:
        every, end = row_of(costs, name), _fits.ending(found.fitted, name)
        moved = every[VERDICT] in RESPONDS
        of = costs[(costs["perturbation"] == name) & (costs["group"] != _keys.ALL) & costs[VERDICT].isin(RESPONDS)]
        most = of.sort_values("cost", ascending=False, kind="stable")["group"].head(2)
        effects = found.findings.effects
        called = effects[(effects["perturbation"] == name) & (effects["pvalue_adj"] < ALPHA)]
        up, down = changes(called) if moved and len(called) else ([], [])
        low, high = (number(every[of_], 2) for of_ in ("distance_low", "distance_high"))
        kind = verdict(found, name) if not found.scores.empty else ""
        rows.append(
            [
                Cell(name),
                Cell(number(every["distance"], 2), float(every["distance"]), f"{low} to {high}"),
                Cell(every[VERDICT], marks=("few",) if every[VERDICT] == TOO_FEW else ()),
                *([Cell(listed([str(group) for group in most]) or "–")] if grouped else []),
                *([Cell(", ".join(side[:3]) or "–", marks=("long",)) for side in (up, down)] if _named(found) else []),
                *([Cell(SHORT.get(kind, kind) or "–")] if not found.beside.empty else []),
                Cell(end.short),
            ]
        )
    heads = ["perturbation", "moves cells by", "responds", *(["most"] if grouped else [])]
    heads += ["up", "down"] if _named(found) else []
    heads += ["beside an affine map"] if not found.beside.empty else []
    return render([*heads, "fit"], rows)


SHORT = {NOT_SHOWN: "no effect shown", TOO_FEW: f"too few {SPLITS[_keys.TEST]}", "affine": "is affine itself"}
"""What a cell of the table says of a comparison that was not made."""
