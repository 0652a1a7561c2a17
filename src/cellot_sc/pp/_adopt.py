"""A way back to genes for components that scanpy has made."""

from __future__ import annotations

from typing import Any

import numpy as np
from anndata import AnnData

from cellot_sc import _keys, _validate
from cellot_sc._chunks import Stored, stored, taken
from cellot_sc._settings import logger

from ._moments import gene_moments
from ._pca import project
from ._rows import by_row, dense, extremes, read

LOADINGS = "PCs"
"""Where scanpy keeps the components in ``varm``."""
N_COMPARED = 100
"""Cells by which components are compared with the expression."""


def adopt(adata: AnnData, cells: AnnData, use_rep: str, train: np.ndarray) -> bool:
    """Make the decoder of a representation of scanpy, if its components in ``varm`` make it of ``X``.

    With components :math:`V`, scanpy's coordinates are :math:`(x - m) V` for the mean :math:`m` of the cells that they
    were fitted on, which it does not keep. Genes are :math:`z V^T + c`, in which :math:`c` is taken such that the mean
    of train cells is kept.

    Parameters
    ----------
    adata
        Annotated data with ``obsm[use_rep]``.
    cells
        Where the decoder is written, to ``uns[use_rep]``.
    use_rep
        The representation.
    train
        Mask of the train cells.

    Returns
    -------
    Whether there is a decoder now. What was done, or why not, is logged.

    Raises
    ------
    ValueError
        If a gene has no name or that of another one, or the components or the expression are no real numbers, or
        masked.
    """
    how = _components(adata, use_rep, train)
    if isinstance(how, str):
        logger.info("obsm[%r] is used as it is, and predictions are %r without genes: %s", use_rep, use_rep, how)
        return False
    cells.uns[use_rep] = how
    unloaded = int((how["components"] == 0).all(axis=0).sum())
    logger.info(
        "obsm[%r] is decoded to genes by varm[%r] and the mean of train cells, at which %d genes without loadings stay",
        *(use_rep, LOADINGS, unloaded),
    )
    return True


def _components(adata: AnnData, use_rep: str, train: np.ndarray) -> dict[str, Any] | str:
    """Return the decoder, or why there is none."""
    if use_rep != _keys.PCA or LOADINGS not in adata.varm or adata.X is None:
        return f"there is no varm[{LOADINGS!r}] to decode it by" if use_rep == _keys.PCA else "nothing decodes it"
    genes = _validate.gene_names(adata)
    components = dense(_validate.matrix(adata.varm[LOADINGS], what=f"adata.varm[{LOADINGS!r}]")).T
    latent = read(stored(adata.obsm[use_rep], what=f"adata.obsm[{use_rep!r}]", finite=False))
    x = by_row(_validate.expression(adata, None, stores=True))
    if components.shape != (latent.shape[1], adata.n_vars):
        return f"varm[{LOADINGS!r}] has another number of dimensions"
    seen = x[train]
    low, high = extremes(seen)
    mean = gene_moments(seen, covariance=False).mean if isinstance(seen, Stored) else np.asarray(seen.mean(axis=0))
    mean = mean.ravel().astype(np.float64)
    decoder = {
        "method": "pca",
        "layer": _keys.EXPRESSION,
        "var_names": genes,
        "n_components": latent.shape[1],
        "mean": (mean - latent[train].mean(axis=0, dtype=np.float64) @ components).astype(np.float32),
        "components": components,
        "range": np.array([low, high], dtype=np.float32),
    }
    rows = np.unique(np.linspace(0, adata.n_obs - 1, N_COMPARED).astype(int))
    off = np.abs(project(taken(x, rows), decoder) - latent[rows]).max()
    if not off <= 0.01 * np.abs(latent[rows]).max():
        return f"varm[{LOADINGS!r}] does not make it of X, which has changed since"
    return decoder
