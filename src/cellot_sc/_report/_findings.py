"""The part of the report on what the maps say about biology."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import _keys, pl, tl
from ..pl._colors import palette
from ..tl._effects.displacements import displacements
from ..tl._effects.subpopulations import group_effects
from . import _responses
from ._items import Item, drawn
from ._table import MISSING, Cell, interval, number, render
from ._verdicts import ALPHA, BY_FEATURES, BY_MAP, FEW, NOT_SHOWN, TOO_FEW, VERDICT, with_distances, with_verdicts

MARKS = {TOO_FEW: ("few",)}
"""Classes of verdicts that cannot be given."""
N_NAMED = 5
"""Features that are named in a row of the table of effects."""


@dataclass(frozen=True)
class Findings:
    """What the maps say about biology: costs with verdicts, and effects on features.

    Parameters
    ----------
    costs
        Severities, as :func:`._verdicts.with_verdicts` returns them.
    effects
        Effects within groups, or of all cells where there are none.
    groupby
        Column of ``obs`` with the groups, if there is one.
    unit
        Column of ``obs`` whose categories answer for their cells, if any does.
    """

    costs: pd.DataFrame
    effects: pd.DataFrame
    groupby: str | None
    unit: str | None


def find(adata: AnnData, *, groupby: str | None, unit: str | None, key: str, seed: int) -> Findings:
    """Return how severe perturbations are, and which features respond.

    Parameters
    ----------
    adata
        Annotated data with fitted maps. It is left as it is.
    groupby
        Column of ``obs`` with the groups, such as the cell type, if there is one.
    unit
        Column of ``obs`` whose categories answer for their cells in tests and intervals, if any does.
    key
        Where in ``uns`` the maps are.
    seed
        Seed of resamples and nulls.
    """
    costs = tl.transport_cost(adata, key=key, groupby=groupby, unit=unit, seed=seed)
    if groupby is not None:
        effects = tl.subpopulation_effects(adata, groupby, key=key, unit=unit, seed=seed)
    else:
        moves = displacements(adata, key)
        every, controls = np.ones(adata.n_obs, dtype=bool), np.ones(len(moves.rows), dtype=bool)
        effects = group_effects(moves, {_keys.ALL: every}, {_keys.ALL: controls}, unit=unit, seed=seed)
    told = with_verdicts(with_distances(costs), effects)
    of_groups = told[told["group"] != _keys.ALL]
    if of_groups["group"].nunique() == 1 and set(of_groups["n_cells"]) == set(told["n_cells"]):
        # the only group is all cells once more
        told = told[told["group"] == _keys.ALL].reset_index(drop=True)
    return Findings(told, effects, groupby, unit)


def draw(adata: AnnData, found: Findings, *, key: str, seed: int) -> list[Item]:
    """Return how severe perturbations are, which groups of cells respond by what, and which cells respond alike.

    Parameters
    ----------
    adata
        Annotated data with fitted maps. It is left as it is.
    found
        What they say.
    key
        Where in ``uns`` the maps are.
    seed
        Seed of clusters.
    """
    costs, effects, groupby, unit = found.costs, found.effects, found.groupby, found.unit
    order = _responses.by_severity(costs)
    severity, of_groups = _responses.severities(costs, {} if groupby is None else palette(adata, groupby))
    noise = "control cells would seem to be moved if they were compared with other control cells"
    columns = "“noise” is the distance of control against control cells."
    if unit is not None:
        noise = f"maps would seem to move cells if control and treated cells of {_whole(unit)} were exchanged"
        columns = (
            "“noise” is the distance after exchanges, of which “p” is the share with no smaller cost or energy "
            f"distance between control and treated cells; no p could be below “least p”, and none is given where that "
            f"is above {ALPHA}. “Units” are those with cells that maps were learnt from; those behind an effect on "
            "features may be more, as observed cells that were held out count there."
        )
    columns += (
        " Cells “respond” if they are moved by more than noise, that is, if the interval lies above it"
        + ("" if unit is None else f" and p, where there is one, is below {ALPHA}")
        + ", or if single features are significant there"
        + (f" (“{BY_FEATURES}”)" if (costs[VERDICT] == BY_FEATURES).any() else "")
        + f"; where that is “{NOT_SHOWN}”, these cells cannot show it, which is not to say that nothing happens. "
        f"Groups of fewer than {FEW} control cells are too few to say how far they are moved."
    )
    if (costs[VERDICT] == BY_MAP).any():
        columns += f" In groups that respond “{BY_MAP}”, treated cells show no feature to change."
    items = [
        Item(
            "transport_cost",
            "How severe is each perturbation?",
            "How far the map moves control cells, all of them and those of each group, the most severe perturbation on "
            f"top. Grey bars reach as far as {noise}: what lies within them is noise. Lines are 95 % intervals: over "
            f"resampled {'cells' if unit is None else _whole(unit)}, and over what the map would be if it had been "
            "learnt from others.",
            severity,
            table=_severity(_responses.in_order(costs, order)),
            note="“Distance” is the root mean squared displacement of cells, in units of the space of the maps, with "
            "its interval below; “cost” is half its square, as papers on transport have it; " + columns,
            whole=of_groups,
            data=costs,
        )
    ]
    if groupby is not None:
        figure, whole = _responses.effects_of(effects, order)
        items.append(
            Item(
                "subpopulation_effects",
                "Which groups of cells respond, and by what?",
                "The mean predicted change of features (colour) in each group, and how many of its cells change by "
                "more than noise (area). A black ring marks effects that are significant at a false discovery rate of "
                "5 % over all features and groups of a perturbation, "
                f"{_tested(effects, unit)}. A column without rings is a feature that does not respond. "
                f"{_responses.of_most_severe(order)}".strip(),
                figure,
                table=_effects(_responses.in_order(effects, order)),
                note="Features whose effect is significant, and the strongest of them with their mean change.",
                whole=whole,
                data=effects,
            )
        )
    if effects["pvalue_adj"].notna().any():
        items.append(_responses.volcano(effects, order=order))
    clustered = tl.effect_clusters(adata, key=key, seed=seed, copy=True)
    if clustered is not None and len(clustered.uns["effect_cluster"]) > 1:
        items.append(
            Item(
                "effect_clusters",
                "Are there populations that respond differently?",
                "Control cells grouped by how they are predicted to change, without looking at any label. Cells that "
                "are close on the map respond alike. Colours of squares are what changes in each cluster, beside the "
                "features that mark its cells before any perturbation.",
                drawn(pl.effect_clusters, clustered, key=key),
            )
        )
        if groupby is not None:
            items.append(_responses.clusters(clustered, groupby))
    return items


def _whole(unit: str) -> str:
    return f"whole units of “{unit}”"


def _tested(effects: pd.DataFrame, unit: str | None) -> str:
    """Return what effects were tested against, and of how many units they are."""
    if unit is None:
        return "tested against maps between control cells and control cells"
    n_units = sorted({int(n) for n in effects["n_units"]})
    numbers = f"{n_units[0]}" if len(n_units) == 1 else f"{n_units[0]} to {n_units[-1]}"
    text = f"tested over units of “{unit}” ({numbers} behind an effect), not over cells"
    if (too_few := effects[effects["p_min"] >= ALPHA]).empty:
        return text
    names = ", ".join(dict.fromkeys(f"“{name}”" for name in too_few["perturbation"]))
    return f"{text}; too few for any p-value of {names}"


def _severity(costs: pd.DataFrame) -> str:
    """Return the costs as a table: a row per perturbation and group."""
    records: Iterable[Any] = costs.itertuples()
    of_units = "p_min" in costs
    rows = [
        [
            Cell(str(row.perturbation)),
            Cell(str(row.group)),
            Cell.count(row.n_cells),
            Cell.of(row.distance, interval(row.distance_low, row.distance_high)),
            Cell.of(row.noise_distance),
            Cell(row.responds, marks=MARKS.get(row.responds, ())),
            Cell.of(row.cost, interval(row.ci_low, row.ci_high)),
            *([Cell.of(row.pvalue), Cell.count(row.n_units), Cell.of(row.p_min)] if of_units else []),
        ]
        for row in records
    ]
    heads = ["perturbation", "cells", "control cells", "distance", "noise", VERDICT, "cost"]
    return render(
        [*heads, *(("p", "units", "least p") if of_units else ())], rows, first=("distance", "noise", VERDICT)
    )


def _effects(effects: pd.DataFrame) -> str:
    """Return the effects as a table: a row per perturbation and group, with the features that respond."""
    rows, of_units = [], "p_min" in effects
    untested = "not tested: too few treated cells" + (" per unit" if of_units else "")
    for names, of_group in effects.groupby(["perturbation", "group"], sort=False, observed=True):
        called = of_group[of_group["pvalue_adj"] < ALPHA]
        strongest = called.iloc[np.argsort(-called["effect"].abs().to_numpy(), kind="stable")[:N_NAMED]]
        named = [
            f"{feature} {'+' if effect > 0 else ''}{number(effect, 2)}"
            for feature, effect in zip(strongest["feature"], strongest["effect"], strict=True)
        ]
        tested = bool(of_group["pvalue_adj"].notna().any())
        sides = [Cell.count(int(side.sum())) for side in (called["effect"] > 0, called["effect"] < 0)]
        rows.append(
            [
                *(Cell(str(name)) for name in names),
                Cell.count(int(of_group["n_cells"].iloc[0])),
                *([Cell.count(int(of_group["n_units"].iloc[0]))] if of_units else []),
                *(sides if tested else [Cell.of(math.nan)] * 2),
                Cell(", ".join(named) or MISSING if tested else untested, marks=("long",)),
            ]
        )
    heads = ["perturbation", "cells", "control cells", *(["units"] if of_units else []), "up", "down", "strongest"]
    return render(heads, rows)
