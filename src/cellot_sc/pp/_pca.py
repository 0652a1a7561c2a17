"""Principal components: arrays in, arrays out.

The decoder is a dict of arrays that an AnnData can keep in ``uns`` and on disk; what is computed from it is the same
before and after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from cellot_sc._settings import logger
from cellot_sc._states import Field, Numbers, Whole

from ._rows import bounded, by_row

CHUNK = 8192
"""Cells that are held dense at once."""
FIELDS: dict[str, Field] = {
    "n_components": Whole(axis="l"),
    "mean": Numbers("g"),
    "components": Numbers("lg"),
    "range": Numbers("2"),
}
"""What every field of a decoder that is used has to be: ``g`` genes, ``l`` components."""
OPTIONAL = ()
MAX_EXACT_GENES = 2000
"""Up to this many genes, the covariance is decomposed directly, which is faster; beyond, components are iterated to."""


def options() -> list[str]:
    """Return the names of the options of :func:`fit`: none."""
    return []


def fit(x: Any, n_components: int, *, valid: Any = None, seed: int = 0) -> dict[str, Any]:
    """Fit principal components and return their decoder.

    Parameters
    ----------
    x
        Train cells, dense or sparse, shape (n_cells, n_genes). Sparse cells are centred implicitly.
    n_components
        How many components are wanted; lowered, with a log line, to what ``x`` can have.
    valid, seed
        Not used: nothing is chosen, and nothing random.
    """
    n_cells, n_genes = x.shape
    most = min(n_cells - 1, n_genes)
    if n_components > most:
        why = f"{n_cells} train cells, {n_genes} genes"
        logger.warning("n_components lowered from %d to %d: %s", n_components, most, why)
        n_components = most
    low, high = (m.toarray() if hasattr(m, "toarray") else m for m in (x.min(axis=0), x.max(axis=0)))
    if (low == high).all():
        raise ValueError("The expression of train cells is the same in all of them: there is nothing to represent.")
    # squares of single-precision values cancel when the mean is taken off
    cells = by_row(x).astype(np.float64)
    exact = n_genes <= MAX_EXACT_GENES or n_components == n_genes
    pca = PCA(n_components, svd_solver="covariance_eigh" if exact else "arpack", random_state=0).fit(cells)
    return {
        "n_components": n_components,
        "mean": pca.mean_.astype(np.float32),
        "components": pca.components_.astype(np.float32),
        "explained_variance_ratio": pca.explained_variance_ratio_.astype(np.float32),
        "range": np.array([x.min(), x.max()], dtype=np.float32),
    }


def project(x: Any, decoder: Mapping[str, Any]) -> np.ndarray:
    """Return the scores, float32 (n_cells, n_components), of dense or sparse cells of shape (n_cells, n_genes)."""
    components = decoder["components"].astype(np.float64).T
    offset = decoder["mean"].astype(np.float64) @ components
    cells = by_row(x)
    latent = np.empty((x.shape[0], components.shape[1]), dtype=np.float32)
    for start in range(0, x.shape[0], CHUNK):
        rows = slice(start, start + CHUNK)
        latent[rows] = cells[rows] @ components - offset
    return latent


def reconstruct(latent: np.ndarray, decoder: Mapping[str, Any]) -> np.ndarray:
    """Return the expression, float32 (n_cells, n_genes), at scores of shape (n_cells, n_components)."""
    x = np.asarray(latent, dtype=np.float32) @ decoder["components"]
    x += decoder["mean"]
    return bounded(x, *decoder["range"])
