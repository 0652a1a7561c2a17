"""The part of the report on how cells respond: as predicted, and as observed beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from anndata import AnnData

from .. import _keys, pl, tl
from ..pl import _bases
from ._items import Drawing, Item, drawn
from ._scores import WORDS, in_order, most_severe

SHOWN = 6
"""Of more perturbations than this, figures have the most severe ones."""
BY_FEATURE = 3
"""Of more perturbations than :data:`SHOWN`, so many have their features one by one."""
SIDE_BY_SIDE = 2
"""Of more perturbations than this, the kinds of cells share one panel, and groups are shown of the most severe ones."""
ALPHA = 0.05


def by_severity(costs: pd.DataFrame) -> list[str]:
    """Return the names of the perturbations, the most severe one first.

    Parameters
    ----------
    costs
        What :func:`cellot_sc.tl.transport_cost` returned.
    """
    every = costs[costs["group"] == _keys.ALL].sort_values("cost", ascending=False, kind="stable")
    return [str(name) for name in every["perturbation"]]


def draw(adata: AnnData, *, order: Sequence[str], groupby: str | None, key: str, split: str) -> list[Item]:
    """Return predicted cells beside observed ones: on a map, by feature, and the mean changes.

    Parameters
    ----------
    adata
        Annotated data with fitted maps. It is left as it is.
    order
        Names of the perturbations, the most severe one first.
    groupby
        Column of ``obs`` with the groups, if there is one.
    key
        Where in ``uns`` the maps are.
    split
        The split that was judged.
    """
    fit = tl.maps(adata, key).fit
    judged = fit.parts(adata) == split
    treated = set(fit.labels(adata)[judged])
    seen = [name for name in order if name in treated]
    shown, side_by_side = seen[:SHOWN], seen[:SIDE_BY_SIDE]
    by_feature = seen if len(seen) <= SHOWN else seen[:BY_FEATURE]
    cells = WORDS[split]
    # the same cells are on one map
    with _bases.kept():
        on_a_map = drawn(pl.embedding, adata, shown, key=key, split=split, overlay=len(shown) > SIDE_BY_SIDE)
        by_group = _by_group(adata, side_by_side, seen, groupby=groupby, key=key, split=split)
    return [
        Item(
            "embedding",
            "Do predicted cells lie where treated cells lie?",
            f"One map (UMAP) of {cells}: control, observed treated and predicted ones, with all others in grey. Where "
            f"the predicted cells cover the observed ones, the map has learnt the response. {_of(shown, seen)}".strip(),
            on_a_map,
        ),
        *by_group,
        Item(
            "marginals",
            "Does each feature change as observed?",
            "Distribution over cells of the features that change most; where expression was decoded, that of observed "
            "and predicted cells alike. The predicted curve should follow the observed one in position and in shape: "
            "two peaks are two kinds of responses. Numbers are Wasserstein distances to the observed cells, in units "
            f"of the feature: smaller is closer. {_of(by_feature, seen)}".strip(),
            drawn(pl.marginals, adata, by_feature, key=key, split=split),
        ),
        _changes(adata[judged], shown, seen, key=key, cells=cells),
    ]


def _of(shown: Sequence[str], names: Sequence[str]) -> str:
    return most_severe(len(shown), len(names))


def _by_group(
    adata: AnnData, shown: Sequence[str], seen: Sequence[str], *, groupby: str | None, key: str, split: str
) -> list[Item]:
    """Return the same map once more, with cells coloured by their group."""
    if groupby is None:
        return []
    return [
        Item(
            "embedding_groups",
            "Does each group of cells end where it should?",
            f"The same map, coloured by “{groupby}”; predicted cells have the colour of the control cells that they "
            "were predicted from. A colour that lies elsewhere among predicted than among observed cells was moved to "
            f"the wrong place. {_of(shown, seen)}".strip(),
            drawn(pl.embedding, adata, shown, color=groupby, key=key, split=split),
        )
    ]


def _changes(judged: AnnData, shown: Sequence[str], seen: Sequence[str], *, key: str, cells: str) -> Item:
    """Return predicted against observed changes of the mean, of cells that no fit has seen."""
    changes = tl.signature(judged, targets=list(seen), key=key)
    return Item(
        "responses",
        "Is the change of each feature the one that was observed?",
        f"Predicted against observed change of the mean, a point per feature, of {cells}. On the dotted line the "
        f"prediction is what was observed; r is the correlation. {_of(shown, seen)}".strip(),
        drawn(pl.responses, changes[changes["perturbation"].isin(shown)]),
        data=changes,
    )


def of_most_severe(order: Sequence[str]) -> str:
    """Return in words that a figure has the most severe perturbations only; nothing if it has all."""
    return most_severe(min(len(order), SHOWN), len(order))


def severities(costs: pd.DataFrame, palette: Mapping[str, Any]) -> tuple[Drawing, Drawing | None]:
    """Return how severe perturbations are, and, of many, a second figure with the groups of cells.

    Parameters
    ----------
    costs
        What :func:`cellot_sc.tl.transport_cost` returned.
    palette
        Colours of the groups.
    """

    def of(table: pd.DataFrame) -> Drawing:
        return drawn(pl.transport_cost, table, palette=palette)

    every = costs["group"] == _keys.ALL
    n = int(every.sum())
    if every.all() or 1 < n <= SHOWN:
        return of(costs), None
    if n == 1:
        # groups as rows, each with its name, need no legend
        names = costs["group"].astype(str).where(~every, "all cells")
        return of(costs.assign(perturbation=names, group=_keys.ALL)), None
    return of(costs[every]), of(costs)


def effects_of(effects: pd.DataFrame, order: Sequence[str]) -> tuple[Drawing, Drawing | None]:
    """Return the effects of the most severe perturbations, and, of many, a second figure with all.

    Parameters
    ----------
    effects
        Effects, as :func:`cellot_sc.tl.subpopulation_effects` returns them.
    order
        Names of the perturbations, the most severe one first.
    """

    def of(names: Sequence[str]) -> Drawing:
        rows = in_order(effects[effects["perturbation"].isin(names)], names)
        return drawn(pl.subpopulation_effects, rows, alpha=ALPHA)

    return of(order[:SHOWN]), of(order) if len(order) > SHOWN else None


def volcano(effects: pd.DataFrame, *, order: Sequence[str]) -> Item:
    """Return which features change, and how surely.

    Parameters
    ----------
    effects
        Effects, as :func:`cellot_sc.tl.subpopulation_effects` returns them.
    order
        Names of the perturbations, the most severe one first.
    """
    shown, groups = order[:SHOWN], None
    said = "A point is a feature in a group of cells"
    if len(order) == 1:
        called = effects[effects["pvalue_adj"] < ALPHA]["group"].value_counts()
        every = sorted(effects["group"].unique(), key=lambda group: -called.get(group, 0))
        groups = every[:SHOWN]
        said = "A point is a feature"
        if len(groups) < len(every):
            said += f"; of {len(every)} groups of cells, the {SHOWN} with the most significant features are shown"
    return Item(
        "volcano",
        "Which features change, and how surely?",
        "The mean predicted change against its p-value, adjusted for all features and groups of cells together: the "
        f"further up, the surer. Effects that are significant at a false discovery rate of 5 % are coloured. {said}. "
        f"{of_most_severe(order)}".strip(),
        drawn(pl.volcano, effects, shown, group=groups, alpha=ALPHA),
    )


def clusters(clustered: AnnData, groupby: str) -> Item:
    """Return which groups the clusters of responses are made of.

    Parameters
    ----------
    clustered
        What :func:`cellot_sc.tl.effect_clusters` returned.
    groupby
        Column of ``obs`` with the groups.
    """
    return Item(
        "composition",
        "Are these populations the known ones?",
        f"Shares of “{groupby}” in each of the clusters. A cluster of one colour responds as one known group; one "
        "group in several clusters responds in several ways.",
        drawn(pl.composition, clustered, groupby),
    )
