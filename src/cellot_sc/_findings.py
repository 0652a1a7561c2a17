"""The figures of the report on what the maps say about biology."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _keys, pl, tl
from ._report import Item, figure_of
from .pl._style import palette

if TYPE_CHECKING:
    from anndata import AnnData


def draw(adata: AnnData, *, groupby: str, key: str = _keys.MODEL, seed: int = 0) -> list[Item]:
    """Draw how severe perturbations are, which groups of cells respond by what, and which cells respond alike.

    Parameters
    ----------
    adata
        Annotated data with fitted maps. It is left as it is.
    groupby
        Column of ``obs`` with the groups, such as the cell type.
    key
        Where in ``uns`` the maps are.
    seed
        Seed of resamples, nulls and clusters.
    """
    costs = tl.transport_cost(adata, key=key, groupby=groupby, seed=seed)
    effects = tl.subpopulation_effects(adata, groupby, key=key, seed=seed)
    items = [
        Item(
            "transport_cost",
            "How severe is each perturbation?",
            "How far the map moves control cells, all of them and those of each group, the most severe perturbation on "
            "top. Grey bars reach as far as control cells would seem to be moved if they were compared with other "
            "control cells: what lies within them is noise. Lines are 95 % intervals over resampled cells.",
            figure_of({"": pl.transport_cost(costs, palette=palette(adata, groupby), show=False)}),
        ),
        Item(
            "subpopulation_effects",
            "Which groups of cells respond, and by what?",
            "The mean predicted change of features (colour) in each group, and how many of its cells change by more "
            "than noise (area). A black ring marks effects that are significant at a false discovery rate of 5 %, "
            "tested against maps between control cells and control cells. A column without rings is a feature that "
            "does not respond.",
            figure_of(pl.subpopulation_effects(effects, show=False)),
        ),
    ]
    clustered = tl.effect_clusters(adata, key=key, seed=seed, copy=True)
    if clustered is not None and len(clustered.uns["effect_cluster"]) > 1:
        items.append(
            Item(
                "effect_clusters",
                "Are there populations that respond differently?",
                "Control cells grouped by how they are predicted to change, without looking at any label. Cells that "
                "are close on the left respond alike. On the right is what changes in each cluster, beside the "
                "features that mark its cells before any perturbation.",
                figure_of(pl.effect_clusters(clustered, key=key, show=False)),
            )
        )
    return items
