"""Populations that respond differently, found without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _neighbors, _validate
from ..._settings import logger
from .displacements import displacements
from .observed import sample

N_NAMED = 5
"""Markers and effects that a cluster is named by."""
ALIKE = 1e-4
"""Cells whose displacements differ by less than this share of their size are moved alike."""


@_validate.takes_adata
def effect_clusters(
    adata: AnnData,
    targets: str | Sequence[str] | None = None,
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
    targets
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
    missing for others, and ``uns[key_added]`` a table with a row per cluster, the largest first: ``cluster``;
    ``n_cells``; ``markers``, the names of the features by which its control cells differ most from others'; and
    ``effects``, the features that change most in it, each with its mean change. One cluster, if all cells are moved
    alike. ``uns[f"{key_added}_maps"]`` is what the maps are known by.

    Raises
    ------
    KeyError
        If there are no fitted maps, no such column or representation.
    ValueError
        If a target was not fitted, or no file can hold ``key_added`` or something else than clusters is kept there.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(600, 50)
    >>> cs.tl.cellot(adata, solver="gaussian")
    >>> cs.tl.effect_clusters(adata, "drug_a")
    >>> adata.uns["effect_cluster"].columns.tolist()
    ['cluster', 'n_cells', 'markers', 'effects']
    """
    resolution = _validate.positive(resolution, what="resolution")
    seed = _validate.seed(seed)
    _validate.key(key_added)
    moves = displacements(adata, key, targets)
    _validate.not_read(key_added, [moves.fitted.fit.label_key, moves.fitted.fit.split_key], what="key_added")
    _validate.free_uns_key(key_added, moves.space.name, what="key_added")
    _validate.new_key(adata, key_added, _validate.CLUSTERS)
    _validate.new_column(adata, key_added, map(str, range(adata.n_obs)))
    known_by = f"{key_added}_maps"
    if not isinstance(adata.uns.get(known_by, ""), str):
        raise ValueError(f"key_added {key_added!r} would overwrite adata.uns[{known_by!r}]: choose another name.")
    codes = _clusters(np.hstack([moves.of(name) for name in moves.names]), resolution, seed)
    clusters = [str(i) for i in range(codes.max() + 1)]
    labels = np.full(adata.n_obs, None, dtype=object)
    labels[moves.rows] = np.array(clusters, dtype=object)[codes]

    observed = moves.space.observed()[moves.rows]
    changes = {name: moves.effects(name) for name in moves.names}
    table = pd.DataFrame(
        [
            (
                cluster,
                int((codes == i).sum()),
                ", ".join(_markers(observed, codes == i, moves.space.features)),
                "; ".join(_strongest(changes, codes == i, moves.space.features)),
            )
            for i, cluster in enumerate(clusters)
        ],
        columns=["cluster", "n_cells", "markers", "effects"],
    )

    out = _validate.writable(adata, copy=copy)
    out.obs[key_added] = pd.Categorical(labels, categories=clusters)
    out.uns[key_added] = table
    out.uns[known_by] = moves.fitted.digest
    logger.info("found %d clusters: added obs[%r] and uns[%r]", len(clusters), key_added, key_added)
    return out if copy else None


def _clusters(fields: np.ndarray, resolution: float, seed: int) -> np.ndarray:
    """Return the cluster of every cell, numbered from the largest, given what moves it, shape ``(n_cells, n_dims)``."""
    import scanpy as sc

    differences = fields - fields.mean(axis=0)
    # a graph of neighbours would make groups even of rounding errors
    if (differences**2).sum() <= ALIKE**2 * (fields**2).sum():
        return np.zeros(len(fields), dtype=np.int64)
    cells = AnnData(fields)
    _neighbors.find(cells, n_neighbors=15, seed=seed)
    sc.tl.leiden(
        cells, resolution, random_state=seed, flavor="igraph", n_iterations=2, directed=False, key_added="cluster"
    )
    return cells.obs["cluster"].astype(int).to_numpy()


def _markers(observed: Any, members: np.ndarray, features: list[str]) -> list[str]:
    """Return the features in which a cluster exceeds other cells most, in units of the standard deviation within."""
    if members.all():
        return []
    inside, outside = sample(observed[members]), sample(observed[~members])
    spread = np.sqrt(np.nan_to_num(inside.variance) + np.nan_to_num(outside.variance))
    excess = np.divide(inside.mean - outside.mean, spread, out=np.zeros_like(spread), where=spread > 0)
    return [features[i] for i in np.argsort(-excess)[:N_NAMED] if excess[i] > 0]


def _strongest(changes: Mapping[str, np.ndarray], members: np.ndarray, features: list[str]) -> list[str]:
    """Return what each perturbation changes most in a cluster, the perturbation first if there are several."""
    texts = []
    for name, change in changes.items():
        effect = change[members].mean(axis=0)
        largest = np.argsort(-np.abs(effect))[:N_NAMED]
        text = ", ".join(f"{features[i]} {effect[i]:+.2f}" for i in largest)
        texts.append(f"{name}: {text}" if len(changes) > 1 else text)
    return texts
