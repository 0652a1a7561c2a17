"""Neighbours of many points, as scanpy finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData

MAX_POINTS = 8192
"""Of more points, scanpy looks for approximate neighbours if it is not told otherwise."""
N_NEIGHBOURS = 15
"""Of which a UMAP is made, as scanpy does."""


def find(points: AnnData, *, n_neighbors: int, seed: int) -> None:
    """Add the neighbours of the rows of ``X`` to an AnnData, exact ones whatever their number.

    Parameters
    ----------
    points
        An AnnData of points.
    n_neighbors
        How many.
    seed
        Seed of scanpy's.
    """
    import scanpy as sc

    # of approximate ones, scanpy 1.12 cannot read the distances that scipy 1.18 returns
    transformer = "sklearn" if points.n_obs > MAX_POINTS else None
    sc.pp.neighbors(points, n_neighbors=n_neighbors, use_rep="X", random_state=seed, transformer=transformer)


def umap(x: np.ndarray, *, seed: int) -> np.ndarray:
    """Return the UMAP of points, float32 of shape ``(n_points, 2)``.

    Parameters
    ----------
    x
        The points, shape ``(n_points, n_dims)``.
    seed
        Seed of scanpy's.
    """
    import scanpy as sc
    from anndata import AnnData

    points = AnnData(x)
    find(points, n_neighbors=min(N_NEIGHBOURS, len(x) - 1), seed=seed)
    sc.tl.umap(points, random_state=seed)
    return np.asarray(points.obsm["X_umap"])
