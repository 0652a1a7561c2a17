"""The weight of every dimension in the transport cost, and of every cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import _keys, _validate
from ...pp import Space


def resolve_weights(
    feature_weights: np.ndarray | Sequence[float] | str | None, space: Space, rows: np.ndarray
) -> tuple[float, ...] | None:
    """Return a weight per dimension, or ``None`` if there are none.

    Parameters
    ----------
    feature_weights
        As given to :func:`cellot_sc.tl.cellot`.
    space
        The space whose dimensions are weighed.
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
    if isinstance(feature_weights, str):
        feature_weights = _named_weights(feature_weights, space, rows)
    return tuple(_validate.positive_weights(feature_weights, space.n_dims, what="feature_weights").tolist())


def cell_weights(
    adata: AnnData, key: str, labels: np.ndarray, parts: np.ndarray, names: Sequence[str], *, what: str = "weights"
) -> np.ndarray:
    """Return how much every cell counts in a fit, float64, shape ``(n_obs,)``.

    Parameters
    ----------
    adata
        Annotated data.
    key
        Column of ``obs`` with the weights.
    labels, parts
        Condition and split of every cell.
    names
        The conditions whose cells are weighed.
    what
        What the column is called.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If a weight in use is missing, negative or infinite, or all of a condition are 0.
    """
    clouds = {
        f"{part} cells of {name!r}": (labels == name) & (parts == part)
        for name in names
        for part in (_keys.TRAIN, _keys.VALID)
    }
    return _validate.cell_weights(adata, key, clouds, what=what)


def _named_weights(name: str, space: Space, rows: np.ndarray) -> np.ndarray:
    """Return the weights that a column of ``var`` holds, or that the labels in a column of ``obs`` stand for."""
    obs, var = space.adata.obs, space.adata.var
    if space.is_expression and name in var:
        return var[name].to_numpy()
    if name not in obs:
        valid = [*obs.columns, *(var.columns if space.is_expression else [])]
        raise KeyError(
            f"feature_weights {name!r} is no column of obs or, for genes, var.{_validate.nearest(name, valid)}"
        )
    return 1 + variance_between(space.read(rows), pd.Series(_validate.texts(obs[name])[rows]))


def variance_between(x: np.ndarray, labels: pd.Series) -> np.ndarray:
    """Return the share of each dimension's variance that lies between the labels (eta squared), in [0, 1]."""
    codes, _ = pd.factorize(labels)
    known = codes >= 0
    frame = pd.DataFrame(x[known].astype(np.float64))
    expected = frame.groupby(codes[known]).transform("mean").to_numpy()
    total = frame.to_numpy().var(axis=0)
    return np.divide(expected.var(axis=0), total, out=np.zeros_like(total), where=total > 0).astype(np.float32)
