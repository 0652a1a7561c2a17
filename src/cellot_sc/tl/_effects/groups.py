"""The groups of cells that effects are summarised over."""

from __future__ import annotations

import numpy as np
from anndata import AnnData

from ... import _keys, _validate


def masks(adata: AnnData, groupby: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the cells of every category of ``obs[groupby]`` that has any, as masks of shape ``(len(rows),)``.

    Parameters
    ----------
    adata
        Annotated data.
    groupby
        Column of ``obs``. Cells without a category are in no group.
    rows
        Positions of the cells in question.

    Raises
    ------
    KeyError
        If the column is missing.
    """
    labels = _validate.group_labels(adata, groupby, reserved=())[rows]
    return {str(name): labels == name for name in sorted(set(labels) - {""})}


def masks_and_all(adata: AnnData, groupby: str | None, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return all cells as the group ``all``, and then what :func:`masks` returns, if there is a column.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a category is named like the group of all cells.
    """
    found = {_keys.ALL: np.ones(len(rows), dtype=bool)}
    if groupby is not None:
        _validate.group_labels(adata, groupby, reserved=(_keys.ALL,))
        found |= masks(adata, groupby, rows)
    return found
