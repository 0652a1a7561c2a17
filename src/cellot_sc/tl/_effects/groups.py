"""The groups of cells that effects are summarised over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from anndata import AnnData

from ... import _validate


def masks(adata: AnnData, groupby: str, rows: np.ndarray, *, reserved: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return the cells of every category of ``obs[groupby]`` that has any, as masks of shape ``(len(rows),)``.

    Parameters
    ----------
    adata
        Annotated data.
    groupby
        Column of ``obs``. Cells without a category are in no group.
    rows
        Positions of the cells in question.
    reserved
        Names that no category may have.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a category has a reserved name.
    """
    labels = _validate.group_labels(adata, groupby, reserved=reserved)[rows]
    return {str(name): labels == name for name in sorted(set(labels) - {""})}
