"""The groups of cells that effects are summarised over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import _validate

if TYPE_CHECKING:
    from anndata import AnnData

ALL = "all"
"""The group of all cells."""


def masks(adata: AnnData, groupby: str | None, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return all cells, and then every category of ``obs[groupby]`` that has one, as masks of shape ``(len(rows),)``.

    Parameters
    ----------
    adata
        Annotated data.
    groupby
        Column of ``obs``. Cells without a category are in no group but that of all.
    rows
        Positions of the cells in question.

    Raises
    ------
    KeyError
        If the column is missing.
    ValueError
        If a category is named like the group of all cells.
    """
    found = {ALL: np.ones(len(rows), dtype=bool)}
    if groupby is not None:
        labels = _validate.group_labels(adata, groupby, reserved=(ALL,))[rows]
        found |= {name: labels == name for name in sorted(set(labels) - {""})}
    return found
