"""Where in a tissue cells respond."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import stats

from ... import _keys, _validate
from ..._settings import logger
from ...metrics._moderated import pvalues, standardised
from .._fit.tables import keeper
from .displacements import displacements, largest
from .null import null, responding, spread

N_CHANGED = 20
"""Features that are looked at if none is named."""


@_validate.takes_adata
def spatial_effects(
    adata: AnnData,
    features: str | Sequence[str] | None = None,
    *,
    targets: str | Sequence[str] | None = None,
    key: str = _keys.MODEL,
    spatial_key: str = "spatial",
    library_key: str | None = None,
    n_neighbors: int = 6,
    n_perms: int = 200,
    seed: int = 0,
    key_added: str | None = None,
) -> pd.DataFrame:
    """Measure whether control cells that lie close to each other are predicted to respond alike.

    On the graph of each control cell's nearest control cells in the tissue: Moran's I of the change that the map makes
    in each cell, and how much more often cells that respond (see :func:`responders`) lie beside each other than if they
    were scattered over the same places. Both through squidpy (Palla et al. 2022, doi 10.1038/s41592-021-01358-2), which
    comes with ``pip install 'cellot-sc[spatial]'``.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`, and the cells they were fitted to; those of a
        model need none.
    features
        Genes or markers; with ``None``, the 20 that change most, by the mean of their absolute change.
    targets
        Perturbation or perturbations, all fitted ones with ``None``.
    key
        Where in ``uns`` the maps are.
    spatial_key
        Key of ``obsm`` with the coordinates of the cells.
    library_key
        Column of ``obs`` with the sample, such as the slide or the well, whose coordinates are its own.
    n_neighbors
        Number of neighbours of a cell.
    n_perms
        Number of permutations behind the enrichment.
    seed
        Seed of the null and of the permutations.
    key_added
        Where in ``uns`` the table is kept as well, so that files have it; nowhere with ``None``. What is there already
        has to be an older one of this function.

    Returns
    -------
    Tidy table with a row per perturbation and feature:

    - ``moran_i``: Moran's I of the change, 1 if neighbours change alike and about 0 if they have nothing in common.
    - ``pvalue``: of no autocorrelation, one-sided, by the normal approximation; or of no cell that responds (Simes
      1986, doi 10.1093/biomet/73.3.751), if that is greater.
    - ``pvalue_adj``: adjusted for the features of the perturbation (Benjamini and Hochberg).
    - ``frac_responding``: share of the control cells that respond.
    - ``enrichment``: number of edges between cells that respond, in standard deviations from its mean over
      permutations; NaN if all cells respond, or none.
    - ``n_cells``: number of control cells.

    Raises
    ------
    ImportError
        If squidpy is not installed.
    KeyError
        If there are no fitted maps, or no such feature, column, coordinates or representation.
    ValueError
        If a target was not fitted, coordinates are no two or three finite numbers, or a number is not positive.

    Notes
    -----
    A map changes a cell by what the cell is, not by where it is: effects are patterned as far as the states of cells
    are. Compare with the pattern of expression itself where that is the question.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> adata.obsm["spatial"] = adata.obsm["X_cellot"][:, :2]
    >>> cs.tl.spatial_effects(adata, "gene_38")["feature"].tolist()  # doctest: +SKIP
    ['gene_38', 'gene_38']
    """
    keep = keeper(adata, key_added, ("feature", "moran_i", "enrichment"))
    seed = _validate.seed(seed)
    squidpy = _validate.installed("squidpy", extra="spatial", what="cs.tl.spatial_effects")
    n_neighbors = _validate.whole(n_neighbors, 1, what="n_neighbors")
    n_perms = _validate.whole(n_perms, 1, what="n_perms")
    moves = displacements(adata, key, targets)
    names = None if features is None else _validate.feature_names(features, moves.space.features)
    tissue = AnnData(obs=pd.DataFrame(index=adata.obs_names[moves.rows].astype(str)))
    tissue.obsm["spatial"] = _validate.coordinates(adata, spatial_key, moves.rows)
    if library_key is not None:
        codes = _validate.group_codes(adata, library_key, what="library_key")[moves.rows]
        tissue.obs["library"] = pd.Categorical(codes)
    library = None if library_key is None else "library"
    squidpy.gr.spatial_neighbors_knn(tissue, n_neighs=n_neighbors, library_key=library)
    null_maps = null(moves, seed=seed)
    noise, _ = spread(null_maps, moves, {}, slice(None))
    tables = []
    for name in moves.names:
        change = moves.effects(name)
        shown = largest(np.abs(change).mean(axis=0), moves.space.features)[:N_CHANGED] if names is None else names
        columns = [moves.space.features.index(feature) for feature in shown]
        z = standardised(change[:, columns], null_maps.scale[name] * noise[:, columns])
        calls = responding(z, null_maps)
        # squidpy sorts its result: positions in place of names put it back in order, whatever the names are
        positions = [str(i) for i in range(len(columns))]
        cells = AnnData(change[:, columns], obs=tissue.obs, var=pd.DataFrame(index=positions), obsp=tissue.obsp)
        moran = squidpy.gr.spatial_autocorr(cells, mode="moran", copy=True, show_progress_bar=False).loc[positions]
        # what finite samples make of an inert drug follows the states of the cells, too: some cell has to respond
        pvalue = np.maximum(
            moran["pval_norm"].fillna(1), stats.false_discovery_control(pvalues(z, null_maps.df), axis=0).min(axis=0)
        )
        table = {
            "perturbation": name,
            "feature": shown,
            "moran_i": moran["I"].to_numpy(),
            "pvalue": pvalue,
            "pvalue_adj": stats.false_discovery_control(pvalue),
            "frac_responding": calls.mean(axis=0),
            "enrichment": [_enrichment(squidpy, tissue, called, library, n_perms, seed) for called in calls.T],
            "n_cells": len(moves.rows),
        }
        tables.append(pd.DataFrame(table))
    logger.info("looked for spatial patterns in the effects of %d perturbations", len(moves.names))
    return keep(pd.concat(tables, ignore_index=True))


def _enrichment(
    squidpy: ModuleType, tissue: AnnData, called: np.ndarray, library: str | None, n_perms: int, seed: int
) -> float:
    """Return the z-score of edges between called cells, NaN if all are called or none."""
    if called.all() or not called.any():
        return float("nan")
    tissue.obs["responds"] = pd.Categorical(called, categories=[False, True])
    enrichment = squidpy.gr.nhood_enrichment(
        tissue, "responds", library_key=library, n_perms=n_perms, seed=seed, copy=True, show_progress_bar=False
    )
    return float(enrichment.zscore[1, 1])
