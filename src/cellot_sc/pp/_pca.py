"""Principal components: arrays in, arrays out.

The decoder is a dict of arrays that an AnnData can keep in ``uns`` and on disk; what is computed from it is the same
before and after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from cellot_sc._chunks import Stored, chunks
from cellot_sc._settings import logger
from cellot_sc._states import Field, Numbers, Whole

from ._moments import gene_moments, principal
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
MAX_READ_GENES = 4096
"""The same for cells that are read in chunks, as reading them again costs more: 134 MB in double precision."""


def options() -> list[str]:
    """Return the names of the options of :func:`fit`: none."""
    return []


def fit(x: Any, n_components: int, *, valid: Any = None, seed: int = 0) -> dict[str, Any]:
    """Fit principal components and return their decoder.

    Parameters
    ----------
    x
        Train cells, dense or sparse, shape (n_cells, n_genes), or :class:`cellot_sc._chunks.Stored`, which are read in
        chunks: once for up to :data:`MAX_READ_GENES` genes, about 15 times for more. Sparse cells are centred
        implicitly.
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
    found = (_read if isinstance(x, Stored) else _at_once)(x, n_components)
    return {"n_components": n_components, **{name: np.asarray(one, dtype=np.float32) for name, one in found.items()}}


def _at_once(x: Any, n_components: int) -> dict[str, Any]:
    """Return what a decoder keeps, beside the number of components, of cells in memory."""
    low, high = (m.toarray() if hasattr(m, "toarray") else m for m in (x.min(axis=0), x.max(axis=0)))
    _check_differ(low, high)
    # squares of single-precision values cancel when the mean is taken off
    cells = by_row(x).astype(np.float64)
    exact = x.shape[1] <= MAX_EXACT_GENES or n_components == x.shape[1]
    pca = PCA(n_components, svd_solver="covariance_eigh" if exact else "arpack", random_state=0).fit(cells)
    return {
        "mean": pca.mean_,
        "components": pca.components_,
        "explained_variance_ratio": pca.explained_variance_ratio_,
        "range": [x.min(), x.max()],
    }


def _read(x: Stored, n_components: int) -> dict[str, Any]:
    """Return the same of cells that are read in chunks."""
    # so many components would take as much memory as the covariance does
    given = gene_moments(x, covariance=x.shape[1] <= MAX_READ_GENES or 4 * n_components > x.shape[1])
    _check_differ(given.low, given.high)
    found = principal(x, given, n_components)
    return {
        "mean": given.mean,
        "components": found.components,
        "explained_variance_ratio": found.variances / given.variances.sum(),
        "range": [given.low.min(), given.high.max()],
    }


def _check_differ(low: np.ndarray, high: np.ndarray) -> None:
    if (low == high).all():
        raise ValueError("The expression of train cells is the same in all of them: there is nothing to represent.")


def project(x: Any, decoder: Mapping[str, Any]) -> np.ndarray:
    """Return the scores, float32 (n_cells, n_components), of dense or sparse cells of shape (n_cells, n_genes)."""
    components = decoder["components"].astype(np.float64).T
    offset = decoder["mean"].astype(np.float64) @ components
    latent = np.empty((x.shape[0], components.shape[1]), dtype=np.float32)
    for rows, cells in chunks(by_row(x), CHUNK):
        latent[rows] = cells @ components - offset
    return latent


def reconstruct(latent: np.ndarray, decoder: Mapping[str, Any]) -> np.ndarray:
    """Return the expression, float32 (n_cells, n_genes), at scores of shape (n_cells, n_components)."""
    x = np.asarray(latent, dtype=np.float32) @ decoder["components"]
    x += decoder["mean"]
    return bounded(x, *decoder["range"])
