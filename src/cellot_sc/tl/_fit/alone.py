"""What other processes are sent of an AnnData: a space without its cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from anndata import AnnData

from ...pp import Space


def alone(space: Space) -> Space:
    """Return a space without its cells: all that its points are decoded by, for another process."""
    adata, name = space.adata, space.name
    if space.is_expression:
        return replace(space, adata=AnnData(np.zeros((0, adata.n_vars), np.float32), var=adata.var))
    kept = np.zeros((0, adata.obsm[name].shape[1]), np.float32)
    bare = AnnData(shape=(0, adata.n_vars), var=adata.var, obsm={name: kept}, uns={name: adata.uns[name]})
    return replace(space, adata=bare)
