"""Columns of ``obs`` whose categories have maps of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._labels import obs_key, texts
from ._names import distinct, several

if TYPE_CHECKING:
    from anndata import AnnData


def context_labels(adata: AnnData, key: str) -> np.ndarray:
    """Return the category of every cell as text, empty where it has none.

    Raises
    ------
    KeyError
        If the column is missing.
    """
    labels = texts(obs_key(adata, key, what="context"))
    labels[pd.isna(labels)] = ""
    return labels


def context_columns(
    adata: AnnData,
    given: str | Sequence[str] | None,
    labels: np.ndarray,
    control: str,
    targets: Sequence[str],
    *,
    taken: Mapping[str, str],
) -> tuple[str, ...]:
    """Return the columns of the contexts of cells, the outer ones first; none with ``None``.

    Parameters
    ----------
    adata
        Annotated data.
    given
        A column of ``obs``, or several.
    labels
        Perturbation of every cell.
    control, targets
        The labels of untreated and of treated cells.
    taken
        Columns that mean something else, and what.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If a column is named twice or means something else, or no category of one has both control and treated cells.
    """
    if given is None:
        return ()
    columns = distinct(several(given), what="context", otherwise=" column of adata.obs, or None")
    for column in columns:
        groups = context_labels(adata, column)
        if column in taken:
            raise ValueError(
                f"context {column!r} is the {taken[column]}: give a column of what cells are, such as the cell type."
            )
        treated = np.isin(labels, targets)
        if not set(groups[labels == control]) & set(groups[treated]) - {""}:
            raise ValueError(
                f"no category of context {column!r} has both cells of {control!r} and treated ones, so that none can "
                "have a map of its own: leave it out, or give another column, such as the cell type."
            )
    return tuple(columns)
