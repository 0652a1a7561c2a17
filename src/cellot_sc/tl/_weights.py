"""The weight of every dimension in the transport cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import _keys, _validate

if TYPE_CHECKING:
    from anndata import AnnData


def resolve_weights(
    adata: AnnData,
    feature_weights: np.ndarray | Sequence[float] | str | None,
    x: np.ndarray,
    use_rep: str,
    rows: np.ndarray,
) -> np.ndarray | None:
    """Return the weights as a float32 array of shape ``(n_dims,)``, or ``None`` if there are none.

    Parameters
    ----------
    adata
        Annotated data.
    feature_weights
        As given to :func:`cellot_sc.tl.cellot`.
    x
        Representation of all cells, shape ``(n_obs, n_dims)``.
    use_rep
        Its name.
    rows
        Mask of the control train cells, on which shares of variance are measured.

    Raises
    ------
    KeyError
        If a named column exists neither in ``var`` nor in ``obs``.
    ValueError
        If the weights are not ``n_dims`` positive finite numbers.
    """
    if feature_weights is None:
        return None
    if not isinstance(feature_weights, str):
        weights = np.asarray(feature_weights, dtype=np.float32)
    elif use_rep == _keys.EXPRESSION and feature_weights in adata.var:
        weights = adata.var[feature_weights].to_numpy(dtype=np.float32)
    elif feature_weights in adata.obs:
        weights = 1 + variance_between(x[rows], adata.obs[feature_weights].iloc[np.flatnonzero(rows)])
    else:
        valid = [*adata.obs.columns, *(adata.var.columns if use_rep == _keys.EXPRESSION else [])]
        msg = f"feature_weights {feature_weights!r} is no column.{_validate.nearest(feature_weights, valid)}"
        raise KeyError(msg)
    if weights.shape != (x.shape[1],) or not np.isfinite(weights).all() or (weights <= 0).any():
        msg = f"feature_weights of shape {weights.shape}: {x.shape[1]} positive finite numbers are needed."
        raise ValueError(msg)
    return weights


def variance_between(x: np.ndarray, labels: pd.Series) -> np.ndarray:
    """Return the share of each dimension's variance that lies between the labels (eta squared), in [0, 1]."""
    codes, _ = pd.factorize(labels)
    known = codes >= 0
    frame = pd.DataFrame(x[known].astype(np.float64))
    expected = frame.groupby(codes[known]).transform("mean").to_numpy()
    total = frame.to_numpy().var(axis=0)
    return np.divide(expected.var(axis=0), total, out=np.zeros_like(total), where=total > 0).astype(np.float32)
