"""Reads clouds of cells out of an AnnData as the float32 arrays that the numerical core works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from ... import _keys, _validate

if TYPE_CHECKING:
    from anndata import AnnData


def latent(adata: AnnData, use_rep: str, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Return the representation of the chosen cells, float32, shape ``(n_cells, n_dims)``.

    Parameters
    ----------
    adata
        Annotated data.
    use_rep
        Key in ``obsm``, or ``"X"`` for the expression itself.
    rows
        Boolean mask, positions or slice of cells.

    Raises
    ------
    KeyError
        If there is no such representation.
    ValueError
        If it is not a matrix.
    """
    _validate.representation_key(adata, use_rep)
    values = adata.X if use_rep == _keys.EXPRESSION else adata.obsm[use_rep]
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    values = _validate.matrix(values, what=f"use_rep {use_rep!r}")[rows]
    if sparse.issparse(values):
        values = values.toarray()
    return np.asarray(values, dtype=np.float32)
