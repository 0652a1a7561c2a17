"""From few dimensions back to genes."""

from __future__ import annotations

import numpy as np
from anndata import AnnData

from cellot_sc import _keys, _validate

from ._methods import METHODS


@_validate.takes_adata
def decode(adata: AnnData, latent: np.ndarray, *, key: str = _keys.REP) -> np.ndarray:
    """Return the expression at points of a representation made by :func:`cellot_sc.pp.represent`.

    Parameters
    ----------
    adata
        Cells with the representation's decoder; their genes have to be those it was fitted on.
    latent
        Points, for example transported cells, shape (n_cells, n_components).
    key
        Key of ``uns`` with the decoder.

    Returns
    -------
    numpy.ndarray
        Expression of each cell and gene on the scale of what was represented, float32 (n_cells, n_vars); not below 0
        if that was not.

    Raises
    ------
    KeyError
        If there is no decoder under ``key``.
    ValueError
        If ``latent`` has another number of dimensions or holds NaN or inf, or the genes are not those of the decoder.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=60)
    >>> cs.pp.represent(adata, n_components=10)
    >>> cs.pp.decode(adata, adata.obsm["X_cellot"][:5]).shape
    (5, 60)
    """
    decoder = _validate.decoder(adata, key)
    points = _validate.points(latent, n_dims=decoder["n_components"], what="latent")
    return METHODS[decoder["method"]].reconstruct(points, decoder)
