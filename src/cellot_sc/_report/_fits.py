"""The part of the report on the maps that were fitted, and on how that went."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
from anndata import AnnData

from .. import _keys, pl, tl
from ..ot import SOLVERS, AffineMap, ContextMap, TransportMap, WeightedMap
from ..pl._history import VALIDATION
from ._held_out import listed
from ._items import Item, drawn
from ._table import MISSING, Cell, number, render

LOSS = "loss"
STILL = 0.05
"""Share of what validation cells gained in all that the last look still brought: a fit that gains more has not ended.
"""


class Ending(NamedTuple):
    """How a fit ended: in a word or two, and in a sentence on what follows from that, if anything does."""

    short: str
    text: str = ""
    is_open: bool = False
    """Whether more steps may help."""


CLOSED = Ending("closed form")
EXPLAINED = Ending("affine map", "An affine map explains the train cells: no network was needed.")
START_KEPT = Ending(
    "affine start kept",
    "On validation cells, no network was better than the affine map that it starts from: that one was kept.",
)
UNKNOWN = Ending("not known", "Without validation cells, it cannot be told whether more steps would have helped.")


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
    in_steps, has_looks = set(looks["perturbation"]), VALIDATION in set(looks["metric"])
    absent = (
        " The maps come from a model: the train cells are not here, and what only they could tell is left out."
        if fitted.is_standalone
        else ""
    )
    items = [
        Item(
            "fits",
            "What was fitted?",
            "One map per perturbation, from control to treated cells. It is learnt from train cells"
            + (" and chosen by validation cells" if has_looks else "")
            + "; test cells, and cells that were held out, are seen by no fit."
            + absent,
            table=_table(adata, fitted),
            note="Numbers of treated cells, with those of control cells below."
            + (
                " “Validation” is how far transported validation cells are from treated ones: for the map that was "
                "kept, and below when the fit began."
                if has_looks
                else ""
            ),
        )
    ]
    if in_steps:
        endings = {name: ending(fitted, name) for name in fitted.maps if name in in_steps}
        meaning = (
            "How far transported validation cells are from treated ones as the fit went on: the curve should become "
            "flat. "
        )
        if not has_looks:
            meaning = "What the fit looked at as it went on. "
        meaning += " ".join(f"{listed(names)}: {text}" for text, names in _by_text(endings).items())
        if in_steps < set(fitted.maps):
            meaning += " Perturbations that are not shown needed no steps: an affine map explains their cells."
        # the loss of two potentials need not fall: it says nothing about the end
        shown = [VALIDATION] if has_looks else None
        figure = drawn(pl.history, adata, metrics=shown, key=key)
        items.append(Item("history", "Did the fit come to an end?", meaning, figure))
    return items


def _by_text(endings: Mapping[str, Ending]) -> dict[str, list[str]]:
    """Return the perturbations of each sentence, those that may need more steps first."""
    found: dict[str, list[str]] = {}
    for name, end in sorted(endings.items(), key=lambda pair: not pair[1].is_open):
        found.setdefault(end.text, []).append(name)
    return found


def ending(fitted: tl.FittedMaps, name: str) -> Ending:
    """Return whether the fit of a map came to an end.

    Parameters
    ----------
    fitted
        The maps.
    name
        The perturbation.
    """
    history = fitted.history[fitted.history["perturbation"] == name]
    looks = history[history["metric"] != _keys.SELECTED].pivot_table(index="step", columns="metric", values="value")
    kept = is_affine(fitted.maps[name])
    if looks.empty or LOSS not in looks:
        return EXPLAINED if kept and len(history) else CLOSED
    last, wanted = int(looks.index[-1]), n_steps(fitted.fit)
    if kept:
        return START_KEPT
    at = looks[VALIDATION].dropna() if VALIDATION in looks else pd.Series(dtype=float)
    if at.empty:
        return UNKNOWN
    if wanted is not None and last < wanted - 1:
        return Ending("early", f"The fit ended early, after {last:,} steps: validation cells gained no more.")
    if len(at) > 1 and at.iloc[-1] == at.min() and at.iloc[-2] - at.iloc[-1] > STILL * (at.max() - at.min()):
        return Ending(
            "still improving",
            f"The fit stopped at its last step, {last:,}, while it was still improving: more steps may help.",
            is_open=True,
        )
    return Ending("ended", f"The fit came to an end within {last:,} steps: the last ones brought little.")


def n_steps(fit: tl.Fit) -> int | None:
    """Return the number of steps that was asked for, ``None`` of a solver that takes none."""
    default = getattr(SOLVERS[fit.solver].config, "n_steps", None) if fit.solver in SOLVERS else None
    asked = fit.options.get("n_steps", default)
    return None if asked is None else int(asked)


def is_affine(fitted: TransportMap) -> bool:
    """Return whether a map is affine, in every context if it knows some."""
    if isinstance(fitted, ContextMap):
        return all(is_affine(inner) for inner in fitted.maps)
    return isinstance(fitted.inner if isinstance(fitted, WeightedMap) else fitted, AffineMap)


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
    named = ["held out" if part == _keys.OOD else part for part in shown]
    heads = ["perturbation", "solver", *named, "how the fit went", "validation", "seconds"]
    # of closed forms, neither is known
    filled = [
        i for i, head in enumerate(heads) if head not in heads[-2:] or any(row[i].text != MISSING for row in rows)
    ]
    return render([heads[i] for i in filled], [[row[i] for i in filled] for row in rows])


def _course(history: pd.DataFrame, fitted: TransportMap) -> list[Cell]:
    """Return how a fit went, what validation cells said of the map that was kept and at first, and the seconds."""
    selected = history.loc[history["metric"] == _keys.SELECTED, "step"]
    looks = history[history["metric"] != _keys.SELECTED].pivot_table(index="step", columns="metric", values="value")
    if looks.empty:
        text = "closed form: no steps"
        if len(selected):
            text = "affine map: it explains the cells" if is_affine(fitted) else f"step {int(selected.iloc[0]):,}"
        return [Cell(text), *[Cell.of(math.nan)] * 2]
    last = looks.index[-1]
    kept = int(selected.iloc[0]) if len(selected) else int(last)
    if LOSS not in looks:
        found: dict[Any, float] = looks.loc[kept].drop(VALIDATION, errors="ignore").to_dict()
        values = ", ".join(f"{metric} {number(value)}" for metric, value in found.items())
        text = f"{values}, of {len(looks)} tried"
    elif is_affine(fitted):
        # where networks start
        kept = int(looks.index[0])
        text = f"affine map: no better in {last:,} steps"
    else:
        text = f"step {kept:,} of {last:,}"
    at = looks.get(VALIDATION, pd.Series(math.nan, index=looks.index)).astype(float)
    first = "" if math.isnan(at.iloc[0]) else f"{number(at.iloc[0])} at first"
    return [Cell(text), Cell.of(at.get(kept, math.nan), first), Cell.of(float(history["seconds"].max()))]
