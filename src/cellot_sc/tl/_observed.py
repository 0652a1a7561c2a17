"""Expression as it was observed, on the scale that predictions are decoded to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys, _validate
from ._clouds import latent

if TYPE_CHECKING:
    from anndata import AnnData

    from ._displacements import Displacements


def observed(moves: Displacements) -> Any:
    """Return the features of all cells, dense or sparse, shape ``(n_obs, n_features)``.

    What was represented if it can be decoded (a layer or ``X``), the representation itself otherwise.
    """
    adata: AnnData = moves.adata
    if moves.use_rep != _keys.EXPRESSION and _validate.has_decoder(adata, moves.use_rep):
        layer = str(adata.uns[moves.use_rep]["layer"])
        return _validate.expression(adata, None if layer == _keys.EXPRESSION else layer)
    return latent(adata, moves.use_rep)


def mean_and_variance(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the unbiased variance of every feature, float64; NaN where there are too few cells."""
    n_cells, n_features = x.shape
    if n_cells == 0:
        return np.full(n_features, np.nan), np.full(n_features, np.nan)
    x = x.astype(np.float64)
    mean = np.asarray(x.mean(axis=0)).ravel()
    if n_cells == 1:
        return mean, np.full(n_features, np.nan)
    squares = np.asarray((x.multiply(x) if hasattr(x, "multiply") else x * x).mean(axis=0)).ravel()
    return mean, np.maximum(squares - mean**2, 0) * n_cells / (n_cells - 1)
