"""From few dimensions back to genes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from anndata import AnnData

from cellot_sc import _keys, _validate
from cellot_sc._digest import digest

from ._methods import METHODS, check
from ._origin import MARKS


@_validate.takes_adata
def decode(adata: AnnData, latent: np.ndarray, *, key: str = _keys.REP) -> np.ndarray:
    """Return the expression at points of a representation made by :func:`cellot_sc.pp.represent`.

    Parameters
    ----------
    adata
        Cells with the representation's decoder; their genes have to be those it was fitted on, in any order.
    latent
        Points, for example transported cells, shape (n_cells, n_components).
    key
        Key of ``uns`` with the decoder.

    Returns
    -------
    numpy.ndarray
        Expression of each cell and gene on the scale of what was represented, float32 (n_cells, n_vars). If that was
        not negative, it is cut off at 0, and at the highest value of the cells that the decoder was fitted on.

    Raises
    ------
    KeyError
        If there is no decoder under ``key``.
    ValueError
        If ``latent`` has another number of dimensions or holds NaN or inf, or the genes are not those of the decoder,
        or that cannot be used: a field is missing, of another shape, NaN or inf.

    Examples
    --------
    >>> import cellot_sc as cs
    >>> adata = cs.datasets.simulate(n_cells=300, n_genes=60)
    >>> cs.pp.represent(adata, n_components=10)
    >>> cs.pp.decode(adata, adata.obsm["X_cellot"][:5]).shape
    (5, 60)
    """
    decoder = _validate.decoder(adata, key)
    expression = reconstruct(decoder, latent)
    genes = [str(name) for name in decoder["var_names"]]
    names = _validate.names_of_genes(adata, decoder.get(_keys.GENE_KEY))
    columns = _validate.gene_columns(names, genes, what=f"adata.uns[{key!r}] was", exact=True)
    return expression if columns is None else expression[:, np.argsort(columns)]


def reconstruct(decoder: Mapping[str, Any], latent: np.ndarray) -> np.ndarray:
    """Return the expression of the decoder's own genes in their own order; parameters and errors of :func:`decode`."""
    check(decoder)
    points = _validate.points(latent, n_dims=int(decoder["n_components"]), what="latent")
    return METHODS[decoder["method"]].reconstruct(points, decoder)


def decoder_digest(decoder: Mapping[str, Any]) -> str:
    """Return what tells a decoder from any other, empty if there is none: not what it says of the cells at hand."""
    own = {name: value for name, value in decoder.items() if name not in (MARKS, _keys.FILLED, _keys.GENE_KEY)}
    return digest(own) if decoder else ""
