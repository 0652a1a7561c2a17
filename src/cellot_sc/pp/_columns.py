"""Where the genes of a representation are among those of an AnnData, of which some may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from cellot_sc._chunks import Stored


def of_columns(x: Any, columns: np.ndarray) -> Any:
    """Return columns, at positions in any order, of a matrix or of a :class:`.Stored` one."""
    return x.of_columns(columns) if isinstance(x, Stored) else x[:, columns]


def order_of(columns: np.ndarray | None) -> np.ndarray | None:
    """Return in which order genes are in an AnnData, given where; ``None`` if in their own, or if it lacks some."""
    return None if columns is None or (columns < 0).any() else np.argsort(columns)


def var_of(var: pd.DataFrame, genes: Sequence[str], columns: np.ndarray | None) -> pd.DataFrame:
    """Return what an AnnData says of genes, in the order of :func:`order_of`.

    Parameters
    ----------
    var
        Its ``var``.
    genes
        Names of the genes, which the rows get.
    columns
        Where each is, -1 where it is missing: its row is empty. ``None`` if they are all genes, in their order.
    """
    names = np.array(genes, dtype=object)
    if columns is None:
        columns = np.arange(len(names))
    there = columns >= 0
    order = order_of(columns) if there.all() else np.flatnonzero(there)
    found = var.iloc[columns[order]].set_axis(pd.Index(names[order], name=var.index.name), axis=0)
    if there.all():
        return found.copy()
    # of what is missing, bool has no value
    flags = [name for name in found.columns if found[name].dtype == bool]
    return found.astype(dict.fromkeys(flags, "boolean")).reindex(pd.Index(names, name=var.index.name))


def joined(known: Any, filled: np.ndarray, there: np.ndarray) -> Any:
    """Return expression in the order of the genes, dense or sparse as what is known.

    Parameters
    ----------
    known
        Of the genes that are there, shape ``(n_cells, n_there)``.
    filled
        Of the others, dense, shape ``(n_cells, n_genes - n_there)``.
    there
        Mask of shape ``(n_genes,)``.
    """
    order = np.argsort(np.r_[np.flatnonzero(there), np.flatnonzero(~there)])
    if sparse.issparse(known):
        return sparse.hstack([known, sparse.csr_matrix(filled)], format="csr")[:, order]
    return np.hstack([known, filled])[:, order]
