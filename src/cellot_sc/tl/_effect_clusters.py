"""Populations that respond differently, found without labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from .. import _keys, _validate
from .._settings import logger
from ._displacements import displacements
from ._observed import mean_and_variance, observed

N_NAMED = 5
"""Markers and effects that a cluster is named by."""


def effect_clusters(
    adata: AnnData,
    target: str | Sequence[str] | None = None,
    *,
    key: str = _keys.MODEL,
    resolution: float = 0.5,
    key_added: str = "effect_cluster",
    seed: int = 0,
    copy: bool = False,
) -> AnnData | None:
    """Cluster control cells by how they are predicted to be displaced.

    Parameters
    ----------
    adata
        Annotated data with maps fitted by :func:`cellot_sc.tl.cellot`.
    target
        Perturbation or perturbations whose displacements, side by side, describe a cell; all fitted ones with
        ``None``.
    key
        Where in ``uns`` the maps are.
    resolution
        Of Leiden: the higher, the more clusters.
    key_added
        Column of ``obs`` and key of ``uns`` to write.
    seed
        Seed of the neighbours and of Leiden.
    copy
        Whether to return a copy instead of writing to ``adata``.

    Returns
    -------
    ``None``, or with ``copy=True`` an AnnData, in which ``obs[key_added]`` holds the cluster of every control cell,
    missing for others, and ``uns[key_added]`` a table with a row per cluster: ``cluster``, ``n_cells``, ``markers``
    and ``effects``.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cs.tl.effect_clusters(adata, "drug_a")
    >>> adata.uns["effect_cluster"].columns.tolist()
    ['cluster', 'n_cells', 'markers', 'effects']
    """
    import scanpy as sc

    resolution = _validate.positive(resolution, what="resolution")
    seed = _validate.seed(seed)
    moves = displacements(adata, key, target)
    cells = AnnData(np.hstack([moves.of(name) for name in moves.names]))
    sc.pp.neighbors(cells, use_rep="X", random_state=seed)
    sc.tl.leiden(
        cells, resolution=resolution, random_state=seed, flavor="igraph", n_iterations=2, directed=False, key_added="c"
    )
    found = cells.obs["c"]
    clusters = list(found.cat.categories)
    labels = np.full(adata.n_obs, None, dtype=object)
    labels[moves.rows] = found.astype(str).to_numpy(dtype=object)

    seen = observed(moves)[moves.rows]
    overall, spread = mean_and_variance(seen)
    changes = {name: moves.effects(name) for name in moves.names}
    table = []
    for cluster in clusters:
        mask = (found == cluster).to_numpy()
        marker = (mean_and_variance(seen[mask])[0] - overall) / np.sqrt(np.maximum(spread, 1e-12))
        markers = [moves.features[i] for i in np.argsort(-marker)[:N_NAMED]]
        strongest = []
        for name, change in changes.items():
            effect = change[mask].mean(axis=0)
            best = np.argsort(-np.abs(effect))[:N_NAMED]
            label = f"{name}: " if len(changes) > 1 else ""
            strongest.append(label + ", ".join(f"{moves.features[i]} {effect[i]:+.2f}" for i in best))
        table.append((cluster, int(mask.sum()), ", ".join(markers), "; ".join(strongest)))

    out = adata.copy() if copy else adata
    out.obs[key_added] = pd.Categorical(labels, categories=clusters)
    out.uns[key_added] = pd.DataFrame(table, columns=["cluster", "n_cells", "markers", "effects"])
    logger.info("found %d clusters: added obs[%r] and uns[%r]", len(clusters), key_added, key_added)
    return out if copy else None
